/**
 * A clock that moves only by hand, so that no test has to sleep.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { type Clock, systemClock } from "../../src/base/clock.ts";

interface Sleeper {
  readonly due: number;
  readonly wake: () => void;
}

/**
 * Time stands still until {@linkcode HandClock.advance}.
 *
 * @example
 * ```ts
 * const clock = new HandClock();
 * const slept = clock.sleep(1000);
 * await clock.whenSleeping();
 * await clock.advance(1000);
 * await slept;
 * ```
 */
export class HandClock implements Clock {
  /** Monotonic; begins elsewhere than the wall clock, so that the two can't be mixed up. */
  #now = 5_000;
  /** The wall clock's lead over the monotonic one. */
  #lead: number;
  #random: () => number;
  readonly #sleepers = new Set<Sleeper>();
  #waiters: { readonly count: number; readonly resolve: () => void }[] = [];

  /**
   * @param start milliseconds since the epoch
   * @param random what {@linkcode HandClock.random} draws; always 0.5 by default
   */
  constructor(start = Date.UTC(2026, 0, 1), random: () => number = () => 0.5) {
    this.#lead = start - this.#now;
    this.#random = random;
  }

  now(): number {
    return this.#now + this.#lead;
  }

  monotonic(): number {
    return this.#now;
  }

  /**
   * Steps the wall clock alone by `ms`, as NTP or an operator does; forward also as a machine's that
   * was paused, whose stopwatch stood still.
   */
  stepWall(ms: number): void {
    this.#lead += ms;
  }

  random(): number {
    return this.#random();
  }

  /** How many sleeps are under way. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  /** Milliseconds until the first sleeper is due; `null` when nobody sleeps. */
  get nextIn(): number | null {
    const due = [...this.#sleepers].map((sleeper) => sleeper.due);
    return due.length === 0 ? null : Math.min(...due) - this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      const sleeper: Sleeper = {
        due: this.#now + Math.max(0, ms),
        wake: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#sleepers.add(sleeper);
      this.#waiters = this.#waiters.filter((waiter) => {
        if (this.#sleepers.size < waiter.count) return true;
        waiter.resolve();
        return false;
      });
    });
  }

  /** Resolves as soon as at least `count` sleeps are under way. */
  whenSleeping(count = 1): Promise<void> {
    if (this.#sleepers.size >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ count, resolve }));
  }

  /**
   * Moves time on by `ms`, waking every sleeper at its own due time, the earliest first. After each
   * the event loop turns once, so what a woken sleeper starts sleeping anew is woken too if it is
   * due within the step.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await turn();
    for (let next = this.#earliest(end); next !== null; next = this.#earliest(end)) {
      this.#now = Math.max(this.#now, next.due);
      this.#sleepers.delete(next);
      next.wake();
      await turn();
    }
    this.#now = end;
  }

  /** Waits until somebody sleeps, then moves time on to when the first is due. */
  async advanceToNext(): Promise<void> {
    await this.whenSleeping();
    await this.advance(Math.max(0, this.nextIn ?? 0));
  }

  #earliest(end: number): Sleeper | null {
    let first: Sleeper | null = null;
    for (const sleeper of this.#sleepers) {
      if (sleeper.due <= end && (first === null || sleeper.due < first.due)) first = sleeper;
    }
    return first;
  }
}

/** The machine's own time, whose wall clock steps at will. */
export class SteppingClock implements Clock {
  readonly random = systemClock.random;
  readonly sleep = systemClock.sleep;
  #leadMs = 0;

  now(): number {
    return systemClock.now() + this.#leadMs;
  }

  monotonic(): number {
    return systemClock.monotonic();
  }

  /** Steps the wall clock alone by `ms`. */
  stepWall(ms: number): void {
    this.#leadMs += ms;
  }
}

/** One turn of the event loop: everything that is ready to run has run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => resolve()));
}
