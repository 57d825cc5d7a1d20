/**
 * Server-sent events: their encoding, and how many are open.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { BoundedStream } from "../stream/bounded_stream.ts";

const encoder = new TextEncoder();

/** The parts of one event. */
export interface EventParts {
  /** Name of the event; a plain word. */
  readonly event?: string;
  /** What `Last-Event-ID` will be; printable ASCII only (see {@linkcode headerText}). */
  readonly id?: string;
  readonly data: string;
}

/**
 * Encodes one event. Line breaks in `data` become several `data:` lines, which the client joins
 * again; in `event` and `id` they are dropped, so that nothing can start a field or an event of
 * its own.
 */
export function encodeEvent({ event, id, data }: EventParts): Uint8Array<ArrayBuffer> {
  let text = "";
  if (event !== undefined) text += `event: ${oneLine(event)}\n`;
  if (id !== undefined) text += `id: ${oneLine(id)}\n`;
  for (const line of data.split(/\r\n|\r|\n/)) text += `data: ${line}\n`;
  return encoder.encode(text + "\n");
}

function oneLine(text: string): string {
  return text.replace(/[\r\n\0]/g, "");
}

/** A comment: keeps proxies and idle time-outs from closing a quiet stream. */
export const HEARTBEAT = encoder.encode(": still here\n\n");

/** How often a quiet stream gets a {@linkcode HEARTBEAT}. */
export const HEARTBEAT_MS = 15_000;

/** Asks the browser to come back after a second when the stream breaks. */
export const OPENING = encoder.encode("retry: 1000\n\n");

/** Bytes that may wait for a reader before it is disconnected, besides the socket's own buffer. */
export const QUEUE_BYTES = 512 * 1024;

/** A client that takes nothing of its backlog for so long is disconnected. */
const STALL_MS = 30_000;

/** How many event streams one process serves at most; each is a socket and up to 512 KiB. */
export const MAX_STREAMS = 1000;

/** All open event streams of a server: counted against one limit, and closed together. */
export class EventStreams {
  readonly #open = new Set<BoundedStream>();
  readonly #clock: Clock;
  readonly #max: number;
  #closed = false;

  constructor(clock: Clock, max: number = MAX_STREAMS) {
    this.#clock = clock;
    this.#max = max;
  }

  get size(): number {
    return this.#open.size;
  }

  /** A new stream, or null where the limit is reached or the server is closing. */
  add(onClose: () => void): BoundedStream | null {
    if (this.#closed || this.#open.size >= this.#max) return null;
    const stream = new BoundedStream({
      limitBytes: QUEUE_BYTES,
      stallMs: STALL_MS,
      clock: this.#clock,
    });
    stream.over.addEventListener("abort", () => {
      this.#open.delete(stream);
      onClose();
    }, { once: true });
    this.#open.add(stream);
    stream.push(OPENING);
    return stream;
  }

  closeAll(): void {
    this.#closed = true;
    for (const stream of [...this.#open]) stream.close();
  }
}

/** The answer that carries an event stream. */
export function eventResponse(
  stream: BoundedStream,
  headers: Record<string, string> = {},
): Response {
  return new Response(stream.body, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      // Tells nginx not to gather the events.
      "x-accel-buffering": "no",
      ...headers,
    },
  });
}
