/**
 * What a table must hold, and whether it does: the invariants that every test of bad days asserts.
 *
 * @module
 */

import assert from "node:assert/strict";
import { compareOrder, type Order, readOrder } from "../../src/protocol/cursor.ts";
import { stringifyJson } from "../../src/protocol/json_text.ts";
import type { JsonObject, Key, KeyPart } from "../../src/protocol/record.ts";
import { directoryOf } from "../../src/store/kv/large_rows.ts";
import type { TableMeta } from "../../src/store/kv/stored_values.ts";
import { TableReader } from "../../src/store/read/table_reader.ts";

/** Rows by key, as text that tells `1` from `"1"`. */
export type Rows = Map<string, JsonObject>;

/** A key as text, exact and injective. */
export function keyName(key: Key): string {
  return stringifyJson([...key]);
}

/** Rows by their key fields. */
export function byName(rows: readonly JsonObject[], key: readonly string[] = ["id"]): Rows {
  return new Map(rows.map((row) => {
    const parts = key.map((name) => row[name] as KeyPart);
    return [keyName(parts), row];
  }));
}

/** Every row of a table, read whole. */
export async function rowsIn(kv: Deno.Kv, table: string): Promise<Rows> {
  const rows: Rows = new Map();
  for await (const { key, value } of new TableReader(kv, table).list()) {
    rows.set(keyName(key), value);
  }
  return rows;
}

/** The first differences between two tables, in words; empty where there is none. */
export function differences(actual: Rows, expected: Rows): string[] {
  const found: string[] = [];
  for (const [name, row] of expected) {
    const stored = actual.get(name);
    if (stored === undefined) found.push(`${name} is missing: ${text(row)}`);
    else if (text(stored) !== text(row)) found.push(`${name} is ${text(stored)}, not ${text(row)}`);
  }
  for (const [name, row] of actual) {
    if (!expected.has(name)) found.push(`${name} is a ghost: ${text(row)}`);
  }
  return found.slice(0, 10);
}

/** The text of a row whose fields may come in any order. */
function text(row: JsonObject): string {
  const names = Object.keys(row).toSorted();
  return names.map((name) => `${name}:${stringifyJson(row[name] ?? null)}`).join(",").slice(0, 200);
}

/** What {@linkcode assertTable} checks besides the rows. */
export interface TableExpectation {
  readonly table?: string;
  readonly key?: readonly string[];
  /** Check the stored count, where it says that it is exact. */
  readonly count?: boolean;
}

/** The table equals the origin's live rows; its count and cursor fit. */
export async function assertTable(
  kv: Deno.Kv,
  live: readonly JsonObject[],
  { table = "servers", key = ["id"], count = true }: TableExpectation = {},
): Promise<void> {
  const rows = await rowsIn(kv, table);
  assert.deepEqual(differences(rows, byName(live, key)), []);
  const meta = await new TableReader(kv, table).meta();
  if (meta === null) return assert.equal(rows.size, 0);
  if (count && meta.exact) assert.equal(meta.rows, rows.size, "the count is exact");
  assertOrders(meta, rows);
  await assertWhole(kv, table);
}

/** No order is above `high`, and the cursor isn't above `high` either. */
function assertOrders(meta: TableMeta, rows: Rows): void {
  const { cursor, high } = meta;
  for (const [name, row] of rows) {
    const order = readOrder(row["updated_at"], meta.order?.type ?? null);
    if (order === null) continue;
    assert.ok(high !== null && compareOrder(order, high) <= 0, `${name} is above high ${high}`);
  }
  if (cursor !== null && high !== null) assert.ok(compareOrder(cursor, high) <= 0, "cursor ≤ high");
}

/** Every large row's parts are all there. */
async function assertWhole(kv: Deno.Kv, table: string): Promise<void> {
  const reader = new TableReader(kv, table);
  for await (const entry of kv.list({ prefix: [table] })) {
    if (directoryOf(entry.value) === null) continue;
    const key = entry.key.slice(1) as KeyPart[];
    assert.ok(await reader.get(key) !== null, `${keyName(key)} is half a row`);
  }
}

/** One state of a record in the origin's history. */
export interface Version {
  readonly key: Key;
  readonly order: Order;
  readonly deleted: boolean;
}

/**
 * What must hold at any moment, also right after a crash: whatever the origin had before the
 * cursor is stored at that order or a later one, and no row is half written.
 *
 * @param current the origin's records as they are now, tombstones included
 */
export async function assertInvariants(
  kv: Deno.Kv,
  current: readonly Version[],
  table = "servers",
): Promise<void> {
  const rows = await rowsIn(kv, table);
  const meta = await new TableReader(kv, table).meta();
  if (meta === null) return assert.equal(rows.size, 0, "rows without a cursor entry");
  assertOrders(meta, rows);
  await assertWhole(kv, table);
  const { cursor } = meta;
  if (cursor === null) return;
  for (const { key, order, deleted } of current) {
    // Times are compared as instants, however they are written.
    const compared = readOrder(order, meta.order?.type ?? null);
    if (compared === null || compareOrder(compared, cursor) >= 0) continue;
    const row = rows.get(keyName(key));
    if (deleted) {
      assert.equal(row, undefined, `${keyName(key)} was deleted at ${order}, before ${cursor}`);
    } else {
      const stored = row?.["updated_at"];
      assert.equal(stored, order, `${keyName(key)} of ${order} is not behind the cursor ${cursor}`);
    }
  }
}
