/**
 * `export TABLE`: every row, sorted by the order field.
 *
 * @module
 */

import { DEFAULT_SHAPE, orderOf } from "../../protocol/record.ts";
import { stringifyJson } from "../../protocol/json_text.ts";
import type { AnyValues } from "../options/table.ts";
import { LineWriter, writeError } from "../output.ts";
import { ExternalSort } from "../external_sort.ts";
import { missingTable, withTable } from "../with_table.ts";

export async function exportCommand(values: AnyValues, table: string): Promise<number> {
  return await withTable(values, table, async (reader, store) => {
    const meta = await reader.meta();
    if (meta === null) {
      writeError(await missingTable(reader, store) ?? "");
      return 1;
    }
    const orderBy = meta.origin.orderBy ?? DEFAULT_SHAPE.orderBy;
    const orderType = meta.order?.type ?? null;
    using sorter = new ExternalSort();
    for await (const { value } of reader.list()) {
      await sorter.add(orderOf(value, { orderBy, orderType }) ?? 0, stringifyJson(value));
    }
    const out = new LineWriter();
    for await (const text of sorter.sorted()) await out.line(text);
    await out.flush();
    return 0;
  });
}
