/**
 * One request to a misbehaving origin, and the socket to answer it on.
 *
 * @module
 */

import type { Socket } from "node:net";

/** A request as it came. */
export interface SeenRequest {
  readonly method: string;
  /** The request target: path and query. */
  readonly path: string;
  /** Header names in lower case; repeated ones are joined by a comma and a blank. */
  readonly headers: Readonly<Record<string, string>>;
  /** Which connection it came on, counted from 0. */
  readonly connection: number;
}

/** What the origin does with one request. When it returns, the connection may carry another. */
export type Behaviour = (conversation: Conversation) => Promise<void> | void;

/** How an answer ends early or late: FIN, RST, or never. */
export type End = "close" | "reset" | "stall";

/** One request, and the socket to answer it on. */
export class Conversation {
  readonly request: SeenRequest;
  /** Which request of the origin it is, counted from 0. */
  readonly number: number;
  readonly #socket: Socket;

  constructor(request: SeenRequest, number: number, socket: Socket) {
    this.request = request;
    this.number = number;
    this.#socket = socket;
  }

  /** True once the connection is gone. */
  get closed(): boolean {
    return this.#socket.destroyed || this.#socket.writableEnded;
  }

  /** Sends bytes as they are; resolves when they have left, or when the peer is gone. */
  send(data: string | Uint8Array): Promise<void> {
    if (this.closed || data.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      // A write to a peer that is gone may never call back.
      this.#socket.once("close", resolve);
      this.#socket.write(data, () => {
        this.#socket.off("close", resolve);
        resolve();
      });
    });
  }

  /** Sends one byte at a time, each in a packet of its own as far as the system lets it. */
  async trickle(data: string | Uint8Array): Promise<void> {
    for (const byte of bytesOf(data)) {
      await this.send(Uint8Array.of(byte));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  /** Ends the connection with FIN, after what was sent. */
  close(): Promise<void> {
    if (this.closed) return Promise.resolve();
    return new Promise((resolve) => this.#socket.end(() => resolve()));
  }

  /** Ends the connection with RST. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Resolves when the peer has closed the connection, or the origin is closed. */
  stall(): Promise<void> {
    if (this.#socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#socket.once("close", () => resolve());
      this.#socket.once("end", () => resolve());
    });
  }

  /** Ends as told. */
  async end(how: End): Promise<void> {
    if (how === "close") await this.close();
    else if (how === "reset") this.reset();
    else await this.stall();
  }
}

/** Text as UTF-8. */
export function bytesOf(data: string | Uint8Array): Uint8Array {
  return typeof data === "string" ? new TextEncoder().encode(data) : data;
}

/** Parts in one piece. */
export function concat(...parts: (string | Uint8Array)[]): Uint8Array {
  const all = parts.map(bytesOf);
  const joined = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of all) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
