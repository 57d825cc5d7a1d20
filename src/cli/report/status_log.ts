/**
 * Log lines that come from looking at the status now and then: the loops log what happens to them
 * by themselves, and this adds what builds up. Pure but for its memory.
 *
 * @module
 */

import type { LogLevel } from "../../base/log.ts";
import type { ProcessStatus, TableStatus } from "../../replica/status.ts";
import { count, rowsText } from "./progress.ts";

/** One log line to be. */
export interface Line {
  readonly level: LogLevel;
  readonly message: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** Between two progress lines of a table that catches up, in milliseconds. */
const PROGRESS_MS = 10_000;

/** Between two lines about a table's quarantine, in milliseconds. */
const QUARANTINE_MS = 10_000;

/** What was last said about one table. */
interface Told {
  progressAt: number;
  quarantined: number;
  quarantinedAt: number;
  stopped: boolean;
}

/** Turns statuses into lines. */
export class StatusLog {
  readonly #told = new Map<string, Told>();
  readonly #tellsProgress: boolean;

  /** @param tellsProgress false where a progress line is on the terminal anyway */
  constructor(tellsProgress: boolean) {
    this.#tellsProgress = tellsProgress;
  }

  /** What is new in `status` at `now` (monotonic milliseconds). */
  lines(status: ProcessStatus, now: number): Line[] {
    return status.tables.flatMap((table) => {
      let told = this.#told.get(table.table);
      if (told !== undefined) return this.#news(table, told, now);
      told = firstImpression(table, now);
      this.#told.set(table.table, told);
      return [line("info", table, "copying {url}", { url: table.url, ...place(table) })];
    });
  }

  #news(table: TableStatus, told: Told, now: number): Line[] {
    const lines: Line[] = [];
    if (table.state !== "catching-up") {
      told.progressAt = now;
    } else if (this.#tellsProgress && now - told.progressAt >= PROGRESS_MS) {
      told.progressAt = now;
      lines.push(line("info", table, "catching up: {rows}, {rate} records/s", {
        rows: rowsText(table.rows, table.rowsExact),
        rate: count(table.recordsPerSecond),
        cursor: table.cursor,
        ...(table.progress === null ? {} : { percent: Math.floor(table.progress * 100) }),
      }));
    }
    const quarantined = table.quarantined - told.quarantined;
    const isDue = now - told.quarantinedAt >= QUARANTINE_MS || table.state === "stopped";
    if (quarantined > 0 && isDue) {
      told.quarantined = table.quarantined;
      told.quarantinedAt = now;
      lines.push(line("warning", table, "{number} more in quarantine; {hint}", {
        number: count(quarantined),
        hint: "the quarantine command shows them",
      }));
    }
    if (table.state === "stopped" && !told.stopped) {
      told.stopped = true;
      lines.push(line("info", table, "stopped", place(table)));
    }
    return lines;
  }
}

function firstImpression(table: TableStatus, now: number): Told {
  return {
    progressAt: now,
    quarantined: table.quarantined,
    quarantinedAt: -Infinity,
    stopped: false,
  };
}

function place(table: TableStatus): Record<string, unknown> {
  const rows = table.rowsExact ? table.rows : `about ${table.rows}`;
  return table.cursor === null ? {} : { rows, cursor: table.cursor };
}

function line(
  level: LogLevel,
  table: TableStatus,
  message: string,
  properties: Record<string, unknown>,
): Line {
  return {
    level,
    message: `{table}: ${message}`,
    properties: { table: table.table, ...properties },
  };
}
