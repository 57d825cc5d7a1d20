/**
 * An HTTP origin over raw TCP sockets that does what it is told, byte by byte: whatever a server,
 * or a proxy before it, has ever done wrong.
 *
 * Each request takes the next {@linkcode Behaviour} of the script; the last one goes on for ever.
 *
 * @example
 * ```ts
 * import { MisbehavingOrigin, records, status } from "./misbehaving_origin.ts";
 * await using origin = await MisbehavingOrigin.start(status(503), records('{"id":1}\n'));
 * const refused = await fetch(`${origin.url}/servers/0`); // 503
 * await refused.body?.cancel();
 * const answer = await fetch(`${origin.url}/servers/0`); // the record
 * console.log(await answer.text(), origin.requests[1]?.path);
 * ```
 *
 * @module
 */

import { createServer, type Server, type Socket } from "node:net";
import { records } from "./behaviours.ts";
import { type Behaviour, Conversation, type SeenRequest } from "./conversation.ts";

export * from "./behaviours.ts";
export { type Behaviour, Conversation, type End, type SeenRequest } from "./conversation.ts";

/** The origin: see the module. */
export class MisbehavingOrigin implements AsyncDisposable {
  /** `http://127.0.0.1:PORT`, without a path. */
  readonly url: string;
  readonly port: number;
  /** Every request so far. */
  readonly requests: SeenRequest[] = [];
  /** What went wrong in a behaviour itself; asserted empty by {@linkcode MisbehavingOrigin.close}. */
  readonly failures: unknown[] = [];
  /** Connections accepted so far, those without a request included. */
  connections = 0;

  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #running = new Set<Promise<void>>();
  #script: Behaviour[];
  #waiters: { readonly count: number; readonly resolve: () => void }[] = [];

  private constructor(server: Server, port: number, script: Behaviour[]) {
    this.#server = server;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.#script = script;
    server.on("connection", (socket) => {
      const done = this.#serve(socket, this.connections++)
        .catch((error) => void this.failures.push(error))
        .finally(() => this.#running.delete(done));
      this.#running.add(done);
    });
  }

  /** Starts on a free port of 127.0.0.1. Without behaviours it answers 200 and nothing. */
  static async start(...script: Behaviour[]): Promise<MisbehavingOrigin> {
    const server = createServer({ allowHalfOpen: true });
    const port = await new Promise<number>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        resolve(address !== null && typeof address === "object" ? address.port : 0);
      });
    });
    return new MisbehavingOrigin(server, port, script);
  }

  /** Replaces what is left of the script. */
  next(...script: Behaviour[]): void {
    this.#script = script;
  }

  /** Resolves when `count` requests have come in all. */
  whenRequests(count: number): Promise<void> {
    if (this.requests.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ count, resolve }));
  }

  /** Breaks every open connection with RST, as a restart of the server would. */
  breakAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Ends everything. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    await Promise.all(this.#running);
    if (this.failures.length > 0) throw this.failures[0];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #serve(socket: Socket, connection: number): Promise<void> {
    this.#sockets.add(socket);
    const gone = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => {});
    socket.setNoDelay(true);
    let text = "";
    let wake = () => {};
    let ended = false;
    socket.on("data", (data) => {
      text += new TextDecoder("latin1").decode(data);
      wake();
    });
    socket.on("end", () => {
      ended = true;
      wake();
    });
    socket.on("close", () => {
      ended = true;
      wake();
    });
    while (!ended && !socket.writableEnded) {
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) {
        await new Promise<void>((resolve) => wake = resolve);
        continue;
      }
      const request = readHead(text.slice(0, end), connection);
      text = text.slice(end + 4);
      const number = this.requests.push(request) - 1;
      this.#waiters = this.#waiters.filter(({ count, resolve }) => {
        if (this.requests.length < count) return true;
        resolve();
        return false;
      });
      const behaviour = (this.#script.length > 1 ? this.#script.shift() : this.#script[0]) ??
        records("");
      await behaviour(new Conversation(request, number, socket));
    }
    socket.end();
    if (!socket.destroyed) socket.destroy();
    await gone;
    this.#sockets.delete(socket);
  }
}

function readHead(head: string, connection: number): SeenRequest {
  const [first = "", ...lines] = head.split("\r\n");
  const [method = "", path = ""] = first.split(" ");
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  return { method, path, headers, connection };
}
