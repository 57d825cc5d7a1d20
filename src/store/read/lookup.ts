/**
 * Reads what is stored under the keys of rows, for the comparison of `last_writer_wins.ts`.
 *
 * @module
 */

import type { Order } from "../../protocol/cursor.ts";
import { readOrder } from "../../protocol/cursor.ts";
import { type JsonObject, orderOf, type RecordShape, type Row } from "../../protocol/record.ts";
import { rowKey, tombstoneKey } from "../kv/keys.ts";
import { directoryOf, readParts } from "../kv/large_rows.ts";
import type { Tombstone } from "../kv/stored_values.ts";
import type { Stored } from "./last_writer_wins.ts";

/** Keys of one `getMany`: Deno KV's limit. */
const GET_KEYS = 10;

/** Reads on their way at once. */
const GETS = 64;

async function readAll(kv: Deno.Kv, keys: readonly Deno.KvKey[]) {
  const entries: Deno.KvEntryMaybe<unknown>[] = [];
  for (let from = 0; from < keys.length; from += GET_KEYS * GETS) {
    const reads: Promise<Deno.KvEntryMaybe<unknown>[]>[] = [];
    const until = Math.min(keys.length, from + GET_KEYS * GETS);
    for (let at = from; at < until; at += GET_KEYS) {
      reads.push(kv.getMany<unknown[]>(keys.slice(at, Math.min(at + GET_KEYS, until))));
    }
    for (const group of await Promise.all(reads)) entries.push(...group);
  }
  return entries;
}

/** What the look-up needs of a table. */
export interface LookupOptions {
  readonly table: string;
  readonly shape: RecordShape;
  /** Whether the origin is known to stand by what has this versionstamp and order. */
  readonly isConfirmed: (versionstamp: string, order: Order) => boolean;
}

/**
 * What is stored for each row, in the rows' order; null for a key that was never seen.
 *
 * Must run when no commit is on its way that may touch these keys.
 */
export async function lookUp(
  kv: Deno.Kv,
  rows: readonly Row[],
  { table, shape, isConfirmed }: LookupOptions,
): Promise<(Stored | null)[]> {
  const found: (Stored | null)[] = [];
  const missing: number[] = [];
  const entries = await readAll(kv, rows.map((row) => rowKey(table, row.key)));
  for (const [i, entry] of entries.entries()) {
    found.push(null);
    if (entry.versionstamp === null) {
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
  const keys: Deno.KvKey[] = [];
  for (const i of missing) {
    const row = rows[i];
    if (row !== undefined) keys.push(tombstoneKey(table, row.key));
  }
  for (const [n, entry] of (await readAll(kv, keys)).entries()) {
    const i = missing[n];
    if (i === undefined || entry.versionstamp === null) continue;
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
