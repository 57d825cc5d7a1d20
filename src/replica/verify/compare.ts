/**
 * What a row of the origin and what is stored under its key say to each other. Pure.
 *
 * ```text
 *  settled: the origin's order is at or below the cursor that the comparison began with, so that the
 *  copy has promised to have it. What is stored above that cursor has changed meanwhile.
 * ```
 *
 * @module
 */

import { compareOrder, type Order } from "../../protocol/cursor.ts";
import type { Row } from "../../protocol/record.ts";
import { equalJson, type Stored } from "../../store/read/last_writer_wins.ts";

/** What is wrong with a key: see {@linkcode compareRow}; `ghost` is a row that the origin lacks. */
export const DIFFERENCES = ["missing", "stale", "different", "ghost"] as const;

/** What is wrong with a key. */
export type Difference = typeof DIFFERENCES[number];

/**
 * - `missing`: the origin has the row, and the copy doesn't.
 * - `stale`: the copy has an older state of it.
 * - `different`: the copy has another content at the same order, or a newer one that isn't explained
 *   by what has changed meanwhile.
 *
 * @param settled the cursor that the comparison began with
 * @returns null where both are the same, "changed" where the row has changed meanwhile
 */
export function compareRow(
  row: Row,
  stored: Stored | null,
  settled: Order,
): Exclude<Difference, "ghost"> | "changed" | null {
  const isRow = row.deletedAt === null;
  if (compareOrder(row.order, settled) > 0) return "changed";
  // A deletion is remembered for a while only: nothing at all is as good.
  if (stored === null) return isRow ? "missing" : null;
  if (compareOrder(stored.order, settled) > 0) return "changed";
  const side = compareOrder(row.order, stored.order);
  if (!isRow && !stored.isRow) return null;
  if (isRow && !stored.isRow) return "missing";
  if (!isRow) return side >= 0 ? "stale" : "different";
  if (side > 0) return "stale";
  return side === 0 && equalJson(row.value, stored.value) ? null : "different";
}
