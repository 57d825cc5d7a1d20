/**
 * Bytes → JSON values → rows, as transform streams around the pure decoders.
 *
 * @module
 */

import { EventStreamText } from "../protocol/event_stream.ts";
import { JsonValueDecoder } from "../protocol/json_values.ts";
import { LineEnds } from "./line_ends.ts";
import type { RowBatch, RowReader } from "./row_reader.ts";
import { Slices } from "./slices.ts";
import type { TrackedBody } from "./tracked_body.ts";

/** Settings of {@linkcode rowStream}. */
export interface RowStreamOptions {
  readonly reader: RowReader;
  /** Bytes of the longest record that is read. */
  readonly maxLength: number;
  /** Where the records are inside of an answer that wraps them: a field, or a JSON pointer. */
  readonly records?: string | undefined;
  /** The answer's `Content-Type`: it tells server-sent events. */
  readonly contentType?: string | null;
  /** Told of every batch before it is passed on. */
  readonly onBatch: (batch: RowBatch) => void;
  /** How the body ended. */
  readonly ending: TrackedBody;
  /** Whether the answer is one that stays open: what ends it then is no end of its records. */
  readonly staysOpen?: () => boolean;
}

/** Whether a `Content-Type` is that of server-sent events. */
export function isEventStream(contentType: string | null | undefined): boolean {
  return /^\s*text\/event-stream\s*(;|$)/i.test(contentType ?? "");
}

/**
 * A transform from an answer's bytes to batches of rows, one for each chunk.
 *
 * What is complete when the body ends is passed on, however it ended; a value that the end cut, and
 * what makes the body unreadable, is told to the {@linkcode TrackedBody}.
 */
export function rowStream(options: RowStreamOptions): TransformStream<Uint8Array, RowBatch> {
  const { reader, ending, onBatch, maxLength, records } = options;
  const events = isEventStream(options.contentType) ? new EventStreamText() : null;
  const decoder = new JsonValueDecoder({ maxLength, records, isSequence: events !== null });
  const lines = new LineEnds();
  const slices = new Slices();
  return new TransformStream<Uint8Array, RowBatch>(
    {
      transform(chunk, controller) {
        const text = events === null ? chunk : events.push(chunk);
        const values = { ...decoder.push(text), bytes: chunk.length };
        const read = reader.read(values);
        const endsBlank = lines.endsBlank(text, decoder.isBetweenElements);
        const batch = { ...read, endsBlank, isPending: decoder.isPending };
        onBatch(batch);
        controller.enqueue(batch);
        ending.fault = decoder.fault ?? reader.fault;
        if (ending.fault !== null) controller.terminate();
        return slices.pause();
      },
      flush(controller) {
        const last = decoder.end();
        ending.unfinished = last.unfinished !== null;
        ending.endIsProved = decoder.isEndProved;
        // Behind a cut, what isn't JSON may only be the half of it.
        const read = reader.read(ending.error === null ? last : { ...last, rejects: [] });
        const held = options.staysOpen?.() ? [] : reader.takeHeld();
        const batch = { ...read, rejects: [...read.rejects, ...held] };
        onBatch(batch);
        controller.enqueue(batch);
        reader.end();
        ending.fault = decoder.fault ?? reader.fault;
      },
    },
    undefined,
    { highWaterMark: 1 },
  );
}
