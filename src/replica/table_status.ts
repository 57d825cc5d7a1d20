/**
 * A table's status, from those who know its parts.
 *
 * @module
 */

import { digestStatus } from "./digest.ts";
import { orderTime } from "../protocol/cursor.ts";
import type { HistoryEntry, TableMeta } from "../store/kv/stored_values.ts";
import type { Table } from "../store/table/table.ts";
import { countingCursor } from "../store/table/table_state.ts";
import type { Hooks } from "./hooks/hooks.ts";
import type { StatusRecorder } from "./status_recorder.ts";
import type { AnswerStats } from "./answer_stats.ts";
import type { Resync } from "./resync.ts";
import { HELD_HINT, heldBecause } from "./resync_words.ts";
import type {
  HistoryStatus,
  HoldStatus,
  SweepStatus,
  TableStatus,
  VerifiedStatus,
} from "./status.ts";

/** Who knows. */
export interface StatusSources {
  /** The endpoint, without credentials. */
  readonly url: string;
  readonly table: Table;
  readonly journal: StatusRecorder;
  /** The answer that is being read; null between answers. */
  readonly reading: AnswerStats | null;
  readonly resync: Resync;
  readonly hooks: Hooks | null;
  readonly verified: VerifiedStatus | null;
  /** Whether what comes is stored where readers find it. */
  readonly isStoring: boolean;
  /** Age from which on reads are refused; null for none. */
  readonly expireMs: number | null;
}

function holdStatus({ hold }: TableMeta, now: number): HoldStatus | null {
  if (hold === null || hold === undefined) return null;
  const { by, text, net, of } = hold;
  const since = new Date(hold.since).toISOString();
  return { by, since, ageSeconds: Math.max(0, now - hold.since) / 1000, reason: text, net, of };
}

function historyStatus(entry: HistoryEntry): HistoryStatus {
  const { time, kind, text, removed = null, file = null } = entry;
  return { time: new Date(time).toISOString(), kind, text, removed, file };
}

/** A resync's own way: rows compared, of those that there are. It never says that it is done. */
function resyncProgress({ records }: Resync, rows: number): number | null {
  return records === null || rows === 0 ? null : Math.min(0.99, records / rows);
}

function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

function sweepStatus({ resync }: TableMeta): SweepStatus | null {
  if (resync === null) return null;
  const { phase, reason } = resync;
  const isCounted = resync.phase === "held" || resync.phase === "removing";
  const wouldRemove = isCounted ? resync.wouldRemove : null;
  return { state: phase, reason, wouldRemove, of: isCounted ? resync.of : null };
}

/** What is wrong, and the next step. */
function advice(
  { trouble }: StatusRecorder,
  { resync }: TableMeta,
): Pick<TableStatus, "reason" | "hint"> {
  if (trouble !== null) return { reason: trouble.message, hint: trouble.hint };
  if (resync?.phase === "held") {
    return { reason: `a sweep is held: ${heldBecause(resync)}`, hint: HELD_HINT };
  }
  return { reason: null, hint: null };
}

/** A snapshot of everything an operator wants to know. */
export function tableStatus(sources: StatusSources): TableStatus {
  const { table, journal, reading } = sources;
  const { meta } = table;
  const cursor = countingCursor(meta, table.cursor);
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
    digest: journal.isLive ? digestStatus(table) : null,
    verified: sources.verified,
    ...advice(journal, meta),
    rows: meta.rows,
    rowsExact: meta.exact,
    cursor: cursor === null ? null : table.orders.textOf(cursor),
    orderType: table.orders.type,
    cursorTime: cursor === null ? null : orderTime(cursor)?.toISOString() ?? null,
    head: head === null ? null : table.orders.textOf(head),
    progress: journal.isLive
      ? null
      : meta.resync !== null
      ? resyncProgress(sources.resync, meta.rows)
      : reading?.progress ?? null,
    lastContact: iso(lastContact),
    ageSeconds: ageMs === null ? null : ageMs / 1000,
    everComplete: meta.everComplete ?? false,
    storing: sources.isStoring,
    expiresInSeconds: sources.expireMs === null
      ? null
      : (sources.expireMs - (ageMs ?? Infinity)) / 1000,
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
    hold: holdStatus(meta, table.clock.now()),
    history: table.history.recent.map(historyStatus),
    hooks: sources.hooks?.status() ?? [],
  };
}
