/**
 * `digest TABLE`: the digest of a table, for comparison with another copy's.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { printable } from "../../base/log.ts";
import { TableDigest } from "../../digest/table_digest.ts";
import { stringifyJson } from "../../protocol/json_text.ts";
import { holderOf } from "../../store/table/lease.ts";
import { askProcess, type ProcessAnswer } from "../ask_process.ts";
import type { AnyValues } from "../options/table.ts";
import { writeError, writeOut } from "../output.ts";
import { missingTable, withTable } from "../with_table.ts";

/** Between two questions to a process that is still making its digest. */
const LOOK_MS = 500;

/** A digest as it is printed. */
export interface PrintedDigest {
  readonly table: string;
  readonly digest: string;
  readonly rows: number;
  readonly cursor: string | null;
}

export async function digestCommand(values: AnyValues, table: string): Promise<number> {
  return await withTable(values, table, async (reader, store) => {
    const meta = await reader.meta();
    if (meta === null) {
      writeError(await missingTable(reader, store) ?? "");
      return 1;
    }
    const holder = await holderOf(store.reader, table);
    if (holder !== null && holder.statusUrl !== null) {
      const path = `/tables/${encodeURIComponent(table)}/digest`;
      const answer = await askUntilMade(holder.statusUrl, path, values.statusTokenFile ?? null);
      if (answer.kind === "answer") {
        await print(values, JSON.parse(answer.text) as PrintedDigest);
        return 0;
      }
      if (answer.kind === "refused") {
        writeError(`${printable(answer.why)}\n`);
        return 1;
      }
    }
    const digest = new TableDigest();
    for await (const { key, value } of reader.list()) digest.add(key, value);
    const cursor = meta.cursorText ?? (meta.cursor === null ? null : String(meta.cursor));
    await print(values, { table, digest: digest.text, rows: digest.rows, cursor });
    return 0;
  });
}

async function askUntilMade(
  url: string,
  path: string,
  tokenFile: string | null,
): Promise<ProcessAnswer> {
  for (;;) {
    const answer = await askProcess(url, path, tokenFile);
    if (answer.kind !== "later") return answer;
    await systemClock.sleep(LOOK_MS);
  }
}

async function print(values: AnyValues, digest: PrintedDigest): Promise<void> {
  const { table, rows, cursor } = digest;
  await writeOut(
    values.json
      ? `${stringifyJson({ table, digest: digest.digest, rows, cursor })}\n`
      : `${digest.digest}  ${table} (${rows} rows up to ${cursor ?? "the beginning"})\n`,
  );
}
