/**
 * A window's entries, up to a hundred thousand, on their way into pages.
 *
 * They are kept as two flat lists, which V8 holds without an object an entry, and sorted by a
 * permutation.
 *
 * @module
 */

import { numberPlaces, sortedPositions } from "../../base/sorted_positions.ts";
import { compareOrder, type Order } from "../../protocol/cursor.ts";
import type { Key, KeyPart } from "../../protocol/record.ts";
import { compareKeys } from "../kv/key_order.ts";
import { type ChangeEntry, entryBytes, type SortedEntries } from "./entry.ts";

export class EntryBuffer implements SortedEntries {
  #orders: Order[] = [];
  #parts: KeyPart[] = [];
  #width = 1;
  /** Positions of the entries in their order; null before they are sorted. */
  #sorted: Uint32Array | null = null;
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

  /** Sorts; to be called before {@linkcode EntryBuffer.at}. */
  sort(): void {
    const orders = this.#orders;
    const places = numberPlaces(orders.length, (at) => orders[at]);
    // Of a window that was sorted by key, those of one order are already.
    const byKey = this.#isByKey
      ? (a: number, b: number) => a - b
      : (a: number, b: number) => compareKeys(this.#key(a), this.#key(b));
    const compare = (a: number, b: number) => {
      const [x, y] = [orders[a], orders[b]];
      return x === undefined || y === undefined ? 0 : compareOrder(x, y) || byKey(a, b);
    };
    this.#sorted = sortedPositions(orders.length, places, compare);
  }

  at(index: number): ChangeEntry | undefined {
    const position = this.#sorted?.[index] ?? index;
    const order = this.#orders[position];
    return order === undefined ? undefined : { order, key: this.#key(position) };
  }

  #key(position: number): Key {
    return this.#parts.slice(position * this.#width, (position + 1) * this.#width);
  }
}
