/**
 * Time and randomness, passed in so that no test has to sleep.
 *
 * @module
 */

/** Where the program gets time and chance from. */
export interface Clock {
  /**
   * The wall clock, in milliseconds since the Unix epoch. It steps, in both directions: for times
   * that are shown, stored, or compared with the origin's, never for a span.
   */
  now(): number;
  /**
   * A stopwatch, in milliseconds since any moment: it never steps, and may stand still while the
   * machine is suspended. Every span is a difference of two of its readings.
   */
  monotonic(): number;
  /**
   * Resolves after `ms` milliseconds; rejects with the signal's reason as soon as it aborts, and
   * leaves no timer behind.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** A number in [0, 1), for jitter. */
  random(): number;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  random: () => Math.random(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", stop);
        resolve();
      }, ms);
      signal?.addEventListener("abort", stop, { once: true });
    }),
};
