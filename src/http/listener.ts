/**
 * An HTTP server that its clients can neither end nor fill up.
 *
 * It stands on `node:http`, which knows what Deno's own server doesn't: when a connection was made,
 * whether it is idle, and how to close it. (Measured on two cores: 8,000 small answers a second and
 * 70 µs of a core each, where `Deno.serve` takes 7 µs; large bodies cost the same in both. But
 * `Deno.serve` ends for good when it runs out of descriptors, closes no idle connection, and waits
 * for ever for the second half of a request.)
 *
 * @module
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Backoff } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import { Signal } from "../base/signal.ts";
import { StreamCutError } from "../base/stream_cut_error.ts";
import { type Admission, kindOf } from "./admission.ts";
import { Connections } from "./connections.ts";
import { readRequest } from "./read_request.ts";
import { sendAnswer } from "./send_answer.ts";

/** Half a request that doesn't become a whole one in so long ends with its connection. */
const HEADERS_MS = 10_000;

/** The same with its body. */
const REQUEST_MS = 30_000;

/** A connection without a request for so long is closed. */
const IDLE_MS = 30_000;

/** How often connections are looked at for these. */
const CHECK_MS = 2_000;

/**
 * How often the server is looked after: an accept that fails (there was no descriptor) is told by
 * nobody, and is the last one.
 */
const LOOK_MS = 5_000;

/** The same while there are many connections. */
const LOOK_SOONER_MS = 500;

/** A connection that was made and has not arrived in so long never will. */
const ARRIVAL_MS = 1_000;

/** Bytes of a request's first lines at most. */
const HEADER_BYTES = 16 * 1024;

/** Where a server that listens can be reached from here. */
export type Reach =
  | { readonly hostname: string; readonly port: number }
  | { readonly transport: "unix"; readonly path: string };

/** Lets a server listen where it is to; rejects where it can't. Called again when it comes back. */
export type Bind = (server: Server) => Promise<Reach>;

/** What a listener is told. */
export interface ListenerOptions {
  readonly clock: Clock;
  readonly admission: Admission;
  readonly handle: (request: Request) => Response | Promise<Response>;
  /** Told of an answer that broke by itself, and of a server that failed and comes back. */
  readonly onError: (error: Error) => void;
  /** Called while more than half of the connections that there may be are open. */
  readonly onCrowded: () => void;
  /** Half a request has so long to become a whole one; default 10 s. */
  readonly headersMs?: number;
}

