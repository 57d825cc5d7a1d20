/**
 * `list TABLE`: rows in key order.
 *
 * @module
 */

import { stringifyJson } from "../../protocol/json_text.ts";
import type { Key } from "../../protocol/record.ts";
import { keyCandidates, keyText } from "../../protocol/key_text.ts";
import type { TableReader } from "../../store/read/table_reader.ts";
import type { AnyValues } from "../options/table.ts";
import { LineWriter, writeError } from "../output.ts";
import { UsageError } from "../usage_error.ts";
import { missingTable, withTable } from "../with_table.ts";

export async function listCommand(values: AnyValues, table: string): Promise<number> {
  return await withTable(values, table, async (reader, store) => {
    const missing = await missingTable(reader, store);
    if (missing !== null) {
      writeError(missing);
      return 1;
    }
    const out = new LineWriter();
    const rows = reader.list({
      ...(values.limit === undefined ? {} : { limit: values.limit }),
      ...(values.after === undefined ? {} : { after: await keyOf(reader, values.after) }),
    });
    for await (const row of rows) {
      await out.line(values.keysOnly ? keyText(row.key) : stringifyJson(row.value));
    }
    await out.flush();
    return 0;
  });
}

/** The key behind its text: the one that is there, else one of the kind that the table has. */
async function keyOf(reader: TableReader, text: string): Promise<Key> {
  let words: string[];
  try {
    words = text.split("/").map(decodeURIComponent);
  } catch {
    throw new UsageError(`--after ${text}: a % in it is not followed by two hex digits`);
  }
  const candidates = keyCandidates(words);
  for (const key of candidates) {
    if (await reader.get(key) !== null) return key;
  }
  const kinds = (key: Key) => key.map((part) => typeof part).join();
  for await (const { key } of reader.list({ limit: 1 })) {
    const alike = candidates.find((candidate) => kinds(candidate) === kinds(key));
    if (alike !== undefined) return alike;
  }
  return candidates[0] ?? words;
}
