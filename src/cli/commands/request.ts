/**
 * `resync`, `approve`, `hold` and `release TABLE`: what the process that writes the table is asked to do.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { leaveRequest, type RequestName } from "../../store/table/requests.ts";
import { listTables } from "../../store/table/list_tables.ts";
import type { AnyValues } from "../options/table.ts";
import { writeError } from "../output.ts";
import { quote } from "../quote.ts";
import { missingTable, withTable } from "../with_table.ts";

export async function requestCommand(
  values: AnyValues,
  table: string,
  request: RequestName,
): Promise<number> {
  return await withTable(values, table, async (reader, store) => {
    const missing = await missingTable(reader, store);
    if (missing !== null) {
      writeError(missing);
      return 1;
    }
    const meta = await reader.meta();
    const isHeld = meta?.resync?.phase === "held" || meta?.hold?.by === "guard";
    if (request === "approve" && !isHeld) {
      writeError(`no sweep of ${quote(table)} is held: there is nothing to approve\n`);
      return 1;
    }
    await leaveRequest(store.writer, table, request);
    const tables = await listTables(store, systemClock.now());
    const holder = tables.find((stored) => stored.table === table)?.holder ?? null;
    writeError(
      holder === null
        ? `asked for; no replica is running on ${store.path}, the next one will do it\n`
        : `asked process ${holder.pid} on ${holder.host}; it looks every few seconds\n`,
    );
    return 0;
  });
}
