/**
 * How fast rows arrive: whether a stream that is gathered has gone quiet, or become slow enough to
 * be followed.
 *
 * @module
 */

/** A stream is quiet when nothing arrived for so long. */
export const QUIET_MS = 20;

/**
 * The same where a large window fills: a busy machine lets an origin rest for longer than
 * {@linkcode QUIET_MS}, and half a window costs as much as a whole one.
 */
export const LARGE_QUIET_MS = 200;

/** Over so long a stream's pace is taken. */
const PACE_MS = 250;

/** Rows in {@linkcode PACE_MS} below which following keeps up easily. */
const SLOW_ROWS = 2_500;

/** The pace of one stream; times are milliseconds of one clock. */
export class ArrivalRate {
  #arrived = 0;
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

  /**
   * Whether nothing has come for `quietMs`, and whether the stream is slow. A flood that stalls
   * for a moment is quiet and still a flood: only a whole {@linkcode PACE_MS} tells that a stream
   * is slow.
   */
  look(now: number, quietMs: number): { readonly isQuiet: boolean; readonly isSlow: boolean } {
    const isQuiet = now - Math.max(this.#arrived, this.#since) >= quietMs;
    if (now - this.#since < PACE_MS) return { isQuiet, isSlow: false };
    const isSlow = this.#recent < SLOW_ROWS;
    this.begin(0, now);
    return { isQuiet, isSlow };
  }
}
