/**
 * All lines of a table sorted by order, in memory: a list in the order of the keys, and a sort, take a
 * fifth of the time of as many reads by key.
 *
 * @module
 */

import { compareOrder, type Order, readOrder } from "../protocol/cursor.ts";
import { type Key, orderOf } from "../protocol/record.ts";
import { compareKeys } from "../store/kv/key_order.ts";
import { TableReader } from "../store/read/table_reader.ts";
import type { FeedTable } from "./host.ts";
import { lineOf } from "./lines.ts";

/** Characters of a table that is sorted in memory: about as many bytes, for a moment. */
const MOST_CHARS = 32 * 1024 * 1024;

/** A row, or a deletion. */
export interface SortedLine {
  readonly order: Order;
  readonly key: Key;
  readonly line: string;
  readonly isDeletion: boolean;
}

/** Everything up to an order; null of a table that is too large. */
export async function sortedLines(
  { kv, table, shape }: FeedTable,
  upTo: Order,
): Promise<SortedLine[] | null> {
  const reader = new TableReader(kv, table);
  const lines: SortedLine[] = [];
  let chars = 0;
  for await (const { key, value } of reader.list()) {
    const order = orderOf(value, shape);
    if (order === undefined || compareOrder(order, upTo) > 0) continue;
    const line = lineOf(value);
    if ((chars += line.length) > MOST_CHARS) return null;
    lines.push({ order, key, line, isDeletion: false });
  }
  for await (const { key, tombstone } of reader.tombstones()) {
    const order = readOrder(tombstone.order, shape.orderType ?? null);
    if (order === null || compareOrder(order, upTo) > 0) continue;
    const line = lineOf(tombstone.value);
    if ((chars += line.length) > MOST_CHARS) return null;
    lines.push({ order, key, line, isDeletion: true });
  }
  return lines.sort((a, b) => compareOrder(a.order, b.order) || compareKeys(a.key, b.key));
}
