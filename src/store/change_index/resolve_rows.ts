/**
 * From entries of the change index to the changes that they stand for.
 *
 * @module
 */

import { compareOrder, readOrder } from "../../protocol/cursor.ts";
import { type JsonObject, type Key, orderOf, type RecordShape } from "../../protocol/record.ts";
import type { Change } from "../read/change.ts";
import type { ChangeEntry } from "./entry.ts";
import { compareKeys } from "../kv/key_order.ts";
import { rowKey, rowPrefix, tombstoneKey } from "../kv/keys.ts";
import { directoryOf } from "../kv/large_rows.ts";
import type { Tombstone } from "../kv/stored_values.ts";
import { type StoredRow, TableReader } from "../read/table_reader.ts";

/** Keys of one `getMany`: Deno KV's limit. */
const GET_KEYS = 10;

/** The table to look in. */
export interface ChangeSource {
  readonly kv: Deno.Kv;
  readonly table: string;
  readonly shape: RecordShape;
}

/** The nearness of rows of near orders, as far as it was tried. */
export interface LookupPace {
  /** Times in a row that listing was in vain. */
  misses: number;
}

/** Rows that are listed for each that is wanted: beyond, reading them by key is as quick. */
const SPREAD = 3;

/** Fewer rows than this are read by key. */
const LISTED_ROWS = 30;

/** After so many misses, listing is tried again once in so many times. */
const MISSES = 4;
const RETRY = 32;

/**
 * The rows of entries. Where rows were written in the order of their keys, as in a table that only
 * grows, they lie side by side: a list gives them four times as fast as a read by key.
 */
async function rowsOf(
  kv: Deno.Kv,
  table: string,
  entries: readonly ChangeEntry[],
  pace: LookupPace,
): Promise<(StoredRow | null)[]> {
  const reader = new TableReader(kv, table);
  const isTry = pace.misses < MISSES || pace.misses % RETRY === 0;
  if (entries.length >= LISTED_ROWS && isTry) {
    const rows = await listed(kv, reader, entries);
    if (rows !== null) {
      pace.misses = 0;
      return rows;
    }
  }
  pace.misses++;
  return await reader.getMany(entries.map(({ key }) => key));
}

/** The rows of entries out of one list; null where they lie too far apart. */
async function listed(
  kv: Deno.Kv,
  reader: TableReader,
  entries: readonly ChangeEntry[],
): Promise<(StoredRow | null)[] | null> {
  const places = Array.from(entries, (_, i) => i);
  const keyAt = (place: number | undefined) => entries[place ?? -1]?.key ?? [];
  places.sort((a, b) => compareKeys(keyAt(a), keyAt(b)));
  const rows: (StoredRow | null)[] = entries.map(() => null);
  const limit = SPREAD * entries.length;
  const prefix = rowPrefix(reader.table);
  const start = rowKey(reader.table, keyAt(places[0]));
  // Mostly they are neighbours, and what is read beyond them is read in vain.
  const batchSize = Math.min(1000, entries.length + 1);
  let next = 0;
  let seen = 0;
  for await (
    const entry of kv.list({ prefix, start }, { limit, batchSize })
  ) {
    seen++;
    const key = entry.key.slice(1) as unknown as Key;
    let side = 1;
    while (next < places.length && (side = compareKeys(keyAt(places[next]), key)) < 0) next++;
    if (next === places.length) break;
    for (; next < places.length && side === 0; next++) {
      const value = directoryOf(entry.value) === null
        ? { key, value: entry.value as JsonObject, versionstamp: entry.versionstamp }
        : await reader.get(key);
      rows[places[next] ?? 0] = value;
      side = compareKeys(keyAt(places[next + 1]), key);
    }
    if (next === places.length) break;
  }
  // The end of the table, or all of them, were reached.
  return next === places.length || seen < limit ? rows : null;
}

/**
 * The change that each entry stands for: the row, or the tombstone, of its order; null where the key
 * was written again since, or its deletion forgotten.
 *
 * @param wantsTombstone whether a tombstone is looked for, for an entry without a row
 * @param pace what is known of the table from the look-ups before
 */
export async function lookUpChanges(
  { kv, table, shape }: ChangeSource,
  entries: readonly ChangeEntry[],
  wantsTombstone: (entry: ChangeEntry) => boolean = () => true,
  pace: LookupPace = { misses: 0 },
): Promise<(Change | null)[]> {
  const rows = await rowsOf(kv, table, entries, pace);
  const missing: number[] = [];
  const changes = entries.map((entry, i): Change | null => {
    const row = rows[i] ?? null;
    if (row === null) {
      if (wantsTombstone(entry)) missing.push(i);
      return null;
    }
    const order = orderOf(row.value, shape);
    if (order === undefined || compareOrder(order, entry.order) !== 0) return null;
    return { kind: "put", key: entry.key, order, value: row.value };
  });
  for (let from = 0; from < missing.length; from += GET_KEYS) {
    const asked = missing.slice(from, from + GET_KEYS);
    const keys = asked.flatMap((i) => {
      const entry = entries[i];
      return entry === undefined ? [] : [tombstoneKey(table, entry.key)];
    });
    const found = await kv.getMany<Tombstone[]>(keys);
    for (const [n, i] of asked.entries()) {
      const tombstone = found[n]?.value ?? null;
      const entry = entries[i];
      if (tombstone === null || entry === undefined) continue;
      const order = readOrder(tombstone.order, shape.orderType ?? null);
      if (order === null || compareOrder(order, entry.order) !== 0) continue;
      const { value } = tombstone;
      changes[i] = { kind: "delete", key: entry.key, order, value };
    }
  }
  return changes;
}
