/**
 * JSON values → rows: the stage that knows what a record is.
 *
 * What flows between stages is a batch, that which one network chunk held: a hop for every record
 * would cost half of the throughput.
 *
 * @module
 */

import { compareOrder, type Order, type OrderType } from "../protocol/cursor.ts";
import { numberText } from "../protocol/decimal.ts";
import { LockstepError } from "../protocol/errors.ts";
import { explainRefusal, foreignKind } from "../protocol/explain_refusal.ts";
import type { BodyFault } from "../protocol/json_document.ts";
import type { ValueBatch } from "../protocol/json_values.ts";
import { stringifyJson } from "../protocol/json_text.ts";
import type { TableOrders } from "../protocol/orders.ts";
import {
  deletionMark,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  placeNames,
  readRow,
  recordOf,
  type RecordShape,
  type Refusal,
  type Row,
  valueAt,
} from "../protocol/record.ts";
import { envelopeFault, loneObjectFault, textFault } from "./seen_instead.ts";
import { OrderWatch } from "./order_watch.ts";

/** Something that can't be stored, for the quarantine. */
export interface Reject {
  /** The first 16 KiB of its text. */
  readonly text: string;
  /** Why, as one of a small set. */
  readonly reason: string;
  /** Why, in words; the reason where it says all. */
  readonly detail?: string;
  /** The kind of an object with neither key nor order: one of each is kept. */
  readonly kind?: string;
}

/** What one network chunk held. */
export interface RowBatch {
  readonly rows: readonly Row[];
  readonly rejects: readonly Reject[];
  /** Bytes received, after decompression. */
  readonly bytes: number;
  /** The greatest order of the rows; null without rows. */
  readonly maxOrder: Order | null;
  /** The least order of the rows; null without rows. */
  readonly minOrder: Order | null;
  /** Whether the chunk ended behind a blank line. */
  readonly endsBlank?: boolean;
  /** Whether the chunk ended within a value. */
  readonly isPending?: boolean;
  /** Objects with neither key nor order, few enough to be a heartbeat. */
  readonly foreign?: readonly Reject[];
  /** False where a row's order was below that of an earlier row of the same answer. */
  readonly sorted: boolean;
}

/** Settings of {@linkcode RowReader}. */
export interface RowReaderOptions {
  readonly shape: RecordShape;
  /** How the table's orders are read; it decides on their type by the first records. */
  readonly orders: TableOrders;
  /** Told of the type of the orders before the first of them is read. */
  readonly onTyped?: (type: OrderType) => void;
  /** Says why a key can't be stored, if it can't. */
  readonly checkKey?: (row: Row) => Refusal | null;
  /** Record → what is stored; undefined leaves it out. */
  readonly transform?: ((record: JsonObject) => JsonObject | undefined) | undefined;
  /** The records have no order: each gets 0, for the table to give it one. */
  readonly isWhole?: boolean;
  /** Throw at the first record that can't be used. */
  readonly strict?: boolean;
  /** Whether an order lies in the future: nothing behind such a record is out of order. */
  readonly isFuture?: (order: Order) => boolean;
  /** Kinds of objects with neither key nor order that are set aside; what is new is added. */
  readonly foreignKinds?: Set<string>;
}

/** A deletion that names its record and says no more of it. */
function tombstoneOf(row: Row, deletedAt: JsonValue, shape: RecordShape): Row {
  const value = recordOf([
    ...shape.key.map((place, i) => [place, row.key[i] ?? null] as const),
    // As it was sent: a follower reads it as it reads the others.
    [shape.orderBy, valueAt(row.value, shape.orderBy) ?? row.order],
    [shape.deletedBy, deletedAt],
  ]);
  return { ...row, deletedAt, value, length: stringifyJson(value).length };
}

/** What is read of an answer that holds something else. */
const NOTHING: RowBatch = {
  rows: [],
  rejects: [],
  bytes: 0,
  maxOrder: null,
  minOrder: null,
  sorted: true,
};

/** Bad values in a row, from an answer's start, after which it is taken for something else. */
const NOT_RECORDS = 100;

/** Objects with neither key nor order in one chunk, above which they are no heartbeat. */
const HEARTBEATS = 10;

/** Kinds of such objects that are told apart. */
const MOST_KINDS = 100;

/** Objects of a known kind that are held until it is known whether the answer stays open. */
const MOST_HELD = 1000;

