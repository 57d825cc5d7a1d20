/**
 * A window: the rows gathered between two commits, sorted by key with one row a key.
 *
 * Why sort: a commit whose keys are scattered touches one B-tree page a row, and that, not the
 * fsync, is then what a commit costs. Rows that are neighbours in the store share pages.
 *
 * @module
 */

import { compareOrder, maxOrder, type Order } from "../protocol/cursor.ts";
import type { Row } from "../protocol/record.ts";
import type { Reject, RowBatch } from "../stream/rows.ts";
import { compareKeys } from "./key_order.ts";

/** Rows in the order of their arrival, until they are taken. */
export class Window {
  rows: Row[] = [];
  rejects: Reject[] = [];
  /** Sum of the rows' text lengths, in UTF-16 units: what memory is bounded by. */
  length = 0;
  /** Whether every key came after the one before it: then there is nothing to gain from waiting. */
  ascending = true;
  maxOrder: Order | null = null;

  add(batch: RowBatch): void {
    for (const row of batch.rows) this.#push(row);
    for (const reject of batch.rejects) this.rejects.push(reject);
    this.maxOrder = maxOrder(this.maxOrder, batch.maxOrder);
  }

  /** Takes the oldest rows, and all rejects, into a window of their own. */
  take(rows: number): Window {
    const taken = new Window();
    for (const row of this.rows.splice(0, rows)) {
      taken.#push(row);
      taken.maxOrder = maxOrder(taken.maxOrder, row.order);
      this.length -= row.length;
    }
    taken.rejects = this.rejects;
    this.rejects = [];
    // `ascending` and `maxOrder` may only be too cautious for what is left.
    return taken;
  }

  #push(row: Row): void {
    if (this.ascending) {
      const last = this.rows.at(-1);
      this.ascending = last === undefined || compareKeys(last.key, row.key) < 0;
    }
    this.rows.push(row);
    this.length += row.length;
  }

  get empty(): boolean {
    return this.rows.length === 0 && this.rejects.length === 0;
  }
}

/** Integers below 2^32 and fewer than 2^20 rows pack into one exact double: key, then position. */
const PACK = 2 ** 20;

function packable(rows: readonly Row[]): boolean {
  if (rows.length >= PACK) return false;
  for (const row of rows) {
    const part = row.key[0];
    if (row.key.length !== 1 || typeof part !== "number") return false;
    if (!Number.isInteger(part) || part < 0 || part >= 2 ** 32) return false;
  }
  return true;
}

function sorted(rows: readonly Row[]): Row[] {
  if (!packable(rows)) {
    return rows.toSorted((a, b) => compareKeys(a.key, b.key));
  }
  // A typed array sorts natively, five times as fast as a comparator in JavaScript.
  const packed = new Float64Array(rows.length);
  rows.forEach((row, i) => packed[i] = (row.key[0] as number) * PACK + i);
  packed.sort();
  const result: Row[] = [];
  for (const value of packed) {
    const row = rows[value % PACK];
    if (row !== undefined) result.push(row);
  }
  return result;
}

/**
 * The rows sorted by key, the winner of each key only: the greatest order, and of equal orders
 * the one that came last.
 */
export function byKey(window: Window): Row[] {
  if (window.ascending) return window.rows;
  const result: Row[] = [];
  let last: Row | undefined;
  for (const row of sorted(window.rows)) {
    if (last !== undefined && compareKeys(last.key, row.key) === 0) {
      if (compareOrder(row.order, last.order) < 0) continue;
      result.pop();
    }
    result.push(row);
    last = row;
  }
  return result;
}
