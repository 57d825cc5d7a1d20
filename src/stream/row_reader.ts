/**
 * JSON values → rows: the stage that knows what a record is.
 *
 * What flows between stages is a batch, that which one network chunk held: a hop for every record
 * would cost half of the throughput.
 *
 * @module
 */

import { compareOrder, type Order, type OrderKind, orderKind } from "../protocol/cursor.ts";
import { LockstepError } from "../protocol/errors.ts";
import type { ValueBatch } from "../protocol/json_values.ts";
import { stringifyJson } from "../protocol/json_text.ts";
import {
  type JsonObject,
  type JsonValue,
  readRow,
  recordOf,
  type RecordShape,
  type Refusal,
  type Row,
  valueAt,
} from "../protocol/record.ts";

/** Something that can't be stored, for the quarantine. */
export interface Reject {
  /** The first 16 KiB of its text. */
  readonly text: string;
  readonly reason: string;
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
  /** False where a row's order was below that of an earlier row of the same answer. */
  readonly sorted: boolean;
}

/** Settings of {@linkcode RowReader}. */
export interface RowReaderOptions {
  readonly shape: RecordShape;
  /** The table's kind of order, once it has one. */
  readonly kind: OrderKind | null;
  /** Says why a key can't be stored, if it can't. */
  readonly checkKey?: (row: Row) => Refusal | null;
  /** Record → what is stored; undefined leaves it out. */
  readonly transform?: ((record: JsonObject) => JsonObject | undefined) | undefined;
  /** Throw at the first record that can't be used. */
  readonly strict?: boolean;
}

/** A deletion that names its record and says no more of it. */
function tombstoneOf(row: Row, deletedAt: JsonValue, shape: RecordShape): Row {
  const value = recordOf([
    ...shape.key.map((place, i) => [place, row.key[i] ?? null] as const),
    [shape.orderBy, row.order],
    [shape.deletedBy, deletedAt],
  ]);
  return { ...row, deletedAt, value, length: stringifyJson(value).length };
}

/** Bad values in a row, from an answer's start, after which it is taken for something else. */
const NOT_RECORDS = 100;

/** Reads the values of one answer. */
export class RowReader {
  readonly #options: RowReaderOptions;
  #kind: OrderKind | null;
  #last: Order | null = null;
  #bad = 0;
  #anyGood = false;

  constructor(options: RowReaderOptions) {
    this.#options = options;
    this.#kind = options.kind;
  }

  /** @throws {LockstepError} `bad-record` with `strict`; `not-records` where nothing is a record. */
  read(batch: ValueBatch): RowBatch {
    const { shape } = this.#options;
    const rows: Row[] = [];
    const rejects: Reject[] = [...batch.rejects];
    let maxOrder: Order | null = null;
    let minOrder: Order | null = null;
    let sorted = true;
    for (let i = 0; i < batch.values.length; i++) {
      const value = batch.values[i] ?? null;
      let row = readRow(value, batch.lengths[i] ?? 0, shape);
      if (typeof row !== "string") row = this.#check(row);
      if (typeof row === "string") {
        rejects.push({ text: stringifyJson(value).slice(0, 16_384), reason: row });
        continue;
      }
      if (this.#last !== null && compareOrder(row.order, this.#last) < 0) sorted = false;
      else this.#last = row.order;
      if (maxOrder === null || compareOrder(row.order, maxOrder) > 0) maxOrder = row.order;
      if (minOrder === null || compareOrder(row.order, minOrder) < 0) minOrder = row.order;
      rows.push(row);
    }
    this.#judge(rows.length, rejects);
    return { rows, rejects, bytes: batch.bytes, maxOrder, minOrder, sorted };
  }

  #check(row: Row): Row | Refusal {
    const kind = orderKind(row.order);
    this.#kind ??= kind;
    if (kind !== this.#kind) return "order of another kind";
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
    if (value === undefined) return tombstoneOf(row, row.order, shape);
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
      throw new LockstepError(`a record can't be used (${first.reason}): ${sample}`, {
        kind: "bad-record",
        retry: "never",
        hint: "mend the origin, or run without --strict to quarantine such records",
      });
    }
    if (!this.#anyGood && this.#bad >= NOT_RECORDS) {
      throw new LockstepError(
        `the answer holds no records: its first ${this.#bad} values are unusable, such as ${sample} (${first.reason})`,
        {
          kind: "not-records",
          retry: "slow",
          hint: "check the URL, and --key and --order-by, against what the origin sends",
        },
      );
    }
  }
}
