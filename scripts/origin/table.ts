/**
 * A table of records in memory that remembers when each was last changed: what a real origin's
 * database does with `updated_at` and `deleted_at`.
 *
 * The records lie in one log, sorted by order and then by the time of writing. A change appends
 * the record's new state and marks the old one as replaced, so a reader is nothing but a place in
 * the log, and each record is found once, at its current order.
 *
 * @module
 */

import type { Order } from "../../src/protocol/cursor.ts";
import type { JsonObject, JsonValue, KeyPart } from "../../src/protocol/record.ts";
import { compareOrders, isBeginning, orderAt, type OrderStyle } from "./orders.ts";
import {
  Bell,
  type MutableSource,
  type Piece,
  type Separator,
  SEPARATORS,
  type SourceReader,
} from "./source.ts";

/** How a table is made. */
export interface TableOptions {
  /** Key fields; default `["id"]`. */
  readonly key?: readonly string[];
  /** Default `number`. */
  readonly orders?: OrderStyle;
  /** Default `newline`. */
  readonly separator?: Separator;
  /**
   * Milliseconds since 1970, an integer; default the machine's clock. The table never goes back:
   * where the clock does, the last order is used again, so ties happen as they do in life.
   */
  readonly clock?: () => number;
  /** Makes a record for {@linkcode OriginTable.fresh}; `number` counts from 1. */
  readonly fresh?: (number: number) => JsonObject;
}

/** The state of a table at one moment; see {@linkcode OriginTable.snapshot}. */
export interface Snapshot {
  readonly entries: readonly { readonly record: JsonObject; readonly deleted: boolean }[];
  readonly time: number;
}

interface Entry {
  readonly order: Order;
  /** Number of the write: separates entries of one order. */
  readonly write: number;
  readonly key: string;
  readonly record: JsonObject;
  readonly deleted: boolean;
  /** A later state of the same key exists. */
  replaced: boolean;
  /** The record's JSON, made when first sent. */
  text: string | null;
}

/** Size of a piece, in UTF-16 units: large enough that the cost per piece doesn't show. */
const PIECE = 64 * 1024;

/** Tries of {@linkcode OriginTable.sample} before it gives up. */
const TRIES = 50;

const encoder = new TextEncoder();

/**
 * A table with history.
 *
 * @example
 * ```ts
 * import { OriginTable } from "./table.ts";
 * const table = new OriginTable({ clock: () => 1000 });
 * table.put({ id: 1, ip: "10.0.0.1" });
 * table.remove(1);
 * console.assert(table.size === 0 && table.head === 1000);
 * ```
 */
export class OriginTable implements MutableSource {
  readonly orders: OrderStyle;
  readonly #key: readonly string[];
  readonly #separator: string;
  readonly #clock: () => number;
  readonly #fresh: (number: number) => JsonObject;
  readonly #bell = new Bell();
  #log: Entry[] = [];
  #current = new Map<string, Entry>();
  #live = 0;
  #writes = 0;
  #made = 0;
  #time = 0;

  constructor(options: TableOptions = {}) {
    this.orders = options.orders ?? "number";
    this.#key = options.key ?? ["id"];
    this.#separator = SEPARATORS[options.separator ?? "newline"];
    this.#clock = options.clock ?? Date.now;
    this.#fresh = options.fresh ?? ((number) => ({ id: 1_000_000_000 + number }));
  }

  get size(): number {
    return this.#live;
  }

  get head(): Order | null {
    return this.#log.findLast((entry) => !entry.replaced)?.order ?? null;
  }

  put(record: JsonObject): JsonObject {
    return this.#write({ ...record, updated_at: this.#now(), deleted_at: null }, false);
  }

