/**
 * A sample's bytes → its records, and how they were framed.
 *
 * @module
 */

import { EventStreamText } from "../protocol/event_stream.ts";
import type { BodyFault } from "../protocol/json_document.ts";
import { JsonValueDecoder } from "../protocol/json_values.ts";
import { isJsonObject, type JsonObject } from "../protocol/record.ts";
import { LineEnds } from "../stream/line_ends.ts";
import { isEventStream } from "../stream/row_stream.ts";
import { arraysIn } from "../stream/seen_instead.ts";
import type { Sample } from "./sample.ts";

/** How records are framed, in words. */
export type Framing =
  | "one record a line"
  | "records with nothing between"
  | "records over several lines"
  | "an array"
  | "an envelope"
  | "a JSON text sequence"
  | "server-sent events"
  | "nothing";

/** What a sample holds. */
export interface Reading {
  readonly sample: Sample;
  readonly framing: Framing;
  readonly records: readonly JsonObject[];
  /** Values that are no objects, and texts that are no JSON. */
  readonly rejects: readonly string[];
  readonly bytes: number;
  /** Whether the body itself says that it is whole. */
  readonly endIsProved: boolean;
  /** Whether the end cut a record. */
  readonly isUnfinished: boolean;
  readonly fault: BodyFault | null;
  /** When blank lines came, behind the first byte, in milliseconds since the request. */
  readonly beatsMs: readonly number[];
  /** The longest pause within a record, in milliseconds, and the bytes before it. */
  readonly heldMs: number;
  readonly heldAfterBytes: number;
  /** Milliseconds from the first byte to the last one that wasn't blank. */
  readonly dataMs: number;
}

/** Longest record that is read. */
const MAX_LENGTH = 16 * 2 ** 20;

/** @param place where the records are in an envelope; null where they are the answer itself */
export function readSample(sample: Sample, place: string | null): Reading {
  const isEvents = isEventStream(sample.answer.contentType);
  const events = isEvents ? new EventStreamText() : null;
  const decoder = new JsonValueDecoder({
    maxLength: MAX_LENGTH,
    records: place ?? undefined,
    isSequence: isEvents,
  });
  const lines = new LineEnds();
  const records: JsonObject[] = [];
  const rejects: string[] = [];
  const beatsMs: number[] = [];
  let [bytes, newlines, heldMs, heldAfterBytes, first, last] = [0, 0, 0, 0, NaN, NaN];
  let wasPending = false;
  let before = NaN;
  const add = (batch: ReturnType<JsonValueDecoder["push"]>) => {
    for (const value of batch.values) {
      if (isJsonObject(value)) records.push(value);
      else {rejects.push(
          JSON.stringify(value, (_, part) => typeof part === "bigint" ? String(part) : part).slice(
            0,
            200,
          ),
        );}
    }
    rejects.push(...batch.rejects.map(({ text }) => text.slice(0, 200)));
  };
  for (const { atMs, bytes: chunk } of sample.arrivals) {
    if (wasPending && atMs - before > heldMs) {
      heldMs = atMs - before;
      heldAfterBytes = bytes;
    }
    const text = events?.push(chunk) ?? chunk;
    const isBlank = lines.endsBlank(text) && text.every((byte) => byte <= 0x20);
    if (Number.isNaN(first)) first = atMs;
    if (isBlank) beatsMs.push(atMs);
    else last = atMs;
    for (const byte of chunk) if (byte === 0x0a) newlines++;
    bytes += chunk.length;
    add(decoder.push(text));
    wasPending = decoder.isPending && !decoder.isBetweenElements;
    before = atMs;
  }
  // What stays open in the middle of a record is held back by something, too.
  if (wasPending && sample.end === "open" && sample.elapsedMs - before > heldMs) {
    heldMs = sample.elapsedMs - before;
    heldAfterBytes = bytes;
  }
  const end = decoder.end();
  add(sample.end === "whole" ? end : { ...end, rejects: [] });
  return {
    sample,
    framing: framingOf(sample, place, records.length, newlines),
    records,
    rejects,
    bytes,
    endIsProved: decoder.isEndProved,
    isUnfinished: end.unfinished !== null,
    fault: decoder.fault,
    beatsMs,
    heldMs,
    heldAfterBytes,
    dataMs: last >= first ? last - first : 0,
  };
}

function framingOf(
  { answer, arrivals }: Sample,
  place: string | null,
  records: number,
  newlines: number,
): Framing {
  if (isEventStream(answer.contentType)) return "server-sent events";
  if (place !== null) return "an envelope";
  const mark = firstMark(arrivals.map(({ bytes }) => bytes));
  if (mark === 0x1e) return "a JSON text sequence";
  if (mark === 0x5b) return "an array";
  if (records === 0) return "nothing";
  if (newlines >= 2 * records) return "records over several lines";
  return newlines >= records - 1 ? "one record a line" : "records with nothing between";
}

/** The first byte that is no blank, behind a byte order mark. */
function firstMark(chunks: readonly Uint8Array[]): number | undefined {
  for (const chunk of chunks) {
    const mark = chunk.find((byte) => byte === 0x1e || (byte > 0x20 && byte < 0x80));
    if (mark !== undefined) return mark;
  }
  return undefined;
}

/** Where the records are inside of an answer that wraps them; null where it doesn't. */
export function envelopeIn(reading: Reading): string | null {
  const [first] = reading.records;
  if (first === undefined || reading.records.length > 1) return null;
  return arraysIn(first).at(0) ?? null;
}

/** The same for an envelope that the sample cut: by the first array of objects in its text. */
export function envelopeInText({ arrivals }: Sample): string | null {
  const text = new TextDecoder().decode(
    arrivals.reduce(
      (all, { bytes }) => all.length > 65_536 ? all : Uint8Array.from([...all, ...bytes]),
      new Uint8Array(),
    ),
  );
  if (!/^\s*\{/.test(text)) return null;
  return /^\s*\{(?:\s*"[^"\\]*"\s*:\s*(?:"[^"\\]*"|[\d.eE+-]+|true|false|null)\s*,)*\s*"([^"\\/]+)"\s*:\s*\[\s*\{/
    .exec(text)?.[1] ?? null;
}
