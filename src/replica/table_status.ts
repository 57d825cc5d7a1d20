/**
 * A table's status, from those who know its parts.
 *
 * @module
 */

import { formatOrder, orderTime } from "../protocol/cursor.ts";
import type { TableMeta } from "../store/kv/stored_values.ts";
import type { Table } from "../store/table/table.ts";
import type { Hooks } from "./hooks/hooks.ts";
import type { StatusRecorder } from "./status_recorder.ts";
import type { AnswerStats } from "./answer_stats.ts";
import type { SweepStatus, TableStatus } from "./status.ts";

/** Who knows. */
export interface StatusSources {
  /** The endpoint, without credentials. */
  readonly url: string;
  readonly table: Table;
  readonly journal: StatusRecorder;
  /** The answer that is being read; null between answers. */
  readonly reading: AnswerStats | null;
  readonly hooks: Hooks | null;
}

function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

function sweepStatus({ resync }: TableMeta): SweepStatus | null {
  if (resync === null) return null;
  const { phase, reason, wouldRemove, of } = resync;
  return { state: phase, reason, wouldRemove, of };
}

/** What is wrong, and the next step. */
function advice(
  { trouble }: StatusRecorder,
  sweep: SweepStatus | null,
): Pick<TableStatus, "reason" | "hint"> {
  if (trouble !== null) return { reason: trouble.message, hint: trouble.hint };
  if (sweep?.state === "held") {
    return {
      reason: `a sweep is held: the origin's answer lacks ${sweep.wouldRemove} of ${sweep.of} rows`,
      hint: "approve the removal if the origin is right; else mend it and resync",
    };
  }
  return { reason: null, hint: null };
}

/** A snapshot of everything an operator wants to know. */
export function tableStatus(sources: StatusSources): TableStatus {
  const { table, journal, reading } = sources;
  const { meta, cursor } = table;
  const { metrics, lastContact, ageMs, lagMs } = journal;
  const head = reading?.asked.head ?? null;
  const sweep = sweepStatus(meta);
  const rate = metrics.sample();
  return {
    table: table.name,
    url: sources.url,
    state: journal.state,
    since: new Date(journal.stateSince).toISOString(),
    live: journal.isLive,
    ...advice(journal, sweep),
    rows: meta.rows,
    rowsExact: meta.exact,
    cursor: cursor === null ? null : formatOrder(cursor),
    cursorTime: cursor === null ? null : orderTime(cursor)?.toISOString() ?? null,
    head: head === null ? null : formatOrder(head),
    progress: journal.isLive ? null : reading?.progress ?? null,
    lastContact: iso(lastContact),
    ageSeconds: ageMs === null ? null : ageMs / 1000,
    lagSeconds: lagMs === null ? null : lagMs / 1000,
    recordsPerSecond: rate,
    records: metrics.records(),
    bytes: metrics.bytes,
    commits: metrics.commits,
    commitSeconds: metrics.commitSeconds(),
    connections: metrics.connections,
    reconnects: metrics.reconnects(),
    errors: [...metrics.errors],
    nextAttempt: iso(journal.nextAttempt),
    quarantined: meta.quarantined,
    quarantinedBy: metrics.quarantinedBy(),
    warnings: journal.warnings,
    sweep,
    hooks: sources.hooks?.status() ?? [],
  };
}
