/**
 * How long to wait before the next request: pure arithmetic over a clock.
 *
 * Every wait comes from here, so that no server can drive the replicator into a tight loop:
 *
 * - After the n-th failure in a row: a random time between {@linkcode BACKOFF_MIN_MS} and
 *   `BACKOFF_MIN_MS · 2^n`, at most {@linkcode BACKOFF_MAX_MS}. The jitter spans the whole range
 *   above the least pace, so replicas that lost the same origin spread out.
 * - After a failure that wants a person (`slow`): between half of the longest wait and all of it.
 * - `Retry-After` is a floor, and the jitter comes on top of it: everybody was told the same time.
 * - Failures are forgotten only after a **stretch of health**: {@linkcode HEALTHY_AFTER_MS} between
 *   the first answer after a failure and the next failure. A server that accepts and drops, or
 *   that fails every second time, keeps the count growing.
 * - After a clean end: the poll pause, never under {@linkcode POLL_MIN_MS}.
 *
 * Whatever the jitter draws, that is at most 60,000 / 500 = 120 requests a minute to a failing
 * server, about five when it goes on failing, and 600 to one that keeps answering at `--poll 0`.
 *
 * @module
 */

import type { Clock } from "./clock.ts";

/** The shortest wait after a failure, in milliseconds. */
export const BACKOFF_MIN_MS = 500;
/** The longest wait after a failure without `Retry-After`, in milliseconds. */
export const BACKOFF_MAX_MS = 30_000;
/** The longest `Retry-After` that is believed: 1 h, in milliseconds. */
export const RETRY_AFTER_MAX_MS = 3_600_000;
/** How long a server must answer without failing before its failures are forgotten. */
export const HEALTHY_AFTER_MS = 10_000;
/** The shortest pause after a clean end, in milliseconds: `--poll 0` is no hot loop. */
export const POLL_MIN_MS = 100;

/** What of a failure decides the wait; a `LockstepError` fits. */
export interface FailedAttempt {
  /** `slow` for the slowest pace; everything else backs off exponentially. */
  readonly retry: string;
  /** Least wait in milliseconds, from `Retry-After`. */
  readonly retryAfterMs?: number | undefined;
}

/**
 * The waits of one table's loop.
 *
 * @example
 * ```ts
 * import { Backoff } from "./backoff.ts";
 * import { systemClock } from "./clock.ts";
 * const backoff = new Backoff(systemClock);
 * backoff.answered(); // response headers came
 * const ms = backoff.failed({ retry: "soon" }); // the body broke
 * console.assert(ms >= 500 && ms <= 1000);
 * ```
 */
export class Backoff {
  readonly #clock: Clock;
  #failures = 0;
  /** When the server first answered since the last failure. */
  #healthySince: number | null = null;

  /** Starts without a failure. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Failures in a row, as the next wait counts them. */
  get failures(): number {
    return this.#failures;
  }

  /** Call when a request was answered with something to read, or with "nothing new". */
  answered(): void {
    this.#healthySince ??= this.#clock.monotonic();
  }

  /** Call when an attempt or its stream failed; returns the milliseconds to wait. */
  failed(attempt: FailedAttempt): number {
    const healthySince = this.#healthySince;
    this.#healthySince = null;
    if (healthySince !== null && this.#clock.monotonic() - healthySince >= HEALTHY_AFTER_MS) {
      this.#failures = 0;
    }
    this.#failures++;
    const most = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#failures);
    const wait = attempt.retry === "slow"
      ? this.#between(BACKOFF_MAX_MS / 2, BACKOFF_MAX_MS)
      : this.#between(BACKOFF_MIN_MS, most);
    const floor = Math.max(0, Math.min(attempt.retryAfterMs ?? 0, RETRY_AFTER_MAX_MS));
    return floor + wait;
  }

  /** Call when an answer ended cleanly; returns the milliseconds to pause before the next poll. */
  ended(pollMs: number): number {
    this.answered();
    return Math.max(pollMs, POLL_MIN_MS);
  }

  #between(least: number, most: number): number {
    return least + this.#clock.random() * (most - least);
  }
}
