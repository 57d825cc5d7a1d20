/**
 * What a replica says of itself: the shape behind `/status`, `/events`, `/metrics`, the status
 * page, the progress line and `lockstep-replicate status`. Stable: fields are added, not changed.
 *
 * Times are ISO-8601 strings in UTC, durations are seconds, sizes are bytes; cursors and orders
 * are text, because an integer beyond 2^53 is no JSON number.
 *
 * @module
 */

import type { DigestStatus } from "./digest.ts";
import type { OrderType } from "../protocol/cursor.ts";

/**
 * What a table's loop is doing (the machine is drawn in `state.ts`).
 *
 * - `starting`: opening the store, taking the lease
 * - `connecting`: a request is under way, no answer yet
 * - `catching-up`: an answer is being read that is not known to be at its end
 * - `live`: up to date with the origin as of the last contact
 * - `held`: live, but a sweep waits for approval
 * - `waiting`: for the origin: after a failure that usually passes, retrying with backoff; or because
 *   it has sent nothing yet that is a record. The reason says which
 * - `failing`: a failure that wants a person; retrying at the slowest pace, or, where another try
 *   can't help, not any more: the table then waits for the process to be started again
 * - `stopped`: the loop has ended as it was meant to
 * - `standby`: another process writes the table; this one waits to take over (`--standby`)
 */
export type StateName = typeof STATES[number];

/** All states, in the order in which a table goes through them. */
export const STATES = [
  "starting",
  "connecting",
  "catching-up",
  "live",
  "held",
  "waiting",
  "failing",
  "stopped",
  "standby",
] as const;

/** One failure, newest first in {@linkcode TableStatus.errors}. */
export interface StatusError {
  /** When it happened. */
  readonly time: string;
  /** An `ErrorKind`: short, stable, safe as a label. */
  readonly kind: string;
  /** What happened. */
  readonly message: string;
  /** What to do about it. */
  readonly hint: string;
}

/** What became of the records received since the process started. */
export interface RecordCounts {
  /** New keys. */
  readonly inserted: number;
  /** Known keys with new content. */
  readonly updated: number;
  /** Deletions. */
  readonly deleted: number;
  /** Older than what is stored: changed nothing. */
  readonly stale: number;
  /** Already stored: changed nothing. */
  readonly identical: number;
  /** Written while catching up, without looking whether the row was there. */
  readonly written: number;
  /** What could not be stored. */
  readonly quarantined: number;
}

/** A sweep (the removal of rows that the origin no longer has) that is under way or held. */
export interface SweepStatus {
  /**
   * `wanted`: everything is to be read with the next request; `reading`: it is being read; `parts`:
   * it was cut too often, the rest is compared, and nothing is removed; `held`: a sweep waits for
   * approval; `removing`.
   */
  readonly state: "wanted" | "reading" | "parts" | "held" | "removing";
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
  /** Records stored, passed over or set aside a second, since the sample before. */
  readonly recordsPerSecond: number;
  /** Median and 99th percentile of commit times in the interval, in milliseconds. */
  readonly commitMs: number | null;
  /** The 99th percentile. */
  readonly commitMsP99: number | null;
}

/** Cumulative histogram of commit times: Prometheus' form, upper bounds in seconds. */
export interface CommitHistogram {
  /** `[upper bound in seconds, commits at or below it]`, ascending; the last bound is `Infinity`. */
  readonly buckets: readonly (readonly [number, number])[];
  /** Seconds of all commits together. */
  readonly sum: number;
  /** Number of commits. */
  readonly count: number;
}

/** Nothing is committed until it is released, or approved. */
export interface HoldStatus {
  /** A person stopped the commits, or the guard (`--shrink-limit`, …) did. */
  readonly by: "person" | "guard";
  /** Since when. */
  readonly since: string;
  /** Seconds since then. */
  readonly ageSeconds: number;
  /** Why, in words. */
  readonly reason: string;
  /** Of the guard's: rows that would be added, less those that would be removed; else null. */
  readonly net: number | null;
  /** Rows before; null where a person holds. */
  readonly of: number | null;
}

/** What a comparison by itself came to. */
export interface VerifiedStatus {
  /** When it ended; ISO-8601. */
  readonly time: string;
  /** `equal`, `different`, `unknown` (not everything could be told), or `failed`. */
  readonly verdict: "equal" | "different" | "unknown" | "failed";
  /** Why nothing, or not everything, could be told; null where it could. */
  readonly reason: string | null;
  /** Records compared. */
  readonly compared: number;
  /** Rows that differ. */
  readonly differing: number;
}