/** Reads the values of one answer. */
export class RowReader {
  readonly #options: RowReaderOptions;
  /** The name that the order's text stands behind in a record's text. */
  readonly #orderName: string;
  readonly #watch: OrderWatch;
  /** The greatest order of the answer so far. */
  #greatest: Order | null = null;
  /** The greatest one behind a record from the future. */
  #present: Order | null = null;
  #bad = 0;
  #anyGood = false;
  readonly #kinds: Set<string>;
  /** The newest objects of known kinds. */
  #held: Reject[] = [];
  #fault: BodyFault | null = null;
  /** The only value so far, where that is an object; null behind a second one. */
  #lone: JsonObject | null | undefined;

  constructor(options: RowReaderOptions) {
    this.#options = options;
    const { orders, shape, onTyped } = options;
    this.#watch = new OrderWatch(orders, shape.orderBy, onTyped);
    this.#orderName = placeNames(shape.orderBy).at(-1) ?? "";
    this.#kinds = options.foreignKinds ?? new Set();
  }

  /**
   * What is to be set aside besides: objects with neither key nor order, of kinds that are known, in
   * an answer that has ended. Where one stays open they are its heartbeat.
   */
  takeHeld(): Reject[] {
    return this.#anyGood ? this.#held.splice(0) : [];
  }

  /** What the answer holds in place of records, where that is certain; null where it isn't. */
  get fault(): BodyFault | null {
    return this.#fault;
  }

