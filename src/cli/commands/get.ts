/**
 * `get TABLE KEY…`: one row.
 *
 * @module
 */

import { stringifyJson } from "../../protocol/json_text.ts";
import { keyCandidates } from "../../protocol/key_text.ts";
import type { AnyValues } from "../options/table.ts";
import { writeError, writeOut } from "../output.ts";
import { asWritten, quote } from "../quote.ts";
import { missingTable, withTable } from "../with_table.ts";

export async function getCommand(
  values: AnyValues,
  table: string,
  words: readonly string[],
): Promise<number> {
  return await withTable(values, table, async (reader, store) => {
    const keys = keyCandidates(words);
    for (const key of keys) {
      const row = await reader.get(key);
      if (row !== null) {
        await writeOut(`${stringifyJson(row.value)}\n`);
        return 0;
      }
    }
    const shown = words.map(asWritten).join(" ");
    for (const key of keys) {
      const tombstone = await reader.tombstone(key);
      if (tombstone !== null) {
        const time = quote(stringifyJson(tombstone.deletedAt)).slice(1, -1);
        writeError(`no row ${shown} in ${table}: it was deleted (${time})\n`);
        return 1;
      }
    }
    writeError(await missingTable(reader, store) ?? `no row ${shown} in ${table}\n`);
    return 1;
  });
}