/** A server that listens until it is closed, and comes back when it fails. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #connections = new Connections<Socket>();
  readonly #stop = new AbortController();
  readonly #bind: Bind;
  #server: Server | null = null;
  #reach: Reach | null = null;
  #returning: Promise<void> | null = null;
  /** Connections that ever came. */
  #arrivals = 0;
  readonly #arrived = new Signal();
  #looking: Promise<void> = Promise.resolve();
  readonly #underWay = new Set<Promise<void>>();

  private constructor(bind: Bind, options: ListenerOptions) {
    this.#bind = bind;
    this.#options = options;
  }

  /** Starts to listen; rejects with what the system says where it can't. */
  static async open(bind: Bind, options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(bind, options);
    await listener.#listen();
    listener.#looking = listener.#look();
    return listener;
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Stops to listen, lets what is under way finish for a while, and closes what is left. */
  async close(patienceMs: number): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#returning, this.#looking]);
    const server = this.#server;
    const closed = new Promise<void>((resolve) => {
      if (server === null) resolve();
      else server.close(() => resolve());
    });
    this.#connections.destroyAll("idle");
    const enough = new AbortController();
    const late = this.#options.clock.sleep(patienceMs, enough.signal).catch(() => {});
    await Promise.race([Promise.all(this.#underWay), late]);
    enough.abort();
    await late;
    this.#connections.destroyAll("all");
    await closed;
    await Promise.all(this.#underWay);
  }

  async #listen(): Promise<void> {
    const server = createServer({
      headersTimeout: this.#options.headersMs ?? HEADERS_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: IDLE_MS,
      connectionsCheckingInterval: CHECK_MS,
      maxHeaderSize: HEADER_BYTES,
    }, (request, response) => this.#answer(request, response));
    server.on("connection", (socket) => this.#connected(socket));
    server.on("clientError", refuse);
    this.#reach = await this.#bind(server);
    server.on("error", (error) => this.#failed(server, error));
    this.#server = server;
  }

  /** The server's failure is its own: whatever it was, it comes back. */
  #failed(server: Server, error: Error): void {
    if (this.#server !== server || this.#stop.signal.aborted) return;
    this.#server = null;
    this.#options.onError(error);
    server.close();
    this.#connections.destroyAll("idle");
    this.#returning = this.#comeBack();
  }

  async #comeBack(): Promise<void> {
    const { clock, onError } = this.#options;
    const backoff = new Backoff(clock);
    while (!this.#stop.signal.aborted) {
      await clock.sleep(backoff.failed({ retry: "soon" }), this.#stop.signal).catch(() => {});
      if (this.#stop.signal.aborted) return;
      try {
        return await this.#listen();
      } catch (error) {
        if (error instanceof Error) onError(error);
      }
    }
  }

  /** Makes sure that connections still arrive, where none has for a while. */
  async #look(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stop;
    for (let seen = -1; !signal.aborted; seen = this.#arrivals) {
      await clock.sleep(this.#isCrowded ? LOOK_SOONER_MS : LOOK_MS, signal).catch(() => {});
      if (signal.aborted || this.#arrivals !== seen) continue;
      const server = this.#server;
      if (server === null || await this.#isReached()) continue;
      this.#failed(server, new Error("the status server takes no connections: it starts again"));
    }
  }

  /** Whether a connection from here arrives. Where none can be made, nothing is known. */
  async #isReached(): Promise<boolean> {
    if (this.#reach === null) return true;
    const seen = this.#arrivals;
    const enough = new AbortController();
    const over = AbortSignal.any([this.#stop.signal, enough.signal]);
    let isLate = false;
    try {
      using _ = await connectTo(this.#reach);
      const late = this.#options.clock.sleep(ARRIVAL_MS, over).catch(() => {}).then(() => {
        isLate = true;
        this.#arrived.notify();
      });
      await this.#arrived.until(() => isLate || this.#arrivals !== seen);
      enough.abort();
      await late;
    } catch {
      return true;
    }
    return this.#stop.signal.aborted || this.#arrivals !== seen;
  }

  get #isCrowded(): boolean {
    return this.#connections.size * 2 > this.#options.admission.quotas.connections;
  }

  #connected(socket: Socket): void {
    const { admission, onCrowded } = this.#options;
    this.#arrivals++;
    this.#arrived.notify();
    // An error of a connection is followed by its end, which is all that matters.
    socket.on("error", () => {});
    socket.once("close", () => this.#connections.remove(socket));
    if (this.#isCrowded) onCrowded();
    this.#connections.add(socket, admission.quotas.connections);
  }

  #answer(message: IncomingMessage, response: ServerResponse): void {
    const { socket } = message;
    this.#connections.began(socket);
    const done = this.#serve(message, response)
      .catch((error: unknown) => {
        response.destroy();
        if (error instanceof Error && !(error instanceof StreamCutError)) {
          this.#options.onError(error);
        }
      })
      .then(() => void this.#underWay.delete(done));
    this.#underWay.add(done);
    const over = () => {
      this.#connections.ended(socket);
      // What a client sends behind its request is of no interest.
      if (!message.complete) socket.destroy();
    };
    if (response.closed) over();
    else response.once("close", over);
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const { admission, clock, handle } = this.#options;
    const request = readRequest(message);
    const kind = request instanceof Response ? "request" : kindOf(new URL(request.url));
    const place = admission.enter(kind, () => response.destroy());
    const { took } = place ?? { took: () => {} };
    try {
      const answer = this.#stop.signal.aborted
        ? busy("this server is about to end")
        : request instanceof Response
        ? request
        : place === null
        ? busy("too many requests are under way: ask again in a while")
        : await lengthOf(request, await handle(request), handle);
      if (isStream(answer) && place?.becomeStream() === false) {
        await answer.body?.cancel();
        await sendAnswer(busy("too many streams are open"), response, { clock, took });
      } else {
        await sendAnswer(answer, response, { clock, took });
      }
    } finally {
      place?.leave();
    }
  }
}

function connectTo(reach: Reach): Promise<Deno.Conn> {
  return "path" in reach ? Deno.connect(reach) : Deno.connect(reach);
}

/** Resolves when a server listens that was told to; rejects where it can't. */
export function listening(server: Server, tell: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", () => {
      server.off("error", reject);
      resolve();
    });
    tell();
  });
}

/** An answer that stays open while things change: nobody shall gather it. */
function isStream(answer: Response): boolean {
  return answer.headers.get("x-accel-buffering") === "no";
}

/** For HEAD: the answer to GET, whose length is told and whose body isn't sent. */
async function lengthOf(
  request: Request,
  answer: Response,
  handle: ListenerOptions["handle"],
): Promise<Response> {
  if (request.method !== "HEAD" || answer.status !== 200 || isStream(answer)) return answer;
  if (answer.headers.get("content-type")?.startsWith("text/event-stream")) return answer;
  return await handle(new Request(request.url, { headers: request.headers }));
}

function busy(why: string): Response {
  return new Response(`${why}\n`, {
    status: 503,
    headers: { "retry-after": "1", "cache-control": "no-store", connection: "close" },
  });
}

/** What is said to a client that speaks no HTTP, by the parser's reason. */
const REFUSALS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

function refuse(error: Error & { readonly code?: string }, socket: Duplex): void {
  if (!socket.writable) return void socket.destroy();
  const status = REFUSALS[error.code ?? ""] ?? "400 Bad Request";
  const answer = `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`;
  socket.end(answer, () => socket.destroy());
}
