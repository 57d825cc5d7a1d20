/**
 * `status`: how the replica is doing.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { printable } from "../../base/log.ts";
import { formatOrder, orderTime } from "../../protocol/cursor.ts";
import { LockstepError } from "../../protocol/errors.ts";
import { stringifyJson } from "../../protocol/json_text.ts";
import type { ProcessStatus } from "../../replica/status.ts";
import { parseAddress, urlHost } from "../../http/address.ts";
import type { TableMeta } from "../../store/kv/stored_values.ts";
import { askStatus } from "../ask_status.ts";
import { type ListedTable, listTables } from "../../store/table/list_tables.ts";
import type { AnyValues } from "../options/table.ts";
import { writeError, writeOut } from "../output.ts";
import { processText, storedText } from "../report/status_text.ts";
import type { Settled } from "../options/resolve_options.ts";
import { withStore } from "../with_table.ts";

const LIVE = 0;
const NOT_LIVE = 1;
const NOT_RUNNING = 2;

/** Asks at `--status` where that was given, else at the addresses that the store's leases name. */
export async function statusCommand({ values }: Settled): Promise<number> {
  if (values.status !== undefined) {
    const asked = await askStatus(urlOf(values.status), values.statusTokenFile ?? null);
    if (asked.kind !== "status") {
      writeError(`${asked.why}\n`);
      return asked.kind === "nobody" ? NOT_RUNNING : NOT_LIVE;
    }
    await print(values, [asked.status]);
    return isLive(asked.status) ? LIVE : NOT_LIVE;
  }
  try {
    return await fromStore(values);
  } catch (error) {
    if (!(error instanceof LockstepError) || !error.kind.startsWith("store")) {
      throw error;
    }
    writeError(`${printable(error.message)}; ${error.hint}\n`);
    // Without a store there is nothing that could run on it; of one that can't be read, who knows.
    return error.kind === "store-access" ? NOT_LIVE : NOT_RUNNING;
  }
}

async function fromStore(values: AnyValues): Promise<number> {
  return await withStore(values, async (store) => {
    const { path } = store;
    const tables = await listTables(store, systemClock.now());
    const answers = await askHolders(tables, values.statusTokenFile ?? null);
    if (answers.statuses.length > 0) {
      await print(values, answers.statuses);
      return answers.statuses.every(isLive) && answers.silent === 0 ? LIVE : NOT_LIVE;
    }
    const isRunning = answers.silent > 0;
    if (!isRunning) writeError(`no replica is running on ${printable(path)}\n`);
    await printStored(values, path, tables, isRunning);
    // Somebody writes the store and has no status server: all that is known is in the store.
    return isRunning ? NOT_LIVE : NOT_RUNNING;
  });
}

/** Statuses of the processes that write the tables, and how many of these would not say. */
async function askHolders(tables: readonly ListedTable[], tokenFile: string | null) {
  const holders = new Map(tables.flatMap(({ holder }) =>
    holder === null ? [] : [[
      `${holder.host} ${holder.pid}`,
      holder,
    ]]
  ));
  const statuses: ProcessStatus[] = [];
  let silent = 0;
  for (const { statusUrl, pid, host, locked } of holders.values()) {
    if (statusUrl === null) {
      writeError(`process ${pid} on ${host} writes the store; it has no status page\n`);
      silent++;
      continue;
    }
    const asked = await askStatus(statusUrl, tokenFile);
    if (asked.kind === "status") {
      statuses.push(asked.status);
    } else if (asked.kind === "refused" || locked || host !== Deno.hostname()) {
      // Who holds the lock is there, whether it answers or not.
      writeError(`process ${pid} on ${host}: ${asked.why}\n`);
      silent++;
    }
  }
  return { statuses, silent };
}

function isLive(status: ProcessStatus): boolean {
  return status.tables.every((table) => table.live);
}

/** One JSON object a process, or a text for people. */
async function print(values: AnyValues, statuses: readonly ProcessStatus[]): Promise<void> {
  const texts = statuses.map((status) =>
    values.json ? `${JSON.stringify(status)}\n` : processText(status)
  );
  await writeOut(texts.join(values.json ? "" : "\n"));
}

async function printStored(
  values: AnyValues,
  path: string,
  tables: readonly ListedTable[],
  running: boolean,
): Promise<void> {
  if (!values.json) {
    const now = systemClock.now();
    await writeOut(
      `store ${printable(path)}\n` +
        tables.map((table) => `\n${storedText(table, now, running)}`).join(""),
    );
    return;
  }
  const described = tables.flatMap(({ table, meta }) =>
    meta === null ? [] : [storedJson(table, meta, running)]
  );
  const status = {
    program: "lockstep-replicate",
    running,
    store: { path },
    tables: described,
  };
  await writeOut(`${stringifyJson(status)}\n`);
}

/** The part of a `TableStatus` that the store knows. */
function storedJson(table: string, meta: TableMeta, running: boolean) {
  const { cursor, lastContact } = meta;
  return {
    table,
    url: meta.origin.url,
    state: running ? "unknown" : "stopped",
    live: false,
    rows: meta.rows,
    rowsExact: meta.exact,
    cursor: cursor === null ? null : meta.cursorText ?? formatOrder(cursor),
    orderType: meta.order?.type ?? null,
    cursorTime: cursor === null ? null : orderTime(cursor)?.toISOString() ?? null,
    lastContact: lastContact === null ? null : new Date(lastContact).toISOString(),
    quarantined: meta.quarantined,
    sweep: meta.resync === null ? null : { state: meta.resync.phase, reason: meta.resync.reason },
  };
}

function urlOf(text: string): string {
  const address = parseAddress(text);
  return address.kind === "unix"
    ? `unix:${address.path}`
    : `http://${urlHost(address.hostname, address.port)}`;
}
