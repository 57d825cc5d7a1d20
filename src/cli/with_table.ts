/**
 * A table of an existing store, open for reading while a command runs.
 *
 * @module
 */

import { systemClock } from "../base/clock.ts";
import { printable } from "../base/log.ts";
import { TableReader } from "../store/read/table_reader.ts";
import { openStore, type Store } from "../store/kv/open_store.ts";
import { listTables } from "../store/table/list_tables.ts";
import type { AnyValues } from "./options/table.ts";
import { quote } from "./quote.ts";
import { UsageError } from "./usage_error.ts";

/** Opens the store of `--kv` for reading, runs `work`, and closes it. */
export async function withStore<T>(
  values: AnyValues,
  work: (store: Store) => Promise<T>,
): Promise<T> {
  const path = values.kv ?? "./state";
  if (path === ":memory:") {
    throw new UsageError("--kv :memory: is in the memory of another process; ask its status page");
  }
  const store = await openStore(path, { readOnly: true, tokenFile: values.kvTokenFile });
  try {
    return await work(store);
  } finally {
    store.close();
  }
}

/** Like {@linkcode withStore}, for one table. */
export async function withTable<T>(
  values: AnyValues,
  table: string,
  work: (reader: TableReader, store: Store) => Promise<T>,
): Promise<T> {
  return await withStore(values, (store) => work(new TableReader(store.reader, table), store));
}

/** What to say where the store has no such table; null where it has. */
export async function missingTable(reader: TableReader, store: Store): Promise<string | null> {
  if (await reader.meta() !== null) return null;
  const tables = (await listTables(store, systemClock.now())).map(({ table }) => quote(table));
  const others = tables.length === 0 ? "it has none yet" : `it has ${tables.join(", ")}`;
  return `the store ${printable(store.path)} has no table ${quote(reader.table)}; ${others}\n`;
}
