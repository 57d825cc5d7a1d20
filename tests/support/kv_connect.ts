/**
 * A KV Connect server made of denokv's own engine: the native module of `@deno/kv` takes the
 * protocol's bytes, and this is the HTTP around it, with faults at will.
 *
 * The protocol (denokv, `proto/kv-connect.md`): POST to the base URL gives endpoints and a token;
 * then `snapshot_read`, `atomic_write` and `watch`, whose messages are framed by their length, four
 * bytes, little-endian.
 *
 * @module
 */

import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** What the native module exports, as far as it is needed here. */
interface Engine {
  open(path: string, inMemory: boolean | undefined, debug: boolean): number;
  close(db: number, debug: boolean): void;
  snapshotRead(db: number, request: Uint8Array, debug: boolean): Promise<Uint8Array>;
  atomicWrite(db: number, request: Uint8Array, debug: boolean): Promise<Uint8Array>;
  startWatch(db: number, request: Uint8Array, debug: boolean): Promise<number>;
  dequeueNextWatchMessage(
    db: number,
    watch: number,
    debug: boolean,
  ): Promise<Uint8Array | undefined>;
  endWatch(db: number, watch: number, debug: boolean): void;
}

/** The engine's module; null where it can't be had: it is built for Linux on x86-64. */
function loadEngine(): Engine | null {
  try {
    const file = fileURLToPath(import.meta.resolve("@deno/kv-linux-x64-gnu"));
    return createRequire(import.meta.url)(file) as Engine;
  } catch {
    return null;
  }
}

const engine = loadEngine();

/** Why there is no such server on this machine; null where there is one. */
export const kvConnectMissing: string | null = engine === null
  ? "KV Connect's engine (@deno/kv) is built for Linux on x86-64 only"
  : null;

/** What becomes of one request, besides being answered. */
export type Fault =
  /** Refused before it is applied. */
  | { readonly kind: "status"; readonly status: number }
  /** Applied; the connection is cut before the headers: the client sends it again. */
  | { readonly kind: "lost" }
  /** Applied; the body is cut behind the headers: the client throws. */
  | { readonly kind: "cut" }
  /** Applied, and never answered. */
  | { readonly kind: "hang" }
  /** Applied after a while, whether or not the client is still there. */
  | { readonly kind: "late"; readonly delayMs: number };

/** A request that a fault may befall. */
export interface KvRequest {
  readonly method: "snapshot_read" | "atomic_write" | "watch" | "metadata";
  /** Counts requests of all kinds, from 0. */
  readonly number: number;
}

/** How the server behaves; may be changed while it runs. */
export interface KvConnectBehaviour {
  /** Added to every request, in milliseconds. */
  latencyMs?: number;
  /** The access token that is accepted; default `secret`. */
  token?: string;
  /** Called for every request; null lets it pass. */
  fault?: (request: KvRequest) => Fault | null;
}

/** A running server. */
export interface KvConnectServer extends AsyncDisposable {
  /** For `Deno.openKv` and `--kv`. */
  readonly url: string;
  readonly port: number;
  readonly behaviour: KvConnectBehaviour;
  /** Requests so far, by kind. */
  readonly requests: Map<KvRequest["method"], number>;
  /** Resolves when nothing that was asked for is still to be applied. */
  settled(): Promise<void>;
}

const TOKEN_LIFE_MS = 3_600_000;

function framed(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 + message.length);
  new DataView(bytes.buffer).setUint32(0, message.length, true);
  bytes.set(message, 4);
  return bytes;
}

/**
 * Starts a server over a database.
 *
 * @param path the SQLite file; in memory without
 */
