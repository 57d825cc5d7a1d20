/**
 * A clock that runs faster than the machine's: waits of seconds pass in milliseconds, over real
 * sockets and a real store.
 *
 * @module
 */

import { type Clock, systemClock } from "../../src/base/clock.ts";

/** Time that runs `factor` times as fast, from now on. */
export class FastClock implements Clock {
  readonly #factor: number;
  readonly #start = Date.now();
  readonly #began = performance.now();
  readonly #random: () => number;

  constructor(factor = 20, random: () => number = () => 0) {
    this.#factor = factor;
    this.#random = random;
  }

  now(): number {
    return Math.floor(this.#start + (performance.now() - this.#began) * this.#factor);
  }

  monotonic(): number {
    return (performance.now() - this.#began) * this.#factor;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(ms / this.#factor, signal);
  }

  random(): number {
    return this.#random();
  }
}

/** The machine's own time, but waits that end sooner: a backoff passes, and silence stays silence. */
export class HastyClock extends FastClock {
  override now(): number {
    return Date.now();
  }

  override monotonic(): number {
    return performance.now();
  }
}