  remove(...key: KeyPart[]): JsonObject {
    const order = this.#now();
    const record = this.#current.get(keyOf(key))?.record ??
      Object.fromEntries(this.#key.map((field, at) => [field, key[at] ?? null]));
    return this.#write({ ...record, updated_at: order, deleted_at: order }, true);
  }

  /**
   * Writes a record with the `updated_at` and `deleted_at` that it has. Below the head this is a
   * transaction that was committed late: readers that have passed its order don't get it.
   */
  putAs(record: JsonObject): JsonObject {
    const deleted = record["deleted_at"];
    return this.#write(record, deleted !== undefined && deleted !== null && deleted !== false);
  }

  /** Takes a record out without a tombstone, as a wiped row would be: nobody is told. */
  forget(...key: KeyPart[]): void {
    const entry = this.#current.get(keyOf(key));
    if (!entry) return;
    entry.replaced = true;
    this.#current.delete(entry.key);
    if (!entry.deleted) this.#live--;
  }

  /** The record as it is sent, also where it is a tombstone. */
  get(...key: KeyPart[]): JsonObject | null {
    return this.#current.get(keyOf(key))?.record ?? null;
  }

  has(...key: KeyPart[]): boolean {
    return this.#current.has(keyOf(key));
  }

  /** Every live record, sorted by order: what a perfect copy holds. */
  liveRows(): JsonObject[] {
    return this.#log.filter((e) => !e.replaced && !e.deleted).map((e) => e.record);
  }

  /** The whole state, to go back to with {@linkcode restore}. */
  snapshot(): Snapshot {
    const entries = this.#log.filter((e) => !e.replaced);
    return {
      entries: entries.map(({ record, deleted }) => ({ record, deleted })),
      time: this.#time,
    };
  }

  /** Goes back to a snapshot, as a database restored from a backup does; the clock goes back too. */
  restore(snapshot: Snapshot): void {
    this.#log = [];
    this.#current = new Map();
    this.#live = 0;
    for (const { record, deleted } of snapshot.entries) this.#write(record, deleted);
    this.#time = snapshot.time;
  }

  sample(random: () => number): JsonObject | null {
    for (let tries = 0; tries < TRIES; tries++) {
      const entry = this.#log[Math.floor(random() * this.#log.length)];
      if (entry && !entry.replaced && !entry.deleted) return entry.record;
    }
    return null;
  }

  fresh(): JsonObject {
    return this.#fresh(++this.#made);
  }

  changed(): Promise<void> {
    return this.#bell.heard();
  }

  read(since: Order): SourceReader {
    // Only what was deleted before the request may be left out: a deletion that comes while the
    // answer is open may be that of a record already sent.
    const leaveOut = isBeginning(since) ? this.#writes : -1;
    // The place of a reader is (order, write) of the last entry it has passed, and not an index:
    // a late commit or a clean-up of the log moves indexes.
    let after: { order: Order; write: number } = { order: since, write: -1 };
    const next = (): Piece | null => {
      const lines: string[] = [];
      let length = 0;
      for (let at = this.#place(after.order, after.write); at < this.#log.length; at++) {
        const entry = this.#log[at];
        if (!entry) break;
        after = entry;
        if (entry.replaced || (entry.deleted && entry.write <= leaveOut)) continue;
        entry.text ??= encode(entry.record);
        lines.push(entry.text);
        length += entry.text.length;
        if (length >= PIECE) break;
      }
      if (lines.length === 0) return null;
      lines.push("");
      return { bytes: encoder.encode(lines.join(this.#separator)), rows: lines.length - 1 };
    };
    return { next };
  }

  #now(): Order {
    this.#time = Math.max(this.#time, this.#clock());
    return orderAt(this.#time, this.orders);
  }

  #write(record: JsonObject, deleted: boolean): JsonObject {
    const order = record["updated_at"];
    if (typeof order !== "number" && typeof order !== "bigint" && typeof order !== "string") {
      throw new TypeError(`updated_at of ${encode(record)} is no order`);
    }
    const key = keyOf(this.#key.map((field) => partOf(record[field])));
    const before = this.#current.get(key);
    if (before) before.replaced = true;
    this.#live += (deleted ? 0 : 1) - (before && !before.deleted ? 1 : 0);
    const write = ++this.#writes;
    const entry: Entry = { order, write, key, record, deleted, replaced: false, text: null };
    const last = this.#log.at(-1);
    if (!last || compareOrders(last.order, order) <= 0) this.#log.push(entry);
    else this.#log.splice(this.#place(order, write), 0, entry);
    this.#current.set(key, entry);
    // Half of the log replaced: drop those, so that a table changed for ever stays its size.
    if (this.#log.length > 2 * this.#current.size + 1000) {
      this.#log = this.#log.filter((e) => !e.replaced);
    }
    this.#bell.ring();
    return record;
  }

  /** Index of the first entry after (order, write), by bisection. */
  #place(order: Order, write: number): number {
    let low = 0;
    let high = this.#log.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#log[middle];
      if (!entry) break;
      const by = compareOrders(entry.order, order) || entry.write - write;
      if (by <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** JSON with exact integers. */
export function encode(value: JsonValue): string {
  try {
    return JSON.stringify(value);
  } catch {
    // A bigint. The replacer is some five times slower, so only where it is needed.
    return JSON.stringify(
      value,
      (_name, part: unknown) => typeof part === "bigint" ? rawJSON(String(part)) : part,
    );
  }
}

// TypeScript's library doesn't know it yet.
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** A key as one string; the number 1 and the string "1" are different keys. */
function keyOf(parts: readonly KeyPart[]): string {
  return parts.map((part) => `${typeof part}:${part}`).join("\0");
}

function partOf(value: JsonValue | undefined): KeyPart {
  if (value === undefined || value === null || typeof value === "object") {
    throw new TypeError(`a key is a string, a number or a boolean, not ${encode(value ?? null)}`);
  }
  return value;
}
