/**
 * Reads what is stored under the keys of rows, for the comparison of `last_writer_wins.ts`.
 *
 * @module
 */

import { type Order, readOrder } from "../../protocol/cursor.ts";
import { type JsonObject, orderOf, type RecordShape, type Row } from "../../protocol/record.ts";
import { rowPrefix, tombstonePrefix } from "../kv/keys.ts";
import { directoryOf, readParts } from "../kv/large_rows.ts";
import type { Tombstone } from "../kv/stored_values.ts";
import type { Stored } from "./last_writer_wins.ts";
import { LEAST_WANTED_REMOTE, readKeys } from "./read_keys.ts";

/** What the look-up needs of a table. */
export interface LookupOptions {
  readonly table: string;
  readonly shape: RecordShape;
  /** Whether the origin is known to stand by what has this versionstamp and order. */
  readonly isConfirmed: (versionstamp: string, order: Order) => boolean;
  /** Whether each request goes over a network. */
  readonly isRemote: boolean;
}

/**
 * What is stored for each row, in the rows' order; null for a key that was never seen.
 *
 * Must run when no commit is on its way that may touch these keys.
 */
export async function lookUp(
  kv: Deno.Kv,
  rows: readonly Row[],
  { table, shape, isConfirmed, isRemote }: LookupOptions,
): Promise<(Stored | null)[]> {
  const found: (Stored | null)[] = [];
  const missing: number[] = [];
  const keys = rows.map(({ key }) => key);
  const least = isRemote ? LEAST_WANTED_REMOTE : undefined;
  const entries = await readKeys(kv, { prefix: rowPrefix(table), keys }, least);
  for (const [i, entry] of entries.entries()) {
    found.push(null);
    if (entry === null) {
      missing.push(i);
      continue;
    }
    const directory = directoryOf(entry.value);
    const value = directory === null
      ? entry.value as JsonObject
      : await readParts(kv, table, directory) ?? {};
    const order = orderOf(value, shape);
    // A row without an order was put there by somebody else: the origin's replaces it.
    if (order === undefined) found[i] = { order: 0, value, isRow: true, confirmed: false };
    else {
      const confirmed = isConfirmed(entry.versionstamp, order);
      found[i] = { order, value, isRow: true, confirmed, directory };
    }
  }
  const prefix = tombstonePrefix(table);
  const tombstones = await readKeys(kv, { prefix, keys: missing.map((i) => keys[i] ?? []) }, least);
  for (const [n, entry] of tombstones.entries()) {
    const i = missing[n];
    if (i === undefined || entry === null) continue;
    const { order: stored, value } = entry.value as Tombstone;
    const order = readOrder(stored, shape.orderType ?? null);
    // A deletion that was remembered under another type of orders.
    if (order === null) found[i] = { order: 0, value, isRow: false, confirmed: false };
    else {
      const confirmed = isConfirmed(entry.versionstamp, order);
      found[i] = { order, value, isRow: false, confirmed };
    }
  }
  return found;
}
