/**
 * The process' figures as metrics: names, kinds, help, and values with their labels. Written as text
 * for Prometheus ({@linkcode metricsText}), and exported by OpenTelemetry where Deno does that.
 *
 * @module
 */

import { type ProcessStatus, STATES, type TableStatus } from "../replica/status.ts";

/** More label values than this of one metric are summed as `other`: series cost memory for ever. */
const MAX_REASONS = 30;

/** Reasons that are told from the start: Prometheus sees no increase in a series that begins at 1. */
const NONE_YET: Readonly<Record<string, number>> = Object.fromEntries(
  [
    "not JSON",
    "invalid UTF-8",
    "too long",
    "not an object",
    "no key",
    "bad key",
    "key too long",
    "no order",
    "bad order",
    "order of another kind",
    "zoned and naive times",
    "year beyond 9999",
    "number out of range",
  ].map((reason) => [reason, 0]),
);

export type Labels = Readonly<Record<string, string>>;

/** One value; `suffix` is the part of a histogram it belongs to. */
export type MetricLine = readonly [labels: Labels, value: number, suffix?: string];
type Line = MetricLine;

export interface Metric {
  readonly name: string;
  readonly type: "gauge" | "counter" | "histogram";
  readonly help: string;
  readonly lines: readonly MetricLine[];
}

/** All metrics of a status; a metric without a known value has no lines. */
export function metricsOf(status: ProcessStatus): Metric[] {
  const out: Metric[] = [];
  const metric = (name: string, type: Metric["type"], help: string, lines: readonly Line[]) =>
    void out.push({ name, type, help, lines });
  /** One line a table; none where the value is unknown. */
  const each = (value: (table: TableStatus) => number | null): Line[] =>
    status.tables.flatMap((table) => {
      const found = value(table);
      return found === null ? [] : [[{ table: table.table }, found] as const];
    });
  /** One line a table and reason. */
  const reasons = (
    label: string,
    counts: (table: TableStatus) => Readonly<Record<string, number>>,
  ) =>
    status.tables.flatMap((table) =>
      bounded(counts(table)).map(([reason, count]): Line => [
        { table: table.table, [label]: reason },
        count,
      ])
    );

  metric("lockstep_rows", "gauge", "Live rows in the table.", each((t) => t.rows));
  metric(
    "lockstep_rows_exact",
    "gauge",
    "1 where lockstep_rows is exact, 0 while it is an estimate (catching up).",
    each((t) => Number(t.rowsExact)),
  );
  metric(
    "lockstep_digest",
    "gauge",
    "The first 48 bits of the table's digest, once it was asked for: equal copies have equal ones.",
    each((t) => t.digest?.gauge ?? null),
  );
  metric(
    "lockstep_digest_timestamp_seconds",
    "gauge",
    "When the digest was so.",
    each((t) => t.digest ? Date.parse(t.digest.time) / 1000 : null),
  );
  metric(
    "lockstep_verify_differing_rows",
    "gauge",
    "Rows that differ from the origin's, as of the last comparison that could tell.",
    each((t) =>
      t.verified?.verdict === "equal" || t.verified?.verdict === "different"
        ? t.verified.differing
        : null
    ),
  );
  metric(
    "lockstep_verify_timestamp_seconds",
    "gauge",
    "When the last comparison ended.",
    each((t) => t.verified ? Date.parse(t.verified.time) / 1000 : null),
  );
  metric(
    "lockstep_records_total",
    "counter",
    "Records received, by what became of them.",
    reasons("outcome", (t) => ({ ...t.records })),
  );
  metric("lockstep_bytes_total", "counter", "Bytes of answers received.", each((t) => t.bytes));
  metric("lockstep_commits_total", "counter", "Commits to the store.", each((t) => t.commits));
  metric(
    "lockstep_commit_seconds",
    "histogram",
    "Time a commit to the store took.",
    status.tables.flatMap(histogram),
  );
  metric(
    "lockstep_cursor",
    "gauge",
    "Greatest order that is safely stored; as Unix seconds where it is a time.",
    each(cursorNumber),
  );
  metric(
    "lockstep_last_contact_timestamp_seconds",
    "gauge",
    "When the origin gave its last sign of life.",
    each((t) => t.lastContact === null ? null : Date.parse(t.lastContact) / 1000),
  );
  metric(
    "lockstep_lag_seconds",
    "gauge",
    "Seconds from a record's order, where it is a time, to its commit.",
    each((t) => t.lagSeconds),
  );
  metric(
    "lockstep_connections_total",
    "counter",
    "Requests to the origin.",
    each((t) => t.connections),
  );
  metric(
    "lockstep_reconnects_total",
    "counter",
    "Connections that ended, by why.",
    reasons("reason", (t) => t.reconnects),
  );
  metric(
    "lockstep_quarantined_total",
    "counter",
    "Records set aside since the process started, by why.",
    reasons("reason", (t) => ({ ...NONE_YET, ...t.quarantinedBy })),
  );
  metric(
    "lockstep_state",
    "gauge",
    "1 for the state that the table is in, 0 for all others.",
    status.tables.flatMap((t) =>
      STATES.map((state): Line => [{ table: t.table, state }, Number(t.state === state)])
    ),
  );
  metric("lockstep_live", "gauge", "1 where the table is up to date.", each((t) => Number(t.live)));
  metric(
    "lockstep_complete",
    "gauge",
    "1 where the table was complete once: its readers can use it.",
    each((t) => Number(t.everComplete)),
  );
  metric(
    "lockstep_storing",
    "gauge",
    "0 where what comes isn't stored where readers find it.",
    each((t) => Number(t.storing)),
  );
  metric(
    "lockstep_age_seconds",
    "gauge",
    "Age of the copy: seconds since the origin's last word.",
    each((t) => t.ageSeconds),
  );
  metric(
    "lockstep_sweep_held",
    "gauge",
    "1 where a sweep waits for approval.",
    each((t) => Number(t.sweep?.state === "held")),
  );
  metric("lockstep_build_info", "gauge", "The program's version, as a label.", [
    [{ version: status.version }, 1],
  ]);
  metric("lockstep_store_bytes", "gauge", "Size of the store's files.", [
    ...(status.store.bytes === null ? [] : [[{}, status.store.bytes] as const]),
  ]);
  metric("process_resident_memory_bytes", "gauge", "Resident memory size.", [
    [{}, status.memoryBytes],
  ]);
  metric("process_start_time_seconds", "gauge", "Start of the process since the Unix epoch.", [
    [{}, Date.parse(status.startedAt) / 1000],
  ]);
  return out;
}

