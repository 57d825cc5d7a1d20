/**
 * Which rows of a window are committed, and in which order.
 *
 * Sorting by a comparison is what a window of a hundred thousand keys would cost most. So each key
 * becomes a number that puts it at about its place.
 *
 * @module
 */

import { numberPlaces, sortedPositions } from "../../base/sorted_positions.ts";
import { compareOrder, type Order } from "../../protocol/cursor.ts";
import type { Key, KeyPart, Row } from "../../protocol/record.ts";
import { compareKeys } from "../kv/key_order.ts";

/** A key of one part as that part, or a composite key. */
export type Bare = KeyPart | Key;

/** A key as {@linkcode Bare}. */
export function bare(key: Key): Bare {
  const [only] = key;
  return key.length === 1 && only !== undefined ? only : key;
}

/** Rows by their positions, in the order of their arrival. */
export interface Arrivals {
  readonly length: number;
  keyAt(at: number): Bare;
  orderAt(at: number): Order;
}

/** Rows in a list. */
export function rowArrivals(rows: readonly Row[]): Arrivals {
  return {
    length: rows.length,
    keyAt: (at) => bare(rows[at]?.key ?? []),
    orderAt: (at) => rows[at]?.order ?? 0,
  };
}

/** The rows at some positions of a list. */
export function pick(rows: readonly Row[], positions: Uint32Array): Row[] {
  const picked: Row[] = [];
  for (const at of positions) {
    const row = rows[at];
    if (row !== undefined) picked.push(row);
  }
  return picked;
}

/**
 * The positions of the winners in key order: of each key the row of the greatest order, and of equal
 * orders the one that came last.
 */
export function newestPerKey(rows: Arrivals): Uint32Array {
  const winning = new Uint32Array(rows.length);
  let count = 0;
  let best = -1;
  for (const at of byKey(rows)) {
    if (best >= 0 && compareBare(rows.keyAt(best), rows.keyAt(at)) === 0) {
      if (compareOrder(rows.orderAt(at), rows.orderAt(best)) < 0) continue;
      count--;
    }
    winning[count++] = at;
    best = at;
  }
  return winning.subarray(0, count);
}

function compareBare(a: Bare, b: Bare): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return compareKeys(typeof a === "object" ? a : [a], typeof b === "object" ? b : [b]);
}

/** Positions sorted by key, and by arrival within a key. */
function byKey(rows: Arrivals): Uint32Array {
  const compare = (a: number, b: number) => compareBare(rows.keyAt(a), rows.keyAt(b)) || a - b;
  return sortedPositions(rows.length, places(rows), compare);
}

/**
 * A function from a position to 32 bits that never puts a key before a lesser one; null where the
 * keys are not all numbers or all strings.
 */
function places(rows: Arrivals): ((at: number) => number) | null {
  const first = rows.length === 0 ? null : rows.keyAt(0);
  if (typeof first === "number") return numberPlaces(rows.length, (at) => rows.keyAt(at));
  return typeof first === "string" ? stringPlaces(rows, first) : null;
}

/** By the first four characters behind what all have in common. */
function stringPlaces(rows: Arrivals, first: string): ((at: number) => number) | null {
  let common = first.length;
  for (let at = 1; at < rows.length; at++) {
    const key = rows.keyAt(at);
    if (typeof key !== "string") return null;
    let same = 0;
    while (same < common && key.charCodeAt(same) === first.charCodeAt(same)) same++;
    common = same;
  }
  return (at) => {
    const key = rows.keyAt(at);
    let place = 0;
    let isWide: boolean = false;
    for (let i = common; i < common + 4; i++) {
      // Past the end it is NaN.
      const unit: number = typeof key === "string" && !isWide ? key.charCodeAt(i) || 0 : 0;
      // From 0x80 on, UTF-16 sorts otherwise than UTF-8: such a key is left at its first character.
      isWide ||= unit >= 0x80;
      place = place * 256 + Math.min(unit, 0x80);
    }
    return place;
  };
}
