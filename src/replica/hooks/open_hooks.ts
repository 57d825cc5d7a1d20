/**
 * A table's hooks, and how far each has come.
 *
 * @module
 */

import { compareOrder, formatOrder, type Order } from "../../protocol/cursor.ts";
import type { TableReader } from "../../store/read/table_reader.ts";
import { hookMark, saveHookMark } from "../../store/table/hook_marks.ts";
import type { Table } from "../../store/table/table.ts";
import type { ReplicaConfig } from "../config.ts";
import { Hooks } from "./hooks.ts";

/** Looks up what runs after commits, and how far it has come. */
export async function openHooks(
  { hooks, clock, name }: ReplicaConfig,
  table: Table,
  reader: TableReader,
): Promise<Hooks | null> {
  if (hooks.command === null && hooks.file === null) return null;
  return await Hooks.open({
    table: name,
    reader,
    clock,
    shape: { table: name, key: table.shape.key, orderBy: table.shape.orderBy },
    // Rows above the cursor may have been stored and not counted, when the last process died.
    isUncounted: isAbove(table.meta.high, table.cursor),
    position: () => ({
      cursor: table.cursor === null ? null : formatOrder(table.cursor),
      changes: table.changes,
    }),
    get changes() {
      return table.changes;
    },
    hookMark: (hook) => hookMark(table, hook),
    saveHookMark: (hook, mark) => saveHookMark(table, hook, mark),
  }, hooks);
}

/** Whether an order lies above a cursor. */
function isAbove(high: Order | null, cursor: Order | null): boolean {
  return high !== null && (cursor === null || compareOrder(high, cursor) > 0);
}
