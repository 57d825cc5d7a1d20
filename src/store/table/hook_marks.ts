/**
 * How far each consumer of a table's changes has come.
 *
 * @module
 */

import { hookKey } from "../kv/keys.ts";
import type { HookMark } from "../kv/stored_values.ts";
import type { Table } from "./table.ts";

/** Serialised size of a mark at most. */
const MARK_BYTES = 8192;

/** How far a consumer of changes has come; null for one that never has. */
export async function hookMark(table: Table, name: string): Promise<HookMark | null> {
  return (await table.store.writer.get<HookMark>(hookKey(table.name, name))).value;
}

/** Keeps how far a consumer of changes has come. */
export async function saveHookMark(table: Table, name: string, mark: HookMark): Promise<void> {
  const operation = table.operation();
  operation.set(hookKey(table.name, name), mark, MARK_BYTES);
  await operation.commit();
}
