/**
 * Ready or not: the answer of `/readyz`, and why; and whether a copy is too old to be read.
 *
 * @module
 */

import { formatDuration } from "../base/duration.ts";
import type { ProcessStatus, TableStatus } from "../replica/status.ts";

export interface Readiness {
  readonly ready: boolean;
  /** Whether every table is up to date. */
  readonly live: boolean;
  readonly tables: readonly {
    readonly table: string;
    readonly ready: boolean;
    readonly live: boolean;
    readonly why: string;
  }[];
}

/**
 * Ready means usable: every table was complete once, is written to the store that readers open, and
 * is no older than the limits that are set. An origin that is down makes no copy unready: else one
 * outage would drain every edge at once.
 *
 * @param maxStalenessMs the age from which on a copy is stale, in milliseconds; none by default
 */
export function readiness(status: ProcessStatus, maxStalenessMs?: number): Readiness {
  const tables = status.tables.map((table) => {
    const { live } = table;
    const found = notReady(table, maxStalenessMs);
    const why = found ?? (live ? "live" : `serving, ${ageText(table)} old; ${stateText(table)}`);
    return { table: table.table, ready: found === null, live, why };
  });
  return {
    ready: tables.every((table) => table.ready),
    live: tables.every((table) => table.live),
    tables,
  };
}

function notReady(table: TableStatus, maxStalenessMs?: number): string | null {
  if (table.state === "standby") return stateText(table);
  if (!table.everComplete) return `not complete yet; ${stateText(table)}`;
  if (!table.storing) return `not being written; ${stateText(table)}`;
  if (isStale(table, maxStalenessMs)) {
    const limit = (maxStalenessMs ?? 0) / 1000;
    return table.ageSeconds === null
      ? `stale: never in contact, and the limit is ${limit} s`
      : `stale: last contact ${table.ageSeconds.toFixed(1)} s ago, and the limit is ${limit} s`;
  }
  return isExpired(table) ? `expired: ${ageText(table)} old` : null;
}

function stateText({ state, reason }: TableStatus): string {
  return reason === null ? state : `${state}: ${reason}`;
}

function ageText({ ageSeconds }: TableStatus): string {
  return ageSeconds === null ? "nobody knows how" : formatDuration(Math.floor(ageSeconds) * 1000);
}

/** Whether the last contact is older than the limit. */
export function isStale(table: TableStatus, maxStalenessMs?: number): boolean {
  if (maxStalenessMs === undefined) return false;
  return table.ageSeconds === null || table.ageSeconds * 1000 > maxStalenessMs;
}

/** Whether the copy is older than what may be read (`--expire`). */
export function isExpired({ expiresInSeconds }: TableStatus): boolean {
  return expiresInSeconds !== null && expiresInSeconds < 0;
}

/** Why reads of a table are refused; null where they aren't. */
export function expiry(table: TableStatus): string | null {
  return isExpired(table)
    ? `this copy has expired (--expire): its origin was last heard of ${ageText(table)} ago`
    : null;
}
