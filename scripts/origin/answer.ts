/**
 * The body of one answer: a source's records from `since` on, pulled by the reader's own pace, and
 * then, where the answer is endless, what changes.
 *
 * @module
 */

import { constants, createGzip } from "node:zlib";
import type { Order } from "../../src/protocol/cursor.ts";
import type { Framer } from "./framing.ts";
import type { Source } from "./source.ts";

/** What an answer is made of. */
export interface AnswerOptions {
  readonly source: Source;
  readonly since: Order;
  readonly finite: boolean;
  readonly gzip: boolean;
  /** Frames the records; null sends them as the source writes them. */
  readonly framer: Framer | null;
  /** Called with the number of records each time some are handed to the connection. */
  readonly onRows: (rows: number) => void;
  /** Called once, however the answer ends. */
  readonly onEnd: () => void;
}

/** An answer under way. */
export interface Answer {
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Ends an endless answer cleanly. */
  finish(): void;
  /** Breaks the connection: no last chunk is sent. */
  drop(): void;
  /** Sends a blank line where the answer is waiting for changes. */
  beat(): void;
}

/** Why a body broke: it was told to. */
export class DroppedError extends Error {
  override readonly message = "the connection was dropped on purpose";
}

const NEWLINE = new TextEncoder().encode("\n");

/** Makes the body. Memory is bounded: one piece is made when the one before is on its way. */
export function makeAnswer(options: AnswerOptions): Answer {
  const { source, finite, framer, onRows } = options;
  const reader = source.read(options.since);
  const gzip = options.gzip ? new Compressor() : null;
  let ended = false;
  let finishing = false;
  let beat = false;
  let wake = Promise.withResolvers<void>();
  let control: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  const end = (): boolean => {
    if (ended) return false;
    ended = true;
    wake.resolve();
    gzip?.close();
    options.onEnd();
    return true;
  };
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      control = controller;
    },
    async pull(controller) {
      while (!ended) {
        const next = framer?.isFull ? null : reader.next();
        const piece = next && framer ? framer.records(next.bytes) : next;
        if (piece || beat) {
          beat = false;
          const bytes = piece?.bytes ?? framer?.beat ?? NEWLINE;
          const sent = gzip ? await gzip.add(bytes) : bytes;
          if (ended) return;
          controller.enqueue(sent);
          onRows(piece?.rows ?? 0);
          return;
        }
        if (finite || finishing || framer?.isFull) {
          const tail = framer?.end() ?? new Uint8Array();
          const last = gzip ? await gzip.add(tail) : tail;
          if (ended) return;
          if (last.length > 0) controller.enqueue(last);
          const rest = await gzip?.finish();
          if (ended) return;
          if (rest) controller.enqueue(rest);
          end();
          controller.close();
          return;
        }
        await Promise.race([source.changed(), wake.promise]);
      }
    },
    cancel() {
      end();
    },
  }, { highWaterMark: 0 });
  const stir = (): void => {
    wake.resolve();
    wake = Promise.withResolvers();
  };
  return {
    body,
    finish: () => {
      finishing = true;
      stir();
    },
    drop: () => {
      if (end()) control?.error(new DroppedError());
    },
    beat: () => {
      beat = true;
      stir();
    },
  };
}

/** gzip that hands out what it was given, instead of keeping the tail for later. */
class Compressor {
  readonly #gzip = createGzip();
  #parts: Uint8Array[] = [];

  constructor() {
    this.#gzip.on("data", (part: Uint8Array) => this.#parts.push(part));
  }

  async add(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    await new Promise<void>((resolve) => {
      this.#gzip.write(bytes, () => this.#gzip.flush(constants.Z_SYNC_FLUSH, () => resolve()));
    });
    return this.#take();
  }

  async finish(): Promise<Uint8Array<ArrayBuffer>> {
    await new Promise<void>((resolve) => {
      this.#gzip.once("end", resolve);
      this.#gzip.end();
    });
    return this.#take();
  }

  close(): void {
    this.#gzip.destroy();
  }

  #take(): Uint8Array<ArrayBuffer> {
    const whole = new Uint8Array(this.#parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    this.#parts = [];
    return whole;
  }
}
