/**
 * The status server on a port or a unix socket.
 *
 * @module
 */

import type { Hono } from "hono";
import { StreamCutError } from "../base/stream_cut_error.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { LockstepError } from "../protocol/errors.ts";
import { isIpLiteral, isLoopback, parseAddress, type TcpAddress, urlHost } from "./address.ts";
import { type AppOptions, createApp } from "./app.ts";
import type { HttpHost } from "./host.ts";
import { exportMetrics } from "./telemetry.ts";
import { TokenFile } from "./token.ts";
import { claimSocket, secureSocket, unusableSocket } from "./unix_socket.ts";

/** Where the status server listens, and for whom. */
export interface StatusServerOptions {
  /** `HOST:PORT`, `PORT`, `[IPV6]:PORT` or `unix:PATH`. */
  readonly address: string;
  /** Whether somebody asked for this address: else a free port serves where it is taken. */
  readonly explicit: boolean;
  /** File with the access token; needed on an address that others can reach. */
  readonly tokenFile?: string;
  /** More names that the server may be called by. */
  readonly hosts?: readonly string[];
  /** `/readyz` fails when the last contact is older, in milliseconds. */
  readonly maxStalenessMs?: number;
  /** Open event streams at most; default 1000. */
  readonly maxStreams?: number;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Told of a request that failed inside: a fault of the store, or of this program. */
  readonly onError?: (error: Error) => void;
  /** Adds further routes behind the same guard. */
  readonly mount?: (app: Hono) => void;
}

/** A running status server. */
export interface StatusServer {
  /** Where to point a browser; `unix:PATH` for a socket. */
  readonly url: string;
  /** Event streams that are open. */
  readonly openStreams: number;
  /** Ends event streams, lets requests under way finish for two seconds, then closes. Never hangs. */
  close(): Promise<void>;
}

/** What both kinds of listeners are started with. */
interface Common {
  readonly signal: AbortSignal;
  readonly onListen: () => void;
  readonly onError: (error: unknown) => Response;
}

/** How long requests under way may take when the server closes. */
const CLOSE_MS = 2000;

/** How often the charts get a chance to grow; the replica keeps its own pace of samples. */
const SAMPLE_MS = 5000;

/** Sees to the charts also while nobody looks: who opens the page at night wants the past. */
async function keepSampling(host: HttpHost, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const table of host.tables.values()) table.samples();
    await clock.sleep(SAMPLE_MS, signal).catch(() => {});
  }
}

/**
 * Starts the status server.
 *
 * @throws {LockstepError} of kind `usage`: the address is no address, is taken, or is open to
 *   others and no token file is given
 */
export async function startStatusServer(
  host: HttpHost,
  options: StatusServerOptions,
): Promise<StatusServer> {
  const address = parseAddress(options.address);
  const clock = options.clock ?? systemClock;
  if (address.kind === "tcp" && !isLoopback(address.hostname) && options.tokenFile === undefined) {
    throw new LockstepError(
      `the status server would be open to everybody who reaches ${options.address}`,
      {
        kind: "usage",
        retry: "never",
        hint: "give --status-token-file FILE, or a loopback address such as 127.0.0.1:4568",
      },
    );
  }
  const appOptions: { -readonly [K in keyof AppOptions]: AppOptions[K] } = {
    clock,
    hosts: [
      ...(options.hosts ?? []),
      ...(address.kind === "tcp" && !isIpLiteral(address.hostname) ? [address.hostname] : []),
    ],
    trusted: address.kind === "unix",
  };
  if (options.tokenFile !== undefined) appOptions.token = await TokenFile.open(options.tokenFile);
  if (options.maxStalenessMs !== undefined) appOptions.maxStalenessMs = options.maxStalenessMs;
  if (options.onError !== undefined) appOptions.onError = options.onError;
  if (options.maxStreams !== undefined) appOptions.maxStreams = options.maxStreams;
  const app = createApp(host, appOptions, options.mount);

  const abort = new AbortController();
  const common: Common = {
    signal: abort.signal,
    onListen: () => {},
    // Only a body that breaks while it is sent comes here; a handler answers for itself.
    onError: (error) => {
      if (!(error instanceof StreamCutError) && error instanceof Error) options.onError?.(error);
      return new Response(null, { status: 500 });
    },
  };
  const underWay = new Set<Promise<void>>();
  let closing: Promise<void> | null = null;
  const handler = (request: Request, info: Deno.ServeHandlerInfo<Deno.Addr>) => {
    if (closing !== null) return new Response("closing\n", { status: 503 });
    const sent = info.completed.catch(() => {}).then(() => void underWay.delete(sent));
    underWay.add(sent);
    return app.fetch(request);
  };
  let server: Deno.HttpServer<Deno.Addr>;
  let url: string;
  if (address.kind === "unix") {
    await claimSocket(address.path);
    try {
      server = Deno.serve({ ...common, path: address.path }, handler);
    } catch (cause) {
      throw unusableSocket(address.path, cause);
    }
    await secureSocket(address.path);
    url = `unix:${address.path}`;
  } else {
    const tcp = serveTcp(address, options.explicit, common, handler);
    server = tcp;
    url = `http://${urlHost(browsable(address.hostname), tcp.addr.port)}/`;
  }

  const stopExport = exportMetrics(() => host.status());
  const sampling = keepSampling(host, clock, abort.signal);

  // `server.shutdown()` waits for ever for a client that doesn't read, and can't be cut short by
  // an abort: so the wait for requests under way is our own, and the abort ends whatever is left.
  const close = async () => {
    app.close();
    const patience = new AbortController();
    const late = clock.sleep(CLOSE_MS, patience.signal).catch(() => {});
    await Promise.race([Promise.all(underWay), late]);
    patience.abort();
    await late;
    stopExport();
    abort.abort();
    await Promise.all([server.finished, sampling]);
    if (address.kind === "unix") await Deno.remove(address.path).catch(() => {});
  };
  return {
    url,
    get openStreams() {
      return app.openStreams;
    },
    close: () => closing ??= close(),
  };
}

function serveTcp(
  address: TcpAddress,
  explicit: boolean,
  common: Common,
  handler: Deno.ServeHandler,
): Deno.HttpServer<Deno.NetAddr> {
  const { hostname, port } = address;
  try {
    return Deno.serve({ ...common, hostname, port }, handler);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AddrInUse)) throw unusable(address, cause);
    if (!explicit) return Deno.serve({ ...common, hostname, port: 0 }, handler);
    throw new LockstepError(`the status address ${urlHost(hostname, port)} is taken`, {
      kind: "usage",
      retry: "never",
      hint: "stop the program that listens there, give another --status, or --no-status",
      cause,
    });
  }
}

function unusable(address: TcpAddress, cause: unknown): LockstepError {
  return new LockstepError(
    `can't listen on ${urlHost(address.hostname, address.port)}: ${
      cause instanceof Error ? cause.message : String(cause)
    }`,
    {
      kind: "usage",
      retry: "never",
      hint: "give an address of this machine and a port that this user may use",
      cause,
    },
  );
}

/** A wildcard address is no place to point a browser at. */
function browsable(hostname: string): string {
  return hostname === "0.0.0.0" ? "127.0.0.1" : hostname === "::" ? "::1" : hostname;
}
