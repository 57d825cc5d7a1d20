/**
 * Records by formula: millions of them without memory, made faster than anything can store them.
 *
 * Record number `i` (0…count-1) has the order `base + floor(i / ties)` ms and the id
 * `10000000 + i`, or, with keys at random, a seeded permutation of those. All ids have eight
 * digits and all orders are of one width, so that a record on the wire is a copy of one of a few
 * prepared lines with two numbers patched in: see {@linkcode LineWriter}.
 *
 * Changes made while it runs are kept in a table laid over the formula.
 *
 * @module
 */

import type { Order } from "../../src/protocol/cursor.ts";
import type { JsonObject, KeyPart } from "../../src/protocol/record.ts";
import { isBeginning, orderAt, type OrderStyle } from "./orders.ts";
import { identity, type Permutation, permutation } from "./random.ts";
import type { MutableSource, Piece, Separator, SourceReader } from "./source.ts";
import { LineWriter, type RecordSize } from "./synthetic_lines.ts";
import { OriginTable } from "./table.ts";

/** What the formula makes. Shares are parts of 1, kept exactly: 0.1 is every tenth record. */
export interface SyntheticOptions {
  /** Records, live ones and tombstones: at most 89,999,999. Default 1,000,000. */
  readonly count?: number;
  /** Default `in-order`. */
  readonly keys?: "in-order" | "random";
  /** About 110 bytes or about 1,500 bytes; default `small`. */
  readonly size?: RecordSize;
  /** Records that share one order; default 1. */
  readonly ties?: number;
  /** Share of records that are tombstones; default 0. */
  readonly tombstones?: number;
  /** Send the tombstones to a request from `0` as well; default false. */
  readonly tombstonesAtZero?: boolean;
  /** Records sent twice, as a share of all; default 0. */
  readonly duplicates?: number;
  /** Older states of records sent after the newer one, as a share of all; default 0. */
  readonly stale?: number;
  /** Objects without a key, sent in between, as a share of all; default 0. */
  readonly bad?: number;
  /** Give each record a field beyond 2^53; default false. */
  readonly big?: boolean;
  /** Default `number`. */
  readonly orders?: OrderStyle;
  /** Default `newline`. */
  readonly separator?: Separator;
  /** The first order in milliseconds, 13 digits; default 1,700,000,000,000. */
  readonly base?: number;
  /** Seed of the random keys; default 1. */
  readonly seed?: number;
  /** The clock of changes; see `TableOptions.clock`. */
  readonly clock?: () => number;
}

/** The id of record 0 where keys are in order. */
export const FIRST_ID = 10_000_000;

/** How far back a repeated or stale record lies, at most. */
const BACK = 1000;

/** How much older the stale state of a record is, in milliseconds. */
const STALE_MS = 1_000_000;

/** Bytes of a piece. */
const PIECE = 256 * 1024;

/** The formula's records and the changes made to them. */
export class SyntheticSource implements MutableSource {
  readonly orders: OrderStyle;
  readonly count: number;
  /** The changes: newer than everything the formula makes. */
  readonly changes: OriginTable;
  readonly #options: Required<Omit<SyntheticOptions, "clock">>;
  readonly #keys: Permutation;
  #inserted = 0;

