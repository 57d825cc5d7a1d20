/**
 * Server-sent events: their encoding, and a stream that a slow reader can't make grow.
 *
 * @module
 */

import { StreamCutError } from "../base/stream_cut_error.ts";

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

/**
 * The body of one event stream. Bytes go in by {@linkcode EventStream.push}; a reader that leaves
 * more than the limit unread is disconnected, and what waited for it is freed.
 */
export class EventStream {
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | null = null;
  #limit: number;
  #onClose: () => void;
  #wake: (() => void) | null = null;

  constructor(onClose: () => void, limit: number = QUEUE_BYTES) {
    this.#limit = limit;
    this.#onClose = onClose;
    this.body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#wake?.(),
      cancel: () => this.#ended(),
    }, new ByteLengthQueuingStrategy({ highWaterMark: limit }));
  }

  /** False once the stream has ended, whoever ended it. */
  get open(): boolean {
    return this.#controller !== null;
  }

  /** Queues bytes; disconnects the reader where it has left too much unread. */
  push(bytes: Uint8Array<ArrayBuffer>): boolean {
    const controller = this.#controller;
    if (controller === null) return false;
    if ((controller.desiredSize ?? 0) <= 0) {
      this.drop();
      return false;
    }
    controller.enqueue(bytes);
    return true;
  }

  /** Whether at least half of the queue is free, or the stream has ended. */
  get roomy(): boolean {
    return this.#controller === null || (this.#controller.desiredSize ?? 0) >= this.#limit / 2;
  }

  /** Resolves when the stream is roomy. */
  async room(): Promise<void> {
    while (!this.roomy) await new Promise<void>((resolve) => this.#wake = resolve);
  }

  /** Disconnects the reader and frees what waits for it. */
  drop(): void {
    const controller = this.#controller;
    if (controller === null) return;
    this.#ended();
    controller.error(new StreamCutError("the reader was too slow"));
  }

  /** Ends the stream after what is queued. */
  close(): void {
    const controller = this.#controller;
    if (controller === null) return;
    this.#ended();
    controller.close();
  }

  #ended(): void {
    if (this.#controller === null) return;
    this.#controller = null;
    this.#wake?.();
    this.#onClose();
  }
}

/** How many event streams one process serves at most; each is a socket and up to 512 KiB. */
export const MAX_STREAMS = 1000;

/** All open event streams of a server: counted against one limit, and closed together. */
export class EventStreams {
  #open = new Set<EventStream>();
  #closed = false;
  #max: number;

  constructor(max: number = MAX_STREAMS) {
    this.#max = max;
  }

  get size(): number {
    return this.#open.size;
  }

  /** A new stream, or null where the limit is reached or the server is closing. */
  add(onClose: () => void): EventStream | null {
    if (this.#closed || this.#open.size >= this.#max) return null;
    const stream: EventStream = new EventStream(() => {
      this.#open.delete(stream);
      onClose();
    });
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
export function eventResponse(stream: EventStream, headers: Record<string, string> = {}): Response {
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
