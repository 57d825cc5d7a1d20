/**
 * `history TABLE`: what changed a table in bulk.
 *
 * @module
 */

import { printable } from "../../base/log.ts";
import { stringifyJson } from "../../protocol/json_text.ts";
import type { HistoryEntry } from "../../store/kv/stored_values.ts";
import type { AnyValues } from "../options/table.ts";
import { LineWriter, writeError } from "../output.ts";
import { count } from "../report/progress.ts";
import { missingTable, withTable } from "../with_table.ts";

export async function historyCommand(values: AnyValues, table: string): Promise<number> {
  return await withTable(values, table, async (reader, store) => {
    if (await reader.meta() === null) {
      writeError(await missingTable(reader, store) ?? "");
      return 1;
    }
    const out = new LineWriter();
    for await (const entry of reader.history()) {
      await out.line(values.json ? jsonLine(entry) : textLine(entry));
    }
    await out.flush();
    return 0;
  });
}

function textLine({ time, kind, text, removed, file }: HistoryEntry): string {
  const rows = removed === undefined ? "" : `; ${count(removed)} removed`;
  const where = file === undefined ? "" : `, kept in ${printable(file)}`;
  return `${new Date(time).toISOString()} ${kind}: ${printable(text)}${rows}${where}`;
}

function jsonLine({ number, time, kind, text, removed, file }: HistoryEntry): string {
  return stringifyJson({
    number,
    time: new Date(time).toISOString(),
    kind,
    text,
    removed: removed ?? null,
    file: file ?? null,
  });
}
