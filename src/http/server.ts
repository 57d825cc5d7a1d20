/**
 * The status server on a port or a unix socket.
 *
 * @module
 */

import type { Server } from "node:http";
import type { Hono } from "hono";
import { type Clock, systemClock } from "../base/clock.ts";
import { freeDescriptors } from "../base/descriptors.ts";
import { LockstepError } from "../protocol/errors.ts";
import { isIpLiteral, isLoopback, parseAddress, type TcpAddress, urlHost } from "./address.ts";
import { Admission, LOOK_FOR, LOOK_FOR_MORE, neededDescriptors, quotasOf } from "./admission.ts";
import { type AppOptions, createApp } from "./app.ts";
import type { HttpHost } from "./host.ts";
import { Listener, type ListenerOptions, listening } from "./listener.ts";
import { exportMetrics } from "./telemetry.ts";
import { TokenFile } from "./token.ts";
import { bindSocket } from "./unix_socket.ts";

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
  const free = freeDescriptors(LOOK_FOR);
  let isKnown = free < LOOK_FOR;
  const quotas = quotasOf(free, host.tables.size);
  if (quotas === null) throw tooFewDescriptors(host.tables.size);
  const app = createApp(host, appOptions, options.mount);

  const admission = new Admission(quotas, () => clock.monotonic());
  const serving = {
    clock,
    admission,
    handle: (request: Request) => app.fetch(request),
    onError: (error: Error) => options.onError?.(error),
    onCrowded: () => {
      // There may be more descriptors than were looked for at first.
      if (isKnown) return;
      isKnown = true;
      const all = freeDescriptors(LOOK_FOR_MORE) + listener.connections;
      admission.quotas = quotasOf(all, host.tables.size) ?? admission.quotas;
    },
  };
  let url: string;
  let listener: Listener;
  if (address.kind === "unix") {
    listener = await Listener.open((server) => bindSocket(server, address.path), serving);
    url = `unix:${address.path}`;
  } else {
    const bound = await listenOnPort(address, options.explicit, serving);
    listener = bound.listener;
    url = `http://${urlHost(browsable(address.hostname), bound.port())}/`;
  }

  const abort = new AbortController();
  const stopExport = exportMetrics(() => host.status());
  const sampling = keepSampling(host, clock, abort.signal);

  let closing: Promise<void> | null = null;
  const close = async () => {
    app.close();
    await listener.close(CLOSE_MS);
    stopExport();
    abort.abort();
    await sampling;
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

/** A listener on a port, and which it is. */
async function listenOnPort(
  { hostname, port: asked }: TcpAddress,
  explicit: boolean,
  options: ListenerOptions,
): Promise<{ listener: Listener; port: () => number }> {
  let port = asked;
  const bind = async (server: Server) => {
    await listening(server, () => server.listen(port, hostname));
    const address = server.address();
    // A server that comes back is found where it was.
    if (address !== null && typeof address === "object") port = address.port;
    return { hostname: browsable(hostname), port };
  };
  const open = async () => ({ listener: await Listener.open(bind, options), port: () => port });
  try {
    return await open();
  } catch (cause) {
    if (codeOf(cause) !== "EADDRINUSE") throw unusable(hostname, asked, cause);
    if (!explicit) {
      port = 0;
      return await open();
    }
    throw new LockstepError(`the status address ${urlHost(hostname, port)} is taken`, {
      kind: "usage",
      retry: "never",
      hint: "stop the program that listens there, give another --status, or --no-status",
      cause,
    });
  }
}

/** The system's name of an error. */
function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as Error & { code?: string }).code : undefined;
}

function tooFewDescriptors(tables: number): LockstepError {
  return new LockstepError("too few files may be open at once for a status server", {
    kind: "usage",
    retry: "never",
    hint: `allow at least ${neededDescriptors(tables)} more (ulimit -n; LimitNOFILE= in a unit), ` +
      "or give --no-status",
  });
}

function unusable(hostname: string, port: number, cause: unknown): LockstepError {
  return new LockstepError(
    `can't listen on ${urlHost(hostname, port)}: ${
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
