/**
 * `quarantine TABLE`: what could not be stored.
 *
 * @module
 */

import { printable } from "../../base/log.ts";
import { formatOrder } from "../../protocol/cursor.ts";
import { stringifyJson } from "../../protocol/json_text.ts";
import type { QuarantineEntry } from "../../store/kv/stored_values.ts";
import type { AnyValues } from "../options/table.ts";
import { LineWriter, writeError } from "../output.ts";
import { count } from "../report/progress.ts";
import { missingTable, withTable } from "../with_table.ts";

/** Characters of a refused text that are shown to a person; `--json` has all that was kept. */
const SHOWN = 500;

export async function quarantineCommand(values: AnyValues, table: string): Promise<number> {
  return await withTable(values, table, async (reader, store) => {
    const meta = await reader.meta();
    if (meta === null) {
      writeError(await missingTable(reader, store) ?? "");
      return 1;
    }
    const out = new LineWriter();
    let shown = 0;
    for await (const entry of reader.quarantine()) {
      await out.line(values.json ? jsonLine(entry) : textLine(entry));
      shown++;
    }
    await out.flush();
    if (!values.json) {
      writeError(`${count(shown)} shown, ${count(meta.quarantined)} quarantined in all\n`);
    }
    if (values.clear) {
      const { clearQuarantine } = await import("../../store/table/quarantine.ts");
      const removed = await clearQuarantine(store.writer, table);
      writeError(`${count(removed)} removed\n`);
    }
    return 0;
  });
}

function textLine(entry: QuarantineEntry): string {
  const { number, reason, time, cursor, text } = entry;
  const cut = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
  const at = cursor === null ? "" : ` after cursor ${printable(formatOrder(cursor))}`;
  return `#${number} ${new Date(time).toISOString()} ${printable(reason)}${at}: ${printable(cut)}`;
}

function jsonLine({ number, reason, time, cursor, text }: QuarantineEntry): string {
  return stringifyJson({
    number,
    time: new Date(time).toISOString(),
    reason,
    cursor: cursor === null ? null : formatOrder(cursor),
    text,
  });
}
