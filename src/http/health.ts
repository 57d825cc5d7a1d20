/**
 * Ready or not: the answer of `/readyz`, and why.
 *
 * @module
 */

import type { ProcessStatus, TableStatus } from "../replica/status.ts";

export interface Readiness {
  readonly ready: boolean;
  readonly tables: readonly {
    readonly table: string;
    readonly ready: boolean;
    readonly why: string;
  }[];
}

/**
 * Ready means that every table is live and, where a limit is set, that its origin gave a sign of
 * life within it. The data stays readable all the while: this is for those who would rather ask
 * another replica.
 *
 * @param maxStalenessMs the limit in milliseconds; none by default
 */
export function readiness(status: ProcessStatus, maxStalenessMs?: number): Readiness {
  const tables = status.tables.map((table) => {
    const why = notReady(table, maxStalenessMs);
    return { table: table.table, ready: why === null, why: why ?? "live" };
  });
  return { ready: tables.every((table) => table.ready), tables };
}

function notReady(table: TableStatus, maxStalenessMs?: number): string | null {
  if (!table.live) return table.reason === null ? table.state : `${table.state}: ${table.reason}`;
  if (isStale(table, maxStalenessMs)) {
    const limit = (maxStalenessMs ?? 0) / 1000;
    return table.ageSeconds === null
      ? `stale: never in contact, and the limit is ${limit} s`
      : `stale: last contact ${table.ageSeconds.toFixed(1)} s ago, and the limit is ${limit} s`;
  }
  return null;
}

/** Whether the last contact is older than the limit. */
export function isStale(table: TableStatus, maxStalenessMs?: number): boolean {
  if (maxStalenessMs === undefined) return false;
  return table.ageSeconds === null || table.ageSeconds * 1000 > maxStalenessMs;
}
