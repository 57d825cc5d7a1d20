/**
 * The entries of one run of commits, up to a window's hundred thousand, on their way into pages.
 *
 * They are kept as two flat lists, which V8 holds without an object an entry, and sorted by a
 * permutation.
 *
 * @module
 */

import { compareOrder, type Order } from "../../protocol/cursor.ts";
import type { Key, KeyPart } from "../../protocol/record.ts";
import { type ChangeEntry, type ChangePlace, entryBytes, isBehind } from "./entry.ts";
import { compareKeys } from "../kv/key_order.ts";

/** An order's distance from the least and a place among fewer than 2^20 pack into one double. */
const PACK = 2 ** 20;

/** Entries in the order of the index. */
export interface SortedEntries {
  readonly length: number;
  /** The entry at a place below `length`. */
  entry(at: number): ChangeEntry;
}

/** The place of the first entry behind another place. */
export function placeBehind(entries: SortedEntries, place: ChangePlace | null): number {
  let from = 0;
  let to = entries.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (isBehind(entries.entry(middle), place)) to = middle;
    else from = middle + 1;
  }
  return from;
}

/** The entries between two places, each made when it is asked for. */
export function* between(entries: SortedEntries, from: number, to: number): Generator<ChangeEntry> {
  for (let at = from; at < to; at++) yield entries.entry(at);
}

export class EntryBuffer implements SortedEntries {
  #orders: Order[] = [];
  #parts: KeyPart[] = [];
  #width = 1;
  /** Places of the entries in their order; null where they came in order. */
  #sorted: ArrayLike<number> | null = null;
  #isByKey = true;
  #last: Key | null = null;
  /** Serialised size at most, as one page. */
  bytes = 128;

  get length(): number {
    return this.#orders.length;
  }

  add(order: Order, key: Key): void {
    this.#isByKey &&= this.#last === null || compareKeys(this.#last, key) < 0;
    this.#last = key;
    this.#width = key.length;
    this.#orders.push(order);
    for (const part of key) this.#parts.push(part);
    this.bytes += entryBytes({ order, key });
  }

  /** Sorts; to be called before {@linkcode EntryBuffer.entry}. */
  sort(): this {
    const orders = this.#orders;
    const places = this.#isByKey ? packed(orders) : null;
    if (places !== null) {
      this.#sorted = places;
      return this;
    }
    const compare = (a: number, b: number) => {
      const [x, y] = [orders[a], orders[b]];
      if (x === undefined || y === undefined) return 0;
      return compareOrder(x, y) || compareKeys(this.#key(a), this.#key(b));
    };
    this.#sorted = Array.from(orders, (_, i) => i).sort(compare);
    return this;
  }

  entry(at: number): ChangeEntry {
    const place = this.#sorted?.[at] ?? at;
    const order = this.#orders[place];
    if (order === undefined) throw new RangeError(`no entry ${at} of ${this.length}`);
    return { order, key: this.#key(place) };
  }

  #key(place: number): Key {
    return this.#parts.slice(place * this.#width, (place + 1) * this.#width);
  }
}

/** The order of numbers that are near enough to each other; equal ones keep theirs. */
function packed(orders: readonly Order[]): Float64Array | null {
  let least = Infinity;
  let greatest = -Infinity;
  for (const order of orders) {
    if (typeof order !== "number" || !Number.isSafeInteger(order)) return null;
    if (order < least) least = order;
    if (order > greatest) greatest = order;
  }
  if (orders.length >= PACK || greatest - least >= Number.MAX_SAFE_INTEGER / PACK) return null;
  // A typed array sorts natively, several times as fast as with a comparison.
  const keys = new Float64Array(orders.length);
  orders.forEach((order, i) => keys[i] = (Number(order) - least) * PACK + i);
  keys.sort();
  for (const [i, key] of keys.entries()) keys[i] = key % PACK;
  return keys;
}
