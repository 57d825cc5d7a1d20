/** What the tests of the decoder share: bodies, chunks, and all that comes out of them. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { stringifyJson } from "../../src/protocol/json_text.ts";
import { JsonValueDecoder } from "../../src/protocol/json_values.ts";
import type { FinalBatch } from "../../src/protocol/json_values.ts";
import type { JsonValue } from "../../src/protocol/record.ts";
import { jsonValue } from "./json_arbitrary.ts";

const encoder = new TextEncoder();
export type Bytes = string | Uint8Array;

export function toBytes(...parts: readonly Bytes[]): Uint8Array {
  const pieces = parts.map((part) => typeof part === "string" ? encoder.encode(part) : part);
  const bytes = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** All that comes out of a body cut into chunks of these sizes, over and over; none: one chunk. */
export function decode(body: Bytes, sizes: readonly number[] = [], maxLength?: number): FinalBatch {
  const decoder = new JsonValueDecoder(maxLength === undefined ? {} : { maxLength });
  const bytes = toBytes(body);
  const values: JsonValue[] = [], lengths: number[] = [], rejects: FinalBatch["rejects"] = [];
  let total = 0;
  const gather = (batch: FinalBatch | ReturnType<JsonValueDecoder["push"]>) => {
    assert.equal(batch.values.length, batch.lengths.length);
    values.push(...batch.values);
    lengths.push(...batch.lengths);
    rejects.push(...batch.rejects);
    total += batch.bytes;
  };
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes.length === 0 ? bytes.length : sizes[turn % sizes.length] ?? 1;
    // A chunk of its own, overwritten afterwards: the decoder mustn't rely on it.
    const chunk = bytes.slice(at, at + size);
    gather(decoder.push(chunk));
    chunk.fill(0x7b);
    at += size;
  }
  const last = decoder.end();
  gather(last);
  assert.equal(total, bytes.length);
  return { values, lengths, rejects, bytes: total, unfinished: last.unfinished };
}

/** The same for a body in one chunk, in single bytes, and in threes. */
export function decodeAlways(body: Bytes, maxLength?: number): FinalBatch {
  const whole = decode(body, [], maxLength);
  for (const sizes of [[1], [3], [1, 7]]) {
    const { lengths: _, ...cut } = decode(body, sizes, maxLength);
    const { lengths: __, ...expected } = whole;
    assert.deepStrictEqual(cut, expected, `chunks of ${sizes}`);
  }
  return whole;
}

/** Sizes to cut a body into, over and over. */
export const chunkSizes = () => fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 8 });

/** A value's text on one line, with or without blanks inside. */
export const valueText = () =>
  fc.tuple(jsonValue(), fc.boolean()).map(([value, isWide]) => ({
    value,
    text: isWide
      ? stringifyJson(value).replaceAll(/(?<=[{[])(?=[^"]*$)|(?=[}\]][}\]]*$)/g, " \t")
      : stringifyJson(value),
  }));
