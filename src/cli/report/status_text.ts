/**
 * A status for people: plain lines, one block a table.
 *
 * @module
 */

import { formatDuration } from "../../base/duration.ts";
import { printable } from "../../base/log.ts";
import { formatOrder, orderTime } from "../../protocol/cursor.ts";
import type { ProcessStatus, TableStatus } from "../../replica/status.ts";
import type { ListedTable } from "../../store/table/list_tables.ts";
import { count, rowsText, STATE_WORDS } from "./progress.ts";

type Fact = readonly [name: string, value: string];

/** A running process. */
export function processText(status: ProcessStatus): string {
  const { pid, host, version, uptimeSeconds, store } = status;
  const size = store.bytes === null ? "" : `, ${(store.bytes / 2 ** 20).toFixed(1)} MiB`;
  const head = `process ${pid} on ${printable(host)}, version ${printable(version)}, ` +
    `up ${formatDuration(Math.floor(uptimeSeconds) * 1000)}\n` +
    `store ${printable(store.path)}${size}\n`;
  return head + status.tables.map((table) => `\n${runningTable(table)}`).join("");
}

function runningTable(table: TableStatus): string {
  const facts: Fact[] = [
    ["state", `${STATE_WORDS[table.state]} since ${table.since}`],
    ...(table.reason === null ? [] : [["reason", table.reason] as const]),
    ...(table.hint === null ? [] : [["what to do", table.hint] as const]),
    ["origin", table.url],
    ["rows", rowsText(table.rows, table.rowsExact).replace(/ rows?$/, "")],
    ["cursor", cursorText(table.cursor, table.cursorTime)],
    ...(table.orderType === null ? [] : [["order type", table.orderType] as const]),
    ["last contact", contactText(table.lastContact, table.ageSeconds)],
    ...servingFacts(table),
  ];
  if (table.lagSeconds !== null) {
    facts.push(["lag", formatDuration(Math.round(table.lagSeconds * 1000))]);
  }
  if (table.recordsPerSecond > 0) facts.push(["records/s", count(table.recordsPerSecond)]);
  if (table.nextAttempt !== null) facts.push(["next attempt", table.nextAttempt]);
  if (table.quarantined > 0) facts.push(["quarantined", count(table.quarantined)]);
  for (const warning of table.warnings) facts.push(["warning", warning]);
  if (table.sweep?.state === "held") {
    const { wouldRemove, of } = table.sweep;
    facts.push(["sweep held", `would remove ${wouldRemove ?? "?"} of ${of ?? "?"} rows`]);
  }
  if (table.hold !== null) {
    const { since, reason } = table.hold;
    facts.push(["on hold", `since ${since}: ${reason}`]);
  }
  for (const hook of table.hooks) {
    if (hook.error !== null) facts.push([`--${hook.name}`, hook.error]);
  }
  return block(table.table, facts);
}

/** What readers get of a table that is not up to date. */
function servingFacts(
  { live, everComplete, ageSeconds, expiresInSeconds: left }: TableStatus,
): Fact[] {
  if (live || !everComplete || ageSeconds === null) return [];
  if (left !== null && left < 0) return [["readers", "refused: the copy has expired"]];
  const age = `served a copy ${span(ageSeconds)} old`;
  return [["readers", left === null ? age : `${age}, which expires in ${span(left)}`]];
}

function span(seconds: number): string {
  return formatDuration(Math.max(0, Math.floor(seconds)) * 1000);
}

/** A table as the store has it, where no process tells of it. */
export function storedText({ table, meta }: ListedTable, now: number, running: boolean): string {
  if (meta === null) return block(table, [["state", "nothing stored yet"]]);
  const time = meta.cursor === null ? null : orderTime(meta.cursor);
  const contact = meta.lastContact;
  return block(table, [
    ["state", running ? "unknown: the process does not say" : "not running"],
    ["origin", meta.origin.url],
    ["rows", rowsText(meta.rows, meta.exact).replace(/ rows?$/, "")],
    [
      "cursor",
      cursorText(
        meta.cursor === null ? null : meta.cursorText ?? formatOrder(meta.cursor),
        time?.toISOString() ?? null,
      ),
    ],
    ...(meta.order == null ? [] : [["order type", meta.order.type] as const]),
    [
      "last contact",
      contactText(
        contact === null ? null : new Date(contact).toISOString(),
        contact === null ? null : (now - contact) / 1000,
      ),
    ],
    ...(meta.quarantined > 0 ? [["quarantined", count(meta.quarantined)] as const] : []),
    ...(meta.resync?.phase === "held"
      ? [
        [
          "sweep held",
          `would remove ${meta.resync.wouldRemove} of ${meta.resync.of} rows`,
        ] as const,
      ]
      : []),
    ...(meta.hold === null || meta.hold === undefined ? [] : [
      ["on hold", `since ${new Date(meta.hold.since).toISOString()}: ${meta.hold.text}`] as const,
    ]),
  ]);
}

function cursorText(cursor: string | null, time: string | null): string {
  if (cursor === null) return "none yet";
  return time === null || time === cursor ? cursor : `${cursor} (${time})`;
}

function contactText(time: string | null, age: number | null): string {
  if (time === null) return "never";
  return age === null
    ? time
    : `${time} (${formatDuration(Math.max(0, Math.floor(age)) * 1000)} ago)`;
}

function block(table: string, facts: readonly Fact[]): string {
  const lines = facts.map(([name, value]) => `  ${name.padEnd(13)} ${printable(value)}\n`);
  return `${printable(table)}\n${lines.join("")}`;
}