  constructor(options: SyntheticOptions = {}) {
    this.#options = {
      count: 1_000_000,
      keys: "in-order",
      size: "small",
      ties: 1,
      tombstones: 0,
      tombstonesAtZero: false,
      duplicates: 0,
      stale: 0,
      bad: 0,
      big: false,
      orders: "number",
      separator: "newline",
      base: 1_700_000_000_000,
      seed: 1,
      ...options,
    };
    const { count, keys, seed, base, ties } = this.#options;
    if (!Number.isSafeInteger(count) || count < 0 || FIRST_ID + count > 99_999_999) {
      throw new RangeError(`count is an integer from 0 to 89999999, not ${count}`);
    }
    if (!Number.isSafeInteger(ties) || ties < 1) {
      throw new RangeError(`ties is an integer above 0, not ${ties}`);
    }
    if (base - STALE_MS < 1e12 || base + count > 1e13) {
      throw new RangeError(`base is a time in milliseconds with 13 digits, not ${base}`);
    }
    this.count = count;
    this.orders = this.#options.orders;
    this.#keys = keys === "random" ? permutation(count, seed) : identity;
    const last = this.#timeOf(count);
    const clock = options.clock ?? Date.now;
    this.changes = new OriginTable({
      orders: this.orders,
      separator: this.#options.separator,
      clock: () => Math.max(last, clock()),
      fresh: (number) => this.#lines().record(FIRST_ID + count + number, last, false),
    });
  }

  get size(): number {
    return this.count - every(this.#options.tombstones, this.count) + this.#inserted;
  }

  get head(): Order | null {
    if (this.changes.head !== null) return this.changes.head;
    return this.count === 0 ? null : orderAt(this.#timeOf(this.count - 1), this.orders);
  }

  /** The formula's record number `at`, as it is sent: a tombstone where it is one. */
  record(at: number): JsonObject {
    return this.#lines().record(this.#idOf(at), this.#timeOf(at), this.#deleted(at));
  }

  put(record: JsonObject): JsonObject {
    const before = this.#live(record["id"]);
    const sent = this.changes.put(record);
    this.#inserted += before ? 0 : 1;
    return sent;
  }

  remove(...key: KeyPart[]): JsonObject {
    const before = this.#live(key[0]);
    const sent = this.changes.remove(...key);
    this.#inserted -= before ? 1 : 0;
    return sent;
  }

  sample(random: () => number): JsonObject | null {
    for (let tries = 0; tries < 50 && this.count > 0; tries++) {
      const at = Math.floor(random() * this.count);
      const changed = this.changes.get(this.#idOf(at));
      if (changed ? changed["deleted_at"] === null : !this.#deleted(at)) {
        return changed ?? this.record(at);
      }
    }
    return this.changes.sample(random);
  }

  fresh(): JsonObject {
    return this.changes.fresh();
  }

  changed(): Promise<void> {
    return this.changes.changed();
  }

  read(since: Order): SourceReader {
    const { tombstonesAtZero, duplicates, stale, bad } = this.#options;
    const tombstones = !isBeginning(since) || tombstonesAtZero;
    const plain = duplicates === 0 && stale === 0 && bad === 0;
    const changes = this.changes.read(since);
    let at = this.#firstAt(since);
    const next = (): Piece | null => {
      if (at >= this.count) return changes.next();
      const lines = this.#lines(PIECE);
      for (; at < this.count && lines.hasRoom; at++) {
        const id = this.#idOf(at);
        const deleted = this.#deleted(at);
        if (this.changes.head !== null && this.changes.has(id)) continue;
        if (deleted && !tombstones) continue;
        lines.write(id, this.#timeOf(at), deleted);
        if (!plain) this.#writeNoise(lines, at, tombstones);
      }
      return lines.rows > 0 ? lines.take() : next();
    };
    return { next };
  }

  #writeNoise(lines: LineWriter, at: number, tombstones: boolean): void {
    const { duplicates, stale, bad } = this.#options;
    const back = Math.max(0, at - (at * 7919) % BACK);
    const shown = !this.changes.has(this.#idOf(back)) && (tombstones || !this.#deleted(back));
    if (shown && isOne(duplicates, at)) {
      lines.write(this.#idOf(back), this.#timeOf(back), this.#deleted(back));
    }
    if (shown && isOne(stale, at)) {
      lines.write(this.#idOf(back), this.#timeOf(back) - STALE_MS, false);
    }
    if (isOne(bad, at)) lines.writeBad();
  }

  #lines(bytes = 0): LineWriter {
    const { size, big, orders, separator } = this.#options;
    return new LineWriter({ size, big, orders, separator, bytes });
  }

  #timeOf(at: number): number {
    return this.#options.base + Math.floor(at / this.#options.ties);
  }

  #deleted(at: number): boolean {
    return isOne(this.#options.tombstones, at);
  }

  #idOf(at: number): number {
    return FIRST_ID + this.#keys.member(at);
  }

  /** Whether this id is live now. */
  #live(id: unknown): boolean {
    if (typeof id !== "number") return false;
    const changed = this.changes.get(id);
    if (changed) return changed["deleted_at"] === null;
    if (id < FIRST_ID || id >= FIRST_ID + this.count) return false;
    return !this.#deleted(this.#keys.numberOf(id - FIRST_ID));
  }

  /** The number of the first record at or after `since`. */
  #firstAt(since: Order): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (orderAt(this.#timeOf(middle), this.orders) < since) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** How many of the first `count` numbers {@linkcode isOne} picks. */
function every(share: number, count: number): number {
  return Math.floor(count * share);
}

/** Picks `share` of all numbers, evenly spread and without chance. */
function isOne(share: number, at: number): boolean {
  return share > 0 && every(share, at + 1) > every(share, at);
}
