/**
 * What a replica can be told: the library's counterpart of the command line.
 *
 * @module
 */

import type { GuardLimits } from "../store/table/guard.ts";
import type { Clock } from "../base/clock.ts";
import type { OrderType } from "../protocol/cursor.ts";
import type { JsonObject } from "../protocol/record.ts";
import type { CommitEvent } from "../store/read/change.ts";

/** How long deletions are remembered where nothing else is said: 7 days. */
export const TOMBSTONE_TTL_MS = 7 * 86_400_000;

/** One table and where it comes from. */
export interface SourceOptions {
  /** The endpoint; `{since}` in it is replaced by the cursor. */
  readonly url: string;
  /** Default: the last path element of the URL that is not `{since}`. */
  readonly table?: string;
}

/** Options of {@linkcode replicate}; durations in milliseconds. */
export interface ReplicatorOptions {
  /** The endpoint of a single table; `{since}` in it is replaced by the cursor. */
  readonly url?: string;
  /** With `url`: what the table is called; default as in {@linkcode SourceOptions}. */
  readonly table?: string;
  /** Several tables, instead of `url`. */
  readonly sources?: readonly SourceOptions[];
  /** The store: a file, a folder, `:memory:`, or the `https://` address of a KV Connect server. */
  readonly kv: string;
  /** A file with a remote store's access token; default the variable `DENO_KV_ACCESS_TOKEN`. */
  readonly kvTokenFile?: string;
  /** Key field(s); default `["id"]`. */
  readonly key?: readonly string[];
  /** Order field; default `updated_at`. */
  readonly orderBy?: string;
  /**
   * Tombstone field; default `deleted_at`. Nothing, zero, false and a zero date in it mean that the
   * record lives. `FIELD=VALUE` names the one value that means deleted: `status=archived`.
   */
  readonly deletedBy?: string;
  /** Where the records are inside an answer that wraps them: a field, or a JSON pointer. */
  readonly records?: string;
  /** How orders compare; default `auto`: by what the first records have. */
  readonly orderType?: "auto" | OrderType;
  /**
   * Each complete answer is the whole table: what it lacks is removed, by the rules of a sweep. The
   * records have no order; the copy keeps its own in the order field.
   */
  readonly whole?: boolean;
  /** Where to start in a store without a cursor; default `0`. */
  readonly since?: string;
  /** Ask again from so much before the cursor at every connect; default `0`. */
  readonly overlap?: string;
  /** Start from `0` once and sweep what the origin no longer has. */
  readonly resync?: boolean;
  /** Keep rows and cursor under a new URL. */
  readonly adopt?: boolean;
  /** End when up to date, and all that was asked for is done: file, command, resync. */
  readonly once?: boolean;
  /** With `once`: failures in a row after which to give up; default 5. */
  readonly attempts?: number;
  /**
   * A snapshot of a public feed, path or URL, that fills a table that is empty: then the origin goes
   * on. `{table}` in it stands for the table's name; needed where there are several.
   */
  readonly seed?: string;
  /** Pause between passes, whose pages follow each other at once; default 1,000. */
  readonly pollMs?: number;
  /** Silence after which a stream is reopened; default 60,000. */
  readonly idleTimeoutMs?: number;
  /** Until response headers; default 10,000. */
  readonly connectTimeoutMs?: number;
  /** Headers to send with every request. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** A file of request headers, read at every connect. */
  readonly headerFile?: string;
  /** PEM file of a private authority. */
  readonly ca?: string;
  /** PEM file of a client certificate, and of its key. */
  readonly cert?: string;
  /** PEM file of the key of `cert`. */
  readonly certKey?: string;
  /** A copy that is older is stale: `/readyz` fails, and a feed is asked for signs of life in time. */
  readonly maxStalenessMs?: number;
  /** Reads over HTTP and the feed are refused when the copy is older. */
  readonly expireMs?: number;
  /** Compare with the origin every so many milliseconds, and show what came of it; default never. */
  readonly verifyEveryMs?: number;
  /** Keep the change index and serve the feed. */
  readonly feed?: boolean;
  /** Caches may keep the feed's answers. */
  readonly feedPublic?: boolean;
  /** How long deletions are remembered; default 7 days. */
  readonly tombstoneTtlMs?: number;
  /**
   * The part of a table that a sweep, or ordinary changes within ten minutes, may remove unasked, 0
   * to 1; default 0.5.
   */
  readonly shrinkLimit?: number;
  /** The part of a table that changes within ten minutes may add unasked; default any. */
  readonly growLimit?: number;
  /** Rows that have to remain, unless the removal is approved; default 0. */
  readonly minRows?: number;
  /** Stop all tables at the first record that can't be used, instead of quarantining it. */
  readonly strict?: boolean;
  /** Bytes of the longest record; default 16 MiB. */
  readonly maxLineLength?: number;
  /**
   * From a record to what is stored in its place. Must keep the key and order fields as they are:
   * where it doesn't, the table's replication ends with an error. Return undefined to leave the
   * record out (one that is in the table is then removed). A record for which it throws is
   * quarantined. Of deletions, which it is not shown, only key, order and time are then kept.
   */
  readonly transform?: (record: JsonObject) => JsonObject | undefined;
  /**
   * Called with every commit's changes, one commit at a time, and awaited before the cursor moves
   * on: what it has not been told of for certain (it threw, or the process died) it is told again.
   * While it throws the replica waits and retries, with the reason in its status. It holds commits
   * up, also at the end, so it must not wait for `stop()`.
   */
  readonly onCommit?: (event: CommitEvent) => void | Promise<void>;
  /**
   * A shell command to run after changes, with the changed keys as NDJSON on standard input; see
   * `--on-change`. Needs the permission to run `/bin/sh`.
   */
  readonly onChange?: string;
  /** Changes within so long are told together by `onChange` and `write`; default 1,000. */
  readonly onChangeWaitMs?: number;
  /**
   * Keep the whole table in a file: NDJSON, an array where the name ends in `.json`, or a SQLite
   * database (`.sqlite`, `.db`), which is changed in place. Any other is replaced at once, after changes settle and before `onChange` runs. For several tables a path
   * with `{table}` in it, or a path for each table that is to have a file.
   */
  readonly write?: string | Readonly<Record<string, string>>;
  /**
   * A shell command that looks at a new file of `write` (`LOCKSTEP_FILE`) before it replaces the old
   * one; see `--check`. Needs the permission to run `/bin/sh`.
   */
  readonly check?: string;
  /** Where the process's status server listens, for those who find the table held. */
  readonly statusUrl?: string;
  /**
   * Wait for the tables that another process writes, for as long as it takes, instead of giving up
   * after one lease; `replicate` resolves when they are ours.
   */
  readonly standby?: boolean;
  /** Where time and chance come from; default the machine. For tests. */
  readonly clock?: Clock;
  /** Stops all tables when it aborts. */
  readonly signal?: AbortSignal;
}

/** What bounds changes that nobody has approved. */
export function guardLimits(
  { shrinkLimit = 0.5, growLimit, minRows = 0 }: ReplicatorOptions,
): GuardLimits {
  return { shrinkLimit, growLimit: growLimit ?? null, minRows };
}
