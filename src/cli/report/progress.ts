/**
 * The progress line: a status → one line of a given width. Pure; the terminal is in `live_line.ts`.
 *
 * @module
 */

import { printable } from "../../base/log.ts";
import { formatDuration } from "../../base/duration.ts";
import type { ProcessStatus, StateName, TableStatus } from "../../replica/status.ts";

/** States in words. */
export const STATE_WORDS: Readonly<Record<StateName, string>> = {
  "starting": "starting",
  "connecting": "connecting",
  "catching-up": "catching up",
  "live": "live",
  "held": "held for approval",
  "waiting": "waiting for the origin",
  "failing": "failing",
  "stopped": "stopped",
  "standby": "standing by",
};

/** A contact younger than this isn't worth a word. */
const FRESH_SECONDS = 5;

/**
 * One line about the process, at most `width` columns wide: the least important parts go first.
 *
 * @example
 * ```text
 * servers  catching up  ≈152,340 rows  48,210/s  61 %  cursor 1763852100
 * 3 tables: 2 live, 1 failing  1,204,331 rows  zones: 401 from https://origin/zones
 * ```
 */
export function formatProgress(status: ProcessStatus, width: number): string {
  const [first] = status.tables;
  const { parts, reason } = first !== undefined && status.tables.length === 1
    ? ofTable(first)
    : ofSeveral(status.tables);
  const [head = "", ...rest] = parts;
  let line = cut(head, width);
  for (const part of rest) {
    // Whole or not at all: a number that was cut short would be another number.
    if (displayWidth(line) + GAP.length + displayWidth(part) > width) return line;
    line += GAP + part;
  }
  const left = width - displayWidth(line) - GAP.length;
  return reason === null || left < SHORTEST_REASON ? line : line + GAP + cut(reason, left);
}

/** Between two parts of the line. */
const GAP = "  ";

/** Columns below which the beginning of a reason tells nothing. */
const SHORTEST_REASON = 10;

/** What the line is made of: the most important part first; the reason may be cut. */
interface Parts {
  readonly parts: readonly string[];
  readonly reason: string | null;
}

function ofTable(table: TableStatus): Parts {
  const parts = [
    `${printable(table.table)}  ${STATE_WORDS[table.state]}`,
    rowsText(table.rows, table.rowsExact),
  ];
  if (table.recordsPerSecond > 0) parts.push(rateText(table.recordsPerSecond));
  if (table.progress !== null && !table.live) parts.push(`${Math.floor(table.progress * 100)} %`);
  const age = ageText(table);
  if (age !== null) parts.push(age);
  if (table.cursor !== null) parts.push(`cursor ${printable(table.cursor)}`);
  return { parts, reason: table.reason === null ? null : printable(table.reason) };
}

function ofSeveral(tables: readonly TableStatus[]): Parts {
  const states = new Map<StateName, number>();
  for (const { state } of tables) states.set(state, (states.get(state) ?? 0) + 1);
  const counts = [...states].map(([state, count]) => `${count} ${STATE_WORDS[state]}`).join(", ");
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const rate = tables.reduce((sum, table) => sum + table.recordsPerSecond, 0);
  const parts = [
    `${tables.length} tables: ${counts}`,
    rowsText(rows, tables.every((table) => table.rowsExact)),
  ];
  if (rate > 0) parts.push(rateText(rate));
  const troubled = tables.find((table) => table.reason !== null && table.state === "failing") ??
    tables.find((table) => table.reason !== null);
  const reason = troubled === undefined
    ? null
    : `${printable(troubled.table)}: ${printable(troubled.reason ?? "")}`;
  return { parts, reason };
}

/** `≈1,234 rows` while the count is an estimate. */
export function rowsText(rows: number, exact: boolean): string {
  return `${exact ? "" : "≈"}${count(rows)} ${rows === 1 ? "row" : "rows"}`;
}

/** A whole number with commas, whatever the machine's language: logs are read by programs, too. */
export function count(number: number): string {
  return Math.round(number).toLocaleString("en-US");
}

function rateText(perSecond: number): string {
  return `${perSecond < 10 ? perSecond.toFixed(1) : count(perSecond)}/s`;
}

function ageText({ ageSeconds }: TableStatus): string | null {
  if (ageSeconds === null || ageSeconds < FRESH_SECONDS) return null;
  return `last contact ${formatDuration(Math.floor(ageSeconds) * 1000)} ago`;
}

/** Characters that take two columns: East Asian wide ones and pictures. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
/** Characters that take none. */
const MARK = /^[\p{Mn}\p{Me}\u200b-\u200d\ufe0f]$/u;

/** Terminal columns of a text without control characters. */
export function displayWidth(text: string): number {
  let columns = 0;
  for (const character of text) columns += columnsOf(character);
  return columns;
}

function columnsOf(character: string): number {
  if (MARK.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** The text in at most `width` columns, with an ellipsis where something is missing. */
function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let columns = 1; // the ellipsis
  let kept = "";
  for (const character of text) {
    columns += columnsOf(character);
    if (columns > width) break;
    kept += character;
  }
  return width < 1 ? "" : `${kept}…`;
}
