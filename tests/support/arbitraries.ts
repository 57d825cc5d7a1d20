/**
 * What fast-check makes of keys, rows and windows.
 *
 * @module
 */

import fc from "fast-check";
import { compareOrder, type Order } from "../../src/protocol/cursor.ts";
import {
  isDeletion,
  type JsonObject,
  type JsonValue,
  type Key,
  type KeyPart,
  type RecordShape,
  type Row,
} from "../../src/protocol/record.ts";
import type { Reject, RowBatch } from "../../src/stream/row_reader.ts";

/** Characters at which encodings differ: NUL, the end of ASCII, surrogates and what is beside them. */
const EDGES = ["\0", "\x01", "\x7f", "\x80", "\ud7ff", "\ue000", "\uffff", "\u{10000}", "a", "b"];

const text = fc.oneof(
  fc.array(fc.constantFrom(...EDGES), { maxLength: 6 }).map((parts) => parts.join("")),
  fc.string({ unit: "grapheme", maxLength: 8 }),
);

/** A part of a key as an origin may send it. */
export const keyPartArbitrary: fc.Arbitrary<KeyPart> = fc.oneof(
  text,
  fc.integer(),
  fc.nat(20),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value === 0 ? 0 : value),
  fc.boolean(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 80n }),
  fc.bigInt({ min: -(2n ** 80n), max: -(2n ** 53n) }),
);

/** A key of one to three parts. */
export const keyArbitrary: fc.Arbitrary<Key> = fc.array(keyPartArbitrary, {
  minLength: 1,
  maxLength: 3,
});

/** What marks a deletion of that order: an order that is nothing would mark none. */
function markOf(order: Order): JsonValue {
  return isDeletion(order) ? order : true;
}

/** A row with nothing but its key, order and a number of its own. */
export function makeRow(key: Key, order: Order, n = 0, deleted = false): Row {
  const value: JsonObject = {
    id: [...key],
    updated_at: order,
    deleted_at: deleted ? markOf(order) : null,
    n,
  };
  for (const [i, part] of key.entries()) value[`k${i}`] = part;
  return { key, order, deletedAt: deleted ? markOf(order) : null, value, length: 40 };
}

/** The shape of {@linkcode makeRow}'s rows with so many key parts. */
export function shapeOf(parts: number): RecordShape {
  const key = Array.from({ length: parts }, (_, i) => `k${i}`);
  return { key, orderBy: "updated_at", deletedBy: "deleted_at" };
}

/** Rows as one network chunk brings them. */
export function batchOf(rows: readonly Row[], rejects: readonly Reject[] = []): RowBatch {
  let greatest: Order | null = null;
  let least: Order | null = null;
  let sorted = true;
  let last: Order | null = null;
  for (const { order } of rows) {
    if (greatest === null || compareOrder(order, greatest) > 0) greatest = order;
    if (least === null || compareOrder(order, least) < 0) least = order;
    if (last !== null && compareOrder(order, last) < 0) sorted = false;
    last = order;
  }
  return { rows, rejects, bytes: 40 * rows.length, maxOrder: greatest, minOrder: least, sorted };
}