export function startKvConnect(
  behaviour: KvConnectBehaviour = {},
  path?: string,
  port = 0,
): KvConnectServer {
  if (engine === null) throw new Error(kvConnectMissing ?? "");
  const native = engine;
  const db = native.open(path ?? "", path === undefined ? true : undefined, false);
  const over = new AbortController();
  const requests = new Map<KvRequest["method"], number>();
  const waiting = new Set<Promise<unknown>>();
  const applying = new Set<Promise<unknown>>();
  let number = 0;

  const sleep = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(done, ms);
      function done() {
        clearTimeout(timer);
        over.signal.removeEventListener("abort", done);
        resolve();
      }
      over.signal.addEventListener("abort", done, { once: true });
    });

  const metadata = (base: string) => ({
    version: 3,
    databaseId: "11111111-2222-3333-4444-555555555555",
    endpoints: [{ url: `${base}/v2`, consistency: "strong" }],
    token: behaviour.token ?? "secret",
    expiresAt: new Date(Date.now() + TOKEN_LIFE_MS).toISOString(),
  });

  const watch = async (bytes: Uint8Array): Promise<Response> => {
    const id = await native.startWatch(db, bytes, false);
    const end = () => native.endWatch(db, id, false);
    over.signal.addEventListener("abort", end, { once: true });
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: async (controller) => {
        const message = await native.dequeueNextWatchMessage(db, id, false);
        if (message === undefined || over.signal.aborted) return controller.close();
        controller.enqueue(framed(message));
      },
      cancel: end,
    }, { highWaterMark: 0 });
    return new Response(body, { headers: { "content-type": "application/x-protobuf" } });
  };

  const apply = async (
    method: "snapshot_read" | "atomic_write",
    bytes: Uint8Array,
    delayMs: number,
  ): Promise<Uint8Array<ArrayBuffer>> => {
    if (delayMs > 0) await sleep(delayMs);
    const answer =
      await (method === "snapshot_read"
        ? native.snapshotRead(db, bytes, false)
        : native.atomicWrite(db, bytes, false));
    return new Uint8Array(answer);
  };

  const handle = async (request: Request): Promise<Response> => {
    const url = new URL(request.url);
    const last = url.pathname.split("/").at(-1) ?? "";
    const method = last === "snapshot_read" || last === "atomic_write" || last === "watch"
      ? last
      : "metadata";
    const fault = behaviour.fault?.({ method, number: number++ }) ?? null;
    requests.set(method, (requests.get(method) ?? 0) + 1);
    const bytes = new Uint8Array(await request.arrayBuffer());
    if (behaviour.latencyMs) await sleep(behaviour.latencyMs);
    if (fault?.kind === "status") return new Response("refused", { status: fault.status });
    const bearer = request.headers.get("authorization");
    if (bearer !== `Bearer ${behaviour.token ?? "secret"}`) {
      return new Response("bad token", { status: 401 });
    }
    if (method === "metadata") return Response.json(metadata(`${url.protocol}//${url.host}`));
    if (method === "watch") return await watch(bytes);
    const applied = apply(method, bytes, fault?.kind === "late" ? fault.delayMs : 0);
    applying.add(applied);
    const answer = await applied.finally(() => applying.delete(applied));
    const headers = { "content-type": "application/x-protobuf" };
    if (fault?.kind === "hang") {
      await sleep(TOKEN_LIFE_MS);
      return new Response(null, { status: 503 });
    }
    if (fault?.kind === "lost") throw new Error("lost");
    // Over HTTP/2 a stream that breaks before its headers are flushed counts as lost: so the end
    // is missing from a body that ends cleanly, which no protobuf reader accepts.
    if (fault?.kind === "cut") return new Response(answer.slice(0, -1), { headers });
    return new Response(answer, { headers });
  };

  const server = Deno.serve({
    hostname: "127.0.0.1",
    port,
    onListen: () => {},
    // A lost answer is an aborted connection, not a 500.
    onError: () => new Response(null, { status: 502 }),
  }, (request) => {
    const work = handle(request);
    const settled = work.catch(() => {});
    waiting.add(settled);
    void settled.then(() => waiting.delete(settled));
    return work;
  });

  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    port: server.addr.port,
    behaviour,
    requests,
    async settled() {
      while (applying.size > 0) await Promise.allSettled(applying);
    },
    async [Symbol.asyncDispose]() {
      over.abort();
      await Promise.all(waiting);
      await server.shutdown();
      native.close(db, false);
    },
  };
}
