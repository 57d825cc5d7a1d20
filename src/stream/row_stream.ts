/**
 * Bytes → JSON values → rows, as transform streams around the pure decoders.
 *
 * @module
 */

import { LockstepError } from "../protocol/errors.ts";
import { JsonValueDecoder } from "../protocol/json_values.ts";
import type { RowBatch, RowReader } from "./row_reader.ts";
import { Slices } from "./slices.ts";

/** Settings of {@linkcode rowStream}. */
export interface RowStreamOptions {
  readonly reader: RowReader;
  /** Bytes of the longest record that is read. */
  readonly maxLength: number;
  /** Told of every batch before it is passed on. */
  readonly onBatch: (batch: RowBatch) => void;
  /** How the body ended. */
  readonly ending: TrackedBody;
  /** Whether the answer is one that stays open: what ends it then is no end of its records. */
  readonly staysOpen?: () => boolean;
}

/**
 * A transform from an answer's bytes to batches of rows, one for each chunk.
 *
 * What is complete when the body ends is passed on, however it ended; a value that the end cut is
 * told to the {@linkcode TrackedBody}.
 */
export function rowStream(options: RowStreamOptions): TransformStream<Uint8Array, RowBatch> {
  const { reader, ending, onBatch } = options;
  const decoder = new JsonValueDecoder({ maxLength: options.maxLength });
  const lines = new LineEnds();
  const slices = new Slices();
  return new TransformStream<Uint8Array, RowBatch>(
    {
      transform(chunk, controller) {
        const endsBlank = lines.endsBlank(chunk);
        const read = reader.read(decoder.push(chunk));
        const batch = { ...read, endsBlank, isPending: decoder.isPending };
        onBatch(batch);
        controller.enqueue(batch);
        return slices.pause();
      },
      flush(controller) {
        const last = decoder.end();
        ending.unfinished = last.unfinished !== null;
        // Behind a cut, what isn't JSON may only be the half of it.
        const read = reader.read(ending.error === null ? last : { ...last, rejects: [] });
        const held = options.staysOpen?.() ? [] : reader.takeHeld();
        const batch = { ...read, rejects: [...read.rejects, ...held] };
        onBatch(batch);
        controller.enqueue(batch);
      },
    },
    undefined,
    { highWaterMark: 1 },
  );
}

const TAB = 0x09;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === NEWLINE || byte === RETURN || byte === TAB;
}

/** Notices blank lines at the ends of chunks; blanks of whatever kind. */
class LineEnds {
  /** Newlines behind the last byte that is no blank; one at the start, where a line begins, too. */
  #newlines = 1;

  /**
   * Whether what has come so far ends with a blank line. A chunk of nothing but blanks is one, unless
   * the line before it has not ended yet.
   */
  endsBlank(chunk: Uint8Array): boolean {
    if (chunk.length === 0) return false;
    let at = chunk.length;
    let newlines = 0;
    while (at > 0 && isBlank(chunk[at - 1])) {
      at--;
      if (chunk[at] === NEWLINE) newlines++;
    }
    const isAllBlank = at === 0;
    const wasLineEnd = this.#newlines > 0;
    this.#newlines = Math.min(2, isAllBlank ? this.#newlines + newlines : newlines);
    return isAllBlank && wasLineEnd ? true : this.#newlines > 1;
  }
}

/** A body that ends cleanly for the stages behind it, and remembers how it really ended. */
export class TrackedBody {
  readonly readable: ReadableStream<Uint8Array>;
  /** What broke the body; null for a clean end. */
  error: unknown = null;
  /** Whether the body ended in the middle of a value. */
  unfinished = false;

  constructor(body: ReadableStream<Uint8Array>) {
    const reader = body.getReader();
    this.readable = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        try {
          const { done, value } = await reader.read();
          if (!done) return controller.enqueue(value);
        } catch (error) {
          // What has come so far is complete records: they are kept.
          this.error = error;
        }
        controller.close();
      },
      cancel: (reason) => reader.cancel(reason),
    }, { highWaterMark: 0 });
  }

  /** Throws what broke the body, or that it ended in the middle of a record. */
  check(url: string): void {
    if (this.error !== null) throw this.error;
    if (!this.unfinished) return;
    throw new LockstepError(`${url} ended its answer in the middle of a record`, {
      kind: "broken-body",
      retry: "soon",
      hint: "what was complete is kept; a proxy or the origin cuts the answer short",
    });
  }
}
