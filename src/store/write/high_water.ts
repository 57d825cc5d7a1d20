/**
 * The edge of a table's rows, known without reading them, so that most rows of a catch-up can be
 * written blind.
 *
 * @module
 */

import { compareOrder, type Order } from "../../protocol/cursor.ts";
import type { Key, Row } from "../../protocol/record.ts";
import { compareKeys } from "../kv/key_order.ts";

/** Keys that a set holds before it spills into the bitmap. */
const SET_KEYS = 4096;

/** Bits of the bitmap (2 MiB): half a million keys make 3 % of the look-ups read in vain. */
const BITS = 2 ** 24;

function keyId(key: Key): string | number | bigint | boolean {
  const [only] = key;
  return key.length === 1 && only !== undefined
    ? only
    : key.map((part) => `${typeof part}:${part}`).join("\0");
}

/** FNV-1a over UTF-16 units, folded to the bitmap. */
function hash(id: string | number | bigint | boolean): number {
  const text = typeof id === "string" ? id : String(id);
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  }
  h ^= h >>> 15;
  return (Math.imul(h, 0x2c1b3c6d) >>> 0) % BITS;
}

/** A set of keys that may answer "perhaps" for a key it lacks, never "no" for one it has. */
class BloomFilter {
  #keys = new Set<string | number | bigint | boolean>();
  #bits: Uint8Array | null = null;

  add(key: Key): void {
    this.#add(keyId(key));
  }

  #add(id: string | number | bigint | boolean): void {
    if (this.#bits !== null) return this.#mark(this.#bits, id);
    this.#keys.add(id);
    if (this.#keys.size >= SET_KEYS) this.#spilled();
  }

  /** The bitmap, made of the keys where there was none. */
  #spilled(): Uint8Array {
    if (this.#bits !== null) return this.#bits;
    const bits = new Uint8Array(BITS / 8);
    for (const known of this.#keys) this.#mark(bits, known);
    this.#keys.clear();
    this.#bits = bits;
    return bits;
  }

  has(key: Key): boolean {
    const id = keyId(key);
    if (this.#bits === null) return this.#keys.has(id);
    const at = hash(id);
    return ((this.#bits[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
  }

  /** Takes all that another one has. */
  join(other: BloomFilter): void {
    for (const id of other.#keys) this.#add(id);
    if (other.#bits === null) return;
    const bits = this.#spilled();
    for (let i = 0; i < bits.length; i++) bits[i] = (bits[i] ?? 0) | (other.#bits[i] ?? 0);
  }

  #mark(bits: Uint8Array, id: string | number | bigint | boolean): void {
    const at = hash(id);
    bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7));
  }
}

/**
 * The edge of what a table holds: the greatest order, who was written at it, and the greatest key.
 */
export class HighWater {
  #high: Order | null;
  /** Keys written at `#high`; null where the run of that order began before this process. */
  #ties: BloomFilter | null;
  /** Greatest key of a table that was filled in key order since it was empty; else undefined. */
  #top: Key | null | undefined;
  #next: Order | null = null;
  #nextTies: BloomFilter | null = null;
  /** Keys of the window that is under way, at an order that was reached before it. */
  #noted = new BloomFilter();

  /** @param high greatest order in the store; null for none
   *  @param empty whether the store holds no row of the table */
  constructor(high: Order | null, empty: boolean) {
    this.#high = high;
    this.#ties = high === null ? new BloomFilter() : null;
    this.#top = empty && high === null ? null : undefined;
  }

  /** True where nothing stored can be as new as the row: it is written without reading. */
  isAhead(row: Row): boolean {
    if (this.#high === null) return true;
    const order = compareOrder(row.order, this.#high);
    return order > 0 || (order === 0 && this.#ties !== null && !this.#ties.has(row.key));
  }

  /**
   * True where the window's keys all lie above every key of the table: then each row is known to
   * be new, and the count of rows stays exact. `rows` are in key order.
   */
  extendsKeys(rows: readonly Row[]): boolean {
    const first = rows[0];
    const last = rows.at(-1);
    if (this.#top === undefined || first === undefined || last === undefined) return false;
    if (this.#top !== null && compareKeys(first.key, this.#top) <= 0) {
      this.#top = undefined;
      return false;
    }
    this.#top = last.key;
    return true;
  }

  /**
   * Begins a window whose greatest order is known; {@linkcode note} takes its rows, and what was
   * noted counts from {@linkcode end} on, so that the window's own rows don't stand against each
   * other.
   */
  begin(maxOrder: Order | null): void {
    const order = maxOrder === null
      ? -1
      : this.#high === null
      ? 1
      : compareOrder(maxOrder, this.#high);
    this.#next = order < 0 ? null : maxOrder;
    // Ties at an order that is only now reached are known from their first row on.
    this.#nextTies = order > 0 ? new BloomFilter() : this.#ties;
    this.#noted = new BloomFilter();
  }

  /** Takes note of rows that are being written. */
  note(rows: readonly Row[]): void {
    const next = this.#next;
    if (next === null || this.#nextTies === null) return;
    for (const row of rows) {
      if (compareOrder(row.order, next) !== 0) continue;
      if (this.#nextTies === this.#ties) this.#noted.add(row.key);
      else this.#nextTies.add(row.key);
    }
  }

  end(): void {
    if (this.#next === null) return;
    this.#high = this.#next;
    this.#nextTies?.join(this.#noted);
    this.#noted = new BloomFilter();
    this.#ties = this.#nextTies;
    this.#next = null;
  }

  /** Something else was written: keys no longer come in order. */
  forgetKeys(): void {
    this.#top = undefined;
  }
}
