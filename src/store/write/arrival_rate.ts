/**
 * How fast rows arrive: the figures that {@linkcode nextFlush} goes by.
 *
 * @module
 */

import { FLUSH_LIMITS } from "./flush_policy.ts";

/** The pace of one stream; times are milliseconds of one monotonic clock. */
export class ArrivalRate {
  #arrived = -Infinity;
  #recent = 0;
  #since = 0;

  /** Rows arrived. */
  note(rows: number, now: number): void {
    this.#arrived = now;
    this.#recent += rows;
  }

  /** Takes the pace from now on, with the rows that wait already. */
  begin(rows: number, now: number): void {
    this.#since = now;
    this.#recent = rows;
  }

  /** For how long nothing has arrived, nor has anything else kept the machine busy. */
  quietMs(now: number): number {
    return now - Math.max(this.#arrived, this.#since);
  }

  /**
   * Rows of the last {@linkcode FLUSH_LIMITS.paceMs}, told once; null before that has passed. A flood
   * that stalls for a moment is quiet and still a flood: only the whole time tells that a stream is
   * slow.
   */
  takeRecentRows(now: number): number | null {
    if (now - this.#since < FLUSH_LIMITS.paceMs) return null;
    const recent = this.#recent;
    this.begin(0, now);
    return recent;
  }
}