  /** @throws {LockstepError} `bad-record` with `strict`; `not-records` where nothing is a record. */
  read(batch: ValueBatch): RowBatch {
    const { shape, orders } = this.#options;
    if (this.#options.isWhole) this.#placeOrders(batch.values);
    this.#watch.begin(batch.values);
    const rows: Row[] = [];
    const rejects: Reject[] = [...batch.rejects];
    const foreign: Reject[] = [];
    if (!this.#anyGood && this.#bad === 0) this.#fault ??= this.#recognised(batch);
    for (const value of batch.values.slice(0, 2)) {
      this.#lone = this.#lone === undefined && isJsonObject(value) ? value : null;
    }
    if (this.#fault !== null) return { ...NOTHING, bytes: batch.bytes };
    let maxOrder: Order | null = null;
    let minOrder: Order | null = null;
    let sorted = true;
    let at = 0;
    const source = () => this.#orderText(batch, at);
    for (at = 0; at < batch.values.length; at++) {
      const value = batch.values[at] ?? null;
      let row = readRow(value, batch.lengths[at] ?? 0, shape, orders, source);
      if (typeof row !== "string") row = this.#check(row);
      if (typeof row === "string") {
        const reject = this.#refused(value, row);
        (reject.kind === undefined ? rejects : foreign).push(reject);
        continue;
      }
      const { order } = row;
      if (this.#greatest === null || compareOrder(order, this.#greatest) >= 0) {
        // As late as all before it: the least of them stays.
        this.#greatest = maxOrder = order;
        minOrder ??= order;
      } else {
        if (!this.#isBehindFuture(order)) sorted = false;
        if (maxOrder === null || compareOrder(order, maxOrder) > 0) maxOrder = order;
        if (minOrder === null || compareOrder(order, minOrder) < 0) minOrder = order;
      }
      rows.push(row);
    }
    this.#watch.note(rows);
    const isHeartbeat = foreign.length <= HEARTBEATS;
    this.#judge(rows.length, isHeartbeat ? rejects : [...rejects, ...foreign]);
    rejects.push(...isHeartbeat ? foreign.filter((reject) => this.#isNewKind(reject)) : foreign);
    const read = { rows, rejects, bytes: batch.bytes, maxOrder, minOrder, sorted };
    return { ...read, foreign: isHeartbeat ? foreign : [] };
  }

  /** Whether an order that is below the greatest is only below one from the future. */
  #isBehindFuture(order: Order): boolean {
    if (this.#greatest === null || !this.#options.isFuture?.(this.#greatest)) return false;
    const isInOrder = this.#present === null || compareOrder(order, this.#present) >= 0;
    if (isInOrder) this.#present = order;
    return isInOrder;
  }

  #refused(value: JsonValue, reason: Refusal): Reject {
    const { shape } = this.#options;
    const text = stringifyJson(value).slice(0, 16_384);
    const reject = { text, reason, detail: explainRefusal(value, reason, shape) };
    const kind = reason === "no key" ? foreignKind(value, shape) : null;
    return kind === null ? reject : { ...reject, kind };
  }

  /** Whether one of its kind is to be set aside at once; of a known kind it waits for the end. */
  #isNewKind(reject: Reject): boolean {
    const kind = reject.kind ?? "";
    if (!this.#kinds.has(kind) && this.#kinds.size < MOST_KINDS) {
      this.#kinds.add(kind);
      return true;
    }
    this.#held.push(reject);
    if (this.#held.length > MOST_HELD) this.#held.shift();
    return false;
  }

  /** Puts an order where the table's own is to be; what the origin has there must not be lost. */
  #placeOrders(values: readonly JsonValue[]): void {
    const { orderBy } = this.#options.shape;
    for (const value of values) {
      if (!isJsonObject(value)) continue;
      if (Object.hasOwn(value, orderBy)) {
        this.#fault = {
          kind: "not-records",
          seen: `has records with a field ${JSON.stringify(orderBy)}`,
          hint:
            "with --whole the copy keeps its own order there: name another field, --order-by NAME",
        };
        return;
      }
      value[orderBy] = 0;
    }
  }

  /** Looks at what an answer begins with: it may be something else than records altogether. */
  #recognised({ values: [value], rejects: [reject] }: ValueBatch): BodyFault | null {
    const { shape } = this.#options;
    if (value !== undefined && isJsonObject(value)) return envelopeFault(value, shape);
    return reject === undefined ? null : textFault(reject.text, shape);
  }

  /**
   * The answer is over: what it held is judged as a whole.
   *
   * @throws {LockstepError} where it is sorted in another way than its orders are compared
   */
  end(): void {
    const lone = this.#anyGood ? null : this.#lone ?? null;
    if (lone !== null) this.#fault ??= loneObjectFault(lone);
    this.#watch.end();
  }

  /** The digits of a record's order, as they were sent. */
  #orderText({ values, texts }: ValueBatch, at: number): string | null {
    const text = texts?.[at];
    const value = values[at];
    if (text === undefined || value === undefined || !isJsonObject(value)) return null;
    const order = valueAt(value, this.#options.shape.orderBy);
    return typeof order === "number" ? numberText(text, this.#orderName, order) : null;
  }

  #check(row: Row): Row | Refusal {
    const refusal = this.#options.checkKey?.(row) ?? null;
    if (refusal !== null) return refusal;
    const { transform } = this.#options;
    return transform === undefined ? row : this.#transformed(row, transform);
  }

  #transformed(row: Row, transform: (record: JsonObject) => JsonObject | undefined): Row | Refusal {
    const { shape } = this.#options;
    // What a transform takes out of a record must not come back with its deletion.
    if (row.deletedAt !== null) return tombstoneOf(row, row.deletedAt, shape);
    let value: JsonObject | undefined;
    try {
      value = transform(row.value);
    } catch {
      return "transform failed";
    }
    // A record that is left out must not stay behind from when it was not: it becomes a tombstone.
    if (value === undefined) {
      const sent = valueAt(row.value, shape.orderBy) ?? row.order;
      return tombstoneOf(row, deletionMark(shape, sent), shape);
    }
    for (const name of [...shape.key, shape.orderBy]) {
      if (Object.is(valueAt(value, name), valueAt(row.value, name))) continue;
      throw new LockstepError(
        `transform changed the field ${name} of the record with the key ${
          stringifyJson([...row.key])
        }`,
        {
          kind: "usage",
          retry: "never",
          hint: `return it with its key (${shape.key.join(", ")}) and order (${shape.orderBy})`,
        },
      );
    }
    const { length } = stringifyJson(value);
    const stored = readRow(value, length, shape);
    if (typeof stored === "string" || stored.deletedAt === null) return { ...row, value, length };
    throw new LockstepError(
      `transform gave the record with the key ${stringifyJson([...row.key])} a ${shape.deletedBy}`,
      { kind: "usage", retry: "never", hint: "return undefined to leave a record out" },
    );
  }

  #judge(good: number, rejects: readonly Reject[]): void {
    const [first] = rejects;
    if (good > 0) this.#anyGood = true;
    if (first === undefined) return;
    this.#bad += rejects.length;
    const sample = JSON.stringify(first.text.slice(0, 80));
    if (this.#options.strict) {
      const why = first.detail ?? first.reason;
      throw new LockstepError(`a record can't be used (${why}): ${sample}`, {
        kind: "bad-record",
        retry: "never",
        hint: "mend the origin, or run without --strict to quarantine such records",
      });
    }
    if (!this.#anyGood && this.#bad >= NOT_RECORDS) {
      throw new LockstepError(
        `the answer holds no records: its first ${this.#bad} values are unusable, such as ${sample} (${
          first.detail ?? first.reason
        })`,
        {
          kind: "not-records",
          retry: "slow",
          hint: "check the URL, and --key and --order-by, against what the origin sends",
        },
      );
    }
  }
}
