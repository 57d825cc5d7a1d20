/**
 * What a row does to the store: last writer wins by order. Pure.
 *
 * @module
 */

import { compareOrder, type Order } from "../../protocol/cursor.ts";
import type { JsonValue, Row } from "../../protocol/record.ts";
import type { Directory } from "../kv/large_rows.ts";

/** What became of a record; the `outcome` label of the metrics. */
export type Outcome =
  | "inserted"
  | "updated"
  | "deleted"
  | "stale"
  | "identical"
  | "written";

/** What is stored under a key: a row, or a tombstone, or neither (null). */
export interface Stored {
  readonly order: Order;
  readonly value: JsonValue;
  readonly isRow: boolean;
  /** False during a resync for what it has not brought: the origin's word replaces that. */
  readonly confirmed: boolean;
  /** Where a large row's parts are. */
  readonly directory?: Directory | null;
}

/** What to do with a row. */
export interface Decision {
  readonly outcome: Outcome;
  /** Whether the store is written. */
  readonly write: boolean;
  /** Whether what readers see changes. */
  readonly changed: boolean;
  /** What it does to the number of live rows. */
  readonly rows: -1 | 0 | 1;
}

const STALE: Decision = { outcome: "stale", write: false, changed: false, rows: 0 };
const IDENTICAL: Decision = { outcome: "identical", write: false, changed: false, rows: 0 };

/** Equality of JSON values; the order of an object's fields doesn't matter. */
export function equalJson(a: JsonValue, b: JsonValue): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length &&
      a.every((item, i) => equalJson(item, b[i] ?? null));
  }
  const names = Object.keys(a);
  return names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && equalJson(a[name] ?? null, b[name] ?? null));
}

/** The field by which the deletions that a sweep makes are told from the origin's own. */
export const SWEPT_FIELD = "lockstep-swept";

/** Whether a sweep made this deletion; followers are told by the record itself. */
function isSwept(value: JsonValue): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.hasOwn(value, SWEPT_FIELD) && value[SWEPT_FIELD] === true;
}

/**
 * Last writer wins: greater order, or equal order and other content. What a resync has not
 * confirmed yet gives way to the origin's word whatever its order.
 */
export function decide(row: Row, stored: Stored | null): Decision {
  const wasRow = stored?.isRow ?? false;
  const isRow = row.deletedAt === null;
  if (stored !== null) {
    const order = compareOrder(row.order, stored.order);
    const same = order === 0 && isRow === wasRow && equalJson(row.value, stored.value);
    if (same) return IDENTICAL;
    // What a sweep has removed for want of the origin's word is alive again by it.
    const isRevived = isRow && !wasRow && isSwept(stored.value);
    if (stored.confirmed && order < 0 && !isRevived) return STALE;
  }
  if (isRow) {
    return wasRow
      ? { outcome: "updated", write: true, changed: true, rows: 0 }
      : { outcome: "inserted", write: true, changed: true, rows: 1 };
  }
  return { outcome: "deleted", write: true, changed: wasRow, rows: wasRow ? -1 : 0 };
}
