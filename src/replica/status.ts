/**
 * What a replica says of itself: the shape behind `/status`, `/events`, `/metrics`, the status
 * page, the progress line and `lockstep-replicate status`. Stable: fields are added, not changed.
 *
 * Times are ISO-8601 strings in UTC, durations are seconds, sizes are bytes; cursors and orders
 * are text, because an integer beyond 2^53 is no JSON number.
 *
 * @module
 */

/**
 * What a table's loop is doing (the machine is drawn in `state.ts`).
 *
 * - `starting`: opening the store, taking the lease
 * - `connecting`: a request is under way, no answer yet
 * - `catching-up`: an answer is being read that is not known to be at its end
 * - `live`: up to date with the origin as of the last contact
 * - `held`: live, but a sweep waits for approval
 * - `waiting`: a failure that usually passes; retrying with backoff
 * - `failing`: a failure that wants a person; retrying at the slowest pace
 * - `stopped`: the loop has ended
 */
export type StateName =
  | "starting"
  | "connecting"
  | "catching-up"
  | "live"
  | "held"
  | "waiting"
  | "failing"
  | "stopped";

/** One failure, newest first in {@linkcode TableStatus.errors}. */
export interface StatusError {
  readonly time: string;
  /** An `ErrorKind`: short, stable, safe as a label. */
  readonly kind: string;
  readonly message: string;
  readonly hint: string;
}

/** What became of the records received since the process started. */
export interface RecordCounts {
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  /** Older than what is stored: changed nothing. */
  readonly stale: number;
  /** Already stored: changed nothing. */
  readonly identical: number;
  /** Written while catching up, without looking whether the row was there. */
  readonly written: number;
  readonly quarantined: number;
}

/** A sweep (the removal of rows that the origin no longer has) that is under way or held. */
export interface SweepStatus {
  /** `reading`: the resync's answer is being read; `held`: waits for approval; `removing`. */
  readonly state: "reading" | "held" | "removing";
  /** Why the resync was started, in words. */
  readonly reason: string;
  /** Rows that would be removed; known once the answer was complete. */
  readonly wouldRemove: number | null;
  /** Rows in the table when that was counted. */
  readonly of: number | null;
}

/** One sample of the last quarter of an hour, for the charts. */
export interface Sample {
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  readonly recordsPerSecond: number;
  /** Median and 99th percentile of commit times in the interval, in milliseconds. */
  readonly commitMs: number | null;
  readonly commitMsP99: number | null;
}

/** Cumulative histogram of commit times: Prometheus' form, upper bounds in seconds. */
export interface CommitHistogram {
  /** `[upper bound in seconds, commits at or below it]`, ascending; the last bound is `Infinity`. */
  readonly buckets: readonly (readonly [number, number])[];
  readonly sum: number;
  readonly count: number;
}

/** One table of the process. */
export interface TableStatus {
  readonly table: string;
  /** The endpoint, without credentials. */
  readonly url: string;
  readonly state: StateName;
  /** Since when it is in this state. */
  readonly since: string;
  /** True in `live` and `held`. */
  readonly live: boolean;
  /** What is wrong, or null. */
  readonly reason: string | null;
  /** What to do about it, or null. */
  readonly hint: string | null;
  readonly rows: number;
  /** False while `rows` is an estimate (catching up). */
  readonly rowsExact: boolean;
  readonly cursor: string | null;
  /** The cursor as a time, where it is one. */
  readonly cursorTime: string | null;
  /** The origin's head, where it tells (a feed's `lockstep-head`). */
  readonly head: string | null;
  /** Part of the way to the head, 0 to 1, where it can be told; null otherwise. */
  readonly progress: number | null;
  /** The last time the origin gave a sign of life: headers, data, a heartbeat, a clean end. */
  readonly lastContact: string | null;
  /** Seconds since the last contact. */
  readonly ageSeconds: number | null;
  /** Seconds between a live record's order (where it is a time) and its commit; null when unknown. */
  readonly lagSeconds: number | null;
  readonly recordsPerSecond: number;
  readonly records: RecordCounts;
  readonly bytes: number;
  readonly commits: number;
  readonly commitSeconds: CommitHistogram;
  readonly connections: number;
  /** Reconnects by reason: `clean-end` or an `ErrorKind`. */
  readonly reconnects: Readonly<Record<string, number>>;
  /** The newest errors, at most 20, newest first. */
  readonly errors: readonly StatusError[];
  /** When the next attempt is due, while waiting. */
  readonly nextAttempt: string | null;
  /** Quarantined in the table's whole life. */
  readonly quarantined: number;
  /** Quarantined by reason since the process started. */
  readonly quarantinedBy: Readonly<Record<string, number>>;
  /** Things noticed about the origin that lose nothing yet but want a look, in words. */
  readonly warnings: readonly string[];
  readonly sweep: SweepStatus | null;
  /** The last run of `--on-change` / `--write`, where they are set. */
  readonly hooks: readonly HookStatus[];
}

/** A consumer that runs after commits: `--on-change` or `--write`. */
export interface HookStatus {
  readonly name: "on-change" | "write";
  readonly target: string;
  readonly lastSuccess: string | null;
  readonly lastFailure: string | null;
  readonly error: string | null;
  readonly pending: boolean;
}

/** The process. */
export interface ProcessStatus {
  readonly program: "lockstep-replicate";
  readonly version: string;
  readonly pid: number;
  readonly host: string;
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  readonly memoryBytes: number;
  readonly store: { readonly path: string; readonly bytes: number | null };
  readonly tables: readonly TableStatus[];
}