function histogram({ table, commitSeconds }: TableStatus): Line[] {
  const lines: Line[] = commitSeconds.buckets.map((
    [bound, count],
  ) => [{ table, le: boundText(bound) }, count, "_bucket"]);
  if (commitSeconds.buckets.at(-1)?.[0] !== Infinity) {
    lines.push([{ table, le: "+Inf" }, commitSeconds.count, "_bucket"]);
  }
  lines.push([{ table }, commitSeconds.sum, "_sum"], [{ table }, commitSeconds.count, "_count"]);
  return lines;
}

/** A cursor as a number: itself, or its time; null where it is neither. */
function cursorNumber({ cursor, cursorTime }: TableStatus): number | null {
  if (cursor === null) return null;
  const number = cursor.trim() === "" ? NaN : Number(cursor);
  if (Number.isFinite(number)) return number;
  return cursorTime === null ? null : Date.parse(cursorTime) / 1000;
}

/** The largest counts by name, the rest of them summed as `other`. */
function bounded(counts: Readonly<Record<string, number>>): [string, number][] {
  const all = Object.entries(counts);
  if (all.length <= MAX_REASONS) return all;
  all.sort((a, b) => b[1] - a[1]);
  const rest = all.splice(MAX_REASONS - 1).reduce((sum, [, count]) => sum + count, 0);
  return [...all, ["other", rest]];
}

/** A bucket's upper bound as its label. */
function boundText(bound: number): string {
  return bound === Infinity ? "+Inf" : String(bound);
}
