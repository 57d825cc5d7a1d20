/**
 * Which tables a store has, and which process writes each.
 *
 * @module
 */

import { beatKey, cursorKey, nextTableRange, tableOf } from "../kv/keys.ts";
import { type Holder, holderOf, LEASE_MS } from "./lease.ts";
import { isLockHeld } from "./table_lock.ts";
import type { Store } from "../kv/open_store.ts";
import type { TableMeta } from "../kv/stored_values.ts";

/** One table of a store. */
export interface ListedTable {
  readonly table: string;
  /** Null while nothing was ever stored. */
  readonly meta: TableMeta | null;
  /** The process that writes it, as far as the store knows; null where none does. */
  readonly holder: Holder | null;
}

/**
 * Every table of the store, by name; `now` (the wall clock, in milliseconds) tells the living from
 * the dead where no lock does.
 */
export async function listTables(
  { reader: kv, path }: Pick<Store, "reader" | "path">,
  now: number,
): Promise<ListedTable[]> {
  const tables: ListedTable[] = [];
  for (const table of await tableNames(kv)) {
    const meta = (await kv.get<TableMeta>(cursorKey(table))).value;
    const holder = await holderOf(kv, table);
    const isHeld = holder !== null && await isAlive(kv, path, table, holder, now);
    if (meta !== null || isHeld) tables.push({ table, meta, holder: isHeld ? holder : null });
  }
  return tables;
}

/** Steps from one table's keys to the next table's: a table may have millions of tombstones. */
async function tableNames(kv: Deno.Kv): Promise<string[]> {
  const names: string[] = [];
  for (let last: Deno.KvKey | null = null;;) {
    const next: IteratorResult<Deno.KvEntry<unknown>> = await kv
      .list(nextTableRange(last), { limit: 1 }).next();
    if (next.done || typeof next.value.key[1] !== "string") return names;
    last = next.value.key;
    const name = tableOf(last);
    if (name !== null) names.push(name);
  }
}

async function isAlive(
  kv: Deno.Kv,
  path: string,
  table: string,
  holder: Holder,
  now: number,
): Promise<boolean> {
  const isHeld = holder.locked ? await isLockHeld(path, table) : null;
  if (isHeld !== null) return isHeld;
  const beat = (await kv.get<{ id: string; time: number }>(beatKey(table))).value;
  return beat !== null && beat.id === holder.id && Math.abs(now - beat.time) < LEASE_MS;
}
