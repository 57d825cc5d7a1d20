/**
 * `drop TABLE`: removes a table that nobody writes.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { dropTable } from "../../store/table/drop_table.ts";
import type { AnyValues } from "../options/table.ts";
import { writeError } from "../output.ts";
import { quote } from "../quote.ts";
import { count } from "../report/progress.ts";
import { missingTable, withTable } from "../with_table.ts";

export async function dropCommand(values: AnyValues, table: string): Promise<number> {
  return await withTable(values, table, async (reader, store) => {
    const missing = await missingTable(reader, store);
    if (missing !== null) {
      writeError(missing);
      return 1;
    }
    const rows = await dropTable(store, table, systemClock);
    writeError(`removed ${quote(table)} and its ${count(rows)} rows\n`);
    if (store.files !== null) {
      writeError(
        `the file keeps its size, and uses the space again; to give it back, while nothing runs on ` +
          `it: sqlite3 ${quote(store.path)} VACUUM\n`,
      );
    }
    return 0;
  });
}
