/**
 * Every error a caller of the replicator can meet.
 *
 * An error carries what the loop and the operator need to go on: what kind of failure it is,
 * whether trying again can help and how soon, and the next step for a person. The policy is the
 * table in docs/misbehaving.md.
 *
 * @module
 */

/** What failed, as a short stable name. Used as the `reason` label of metrics, so the set is small. */
export type ErrorKind =
  | "usage"
  | "connect"
  | "connect-timeout"
  | "idle-timeout"
  | "broken-body"
  | "status"
  | "gone"
  | "redirect"
  | "not-records"
  | "bad-record"
  | "behind-head"
  | "hook"
  | "foreign-store"
  | "lease-held"
  | "lease-lost"
  | "store"
  | "store-access"
  | "store-full"
  | "callback"
  | "held";

/**
 * How soon another attempt makes sense.
 *
 * - `soon`: the cause usually passes by itself; exponential backoff from half a second.
 * - `slow`: a person has to act (credentials, a wrong path); the backoff at its slowest.
 * - `resync`: the cursor is of no use to the origin any more; start again from `0`.
 * - `never`: trying again can't help; the table ends, and the process with exit status 1 (or 2 for
 *   `usage`) when all of its tables have.
 */
export type Retry = "soon" | "slow" | "resync" | "never";

/** Facts of a {@linkcode LockstepError} besides its message. */
export interface ErrorDetail {
  /** What failed. */
  readonly kind: ErrorKind;
  /** How soon another attempt makes sense. */
  readonly retry: Retry;
  /** What a person can do about it: one sentence, imperative, without a secret in it. */
  readonly hint: string;
  /** The least time to wait before the next attempt, in milliseconds (from `Retry-After`). */
  readonly retryAfterMs?: number;
  /** HTTP status where there was one. */
  readonly status?: number;
  /** What was thrown below, where there was something. */
  readonly cause?: unknown;
}

/**
 * A failure with its kind, its retry policy and a hint.
 *
 * @example
 * ```ts
 * import { LockstepError } from "./errors.ts";
 * const error = new LockstepError("https://origin/servers answered 401", {
 *   kind: "status", retry: "slow", hint: "check the credentials", status: 401,
 * });
 * console.assert(error.retry === "slow");
 * ```
 */
export class LockstepError extends Error {
  /** Tells it from other errors in logs. */
  override readonly name = "LockstepError";
  /** What failed. */
  readonly kind: ErrorKind;
  /** How soon another attempt makes sense. */
  readonly retry: Retry;
  /** What a person can do about it: one sentence, without a secret in it. */
  readonly hint: string;
  /** The least time to wait before the next attempt, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** HTTP status where there was one. */
  readonly status: number | undefined;

  /** Makes an error; the message says what failed, with the value at hand. */
  constructor(message: string, detail: ErrorDetail) {
    super(message, { cause: detail.cause });
    this.kind = detail.kind;
    this.retry = detail.retry;
    this.hint = detail.hint;
    this.retryAfterMs = detail.retryAfterMs;
    this.status = detail.status;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