/** An entry of a table's history. */
export interface HistoryStatus {
  /** When it happened. */
  readonly time: string;
  /** What it was: `resync`, `sweep`, `held`, `approved`, `hold`, `release`, `generation`, … */
  readonly kind: string;
  /** Why, or what came of it, in words. */
  readonly text: string;
  /** Rows that were removed; null where it is about none. */
  readonly removed: number | null;
  /** The file that holds them, as NDJSON; null where there is none. */
  readonly file: string | null;
}

/** One table of the process. */
export interface TableStatus {
  /** The table's name. */
  readonly table: string;
  /** The endpoint, without credentials. */
  readonly url: string;
  /** What its loop is doing. */
  readonly state: StateName;
  /** Since when it is in this state. */
  readonly since: string;
  /** True in `live` and `held`. */
  readonly live: boolean;
  /** The digest, where somebody has asked for it since the process started; see docs/digest.md. */
  readonly digest?: DigestStatus | null;
  /** What the last comparison with the origin (`--verify-every`) came to; null before the first. */
  readonly verified?: VerifiedStatus | null;
  /** What is wrong, or null. */
  readonly reason: string | null;
  /** What to do about it, or null. */
  readonly hint: string | null;
  /** Live rows. */
  readonly rows: number;
  /** False while `rows` is an estimate (catching up). */
  readonly rowsExact: boolean;
  /** Everything up to here is stored; null before the first record. */
  readonly cursor: string | null;
  /** The cursor as a time, where it is one. */
  readonly cursorTime: string | null;
  /** How orders compare; null until that is known. */
  readonly orderType: OrderType | null;
  /** The origin's head, where it tells (a feed's `lockstep-head`). */
  readonly head: string | null;
  /** Part of the way to the head, 0 to 1, where it can be told; null otherwise. */
  readonly progress: number | null;
  /** The last time the origin gave a sign of life: headers, data, a heartbeat, a clean end. */
  readonly lastContact: string | null;
  /**
   * Seconds since the last contact, by the wall clock or the stopwatch, whichever says more: of a
   * machine that was paused, or whose clock was set.
   */
  readonly ageSeconds: number | null;
  /**
   * Whether the table was complete once, in this process or an earlier one: its readers can use it,
   * however old it is by now.
   */
  readonly everComplete: boolean;
  /**
   * Whether what comes is stored where readers find it: false where the store's files are gone, a
   * commit doesn't come back, or the loop has ended.
   */
  readonly storing: boolean;
  /** Seconds until reads are refused (`--expire`), negative since then; null where they never are. */
  readonly expiresInSeconds: number | null;
  /** Seconds between a live record's order (where it is a time) and its commit; null when unknown. */
  readonly lagSeconds: number | null;
  /** Records stored, passed over or set aside a second, lately. */
  readonly recordsPerSecond: number;
  /** What became of the records received. */
  readonly records: RecordCounts;
  /** Bytes received since the process started, after decompression. */
  readonly bytes: number;
  /** Commits since the process started. */
  readonly commits: number;
  /** How long they took. */
  readonly commitSeconds: CommitHistogram;
  /** Answers since the process started. */
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
  /** A sweep that is under way or held. */
  readonly sweep: SweepStatus | null;
  /** What keeps changes from being committed; null for nothing. */
  readonly hold: HoldStatus | null;
  /** What changed the table in bulk: the newest entries of its history, newest first. */
  readonly history: readonly HistoryStatus[];
  /** The last run of `--on-change` / `--write`, where they are set. */
  readonly hooks: readonly HookStatus[];
}

/** A consumer that runs after commits: `--on-change` or `--write`. */
export interface HookStatus {
  /** Which option it comes from. */
  readonly name: "on-change" | "write";
  /** The command, or the file. */
  readonly target: string;
  /** When it last succeeded, in this process or an earlier one. */
  readonly lastSuccess: string | null;
  /** When it last failed, in this process. */
  readonly lastFailure: string | null;
  /** Why it failed; null once it has succeeded again. */
  readonly error: string | null;
  /** It is running or due. */
  readonly pending: boolean;
  /** So many seconds it waits at least: a large file isn't written again and again. */
  readonly pauseSeconds: number;
}

/** The process. */
export interface ProcessStatus {
  /** Always the same. */
  readonly program: "lockstep-replicate";
  /** The program's version. */
  readonly version: string;
  /** Its process. */
  readonly pid: number;
  /** The host's name. */
  readonly host: string;
  /** When the replicator was started. */
  readonly startedAt: string;
  /** Seconds since then. */
  readonly uptimeSeconds: number;
  /** Resident memory. */
  readonly memoryBytes: number;
  /** The store's file and its size; null for `:memory:`. */
  readonly store: { readonly path: string; readonly bytes: number | null };
  /** Every table, in the order asked for. */
  readonly tables: readonly TableStatus[];
}
