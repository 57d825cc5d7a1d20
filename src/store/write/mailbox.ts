/**
 * A loop's mailbox: news to look at, and barriers to run between two of its steps.
 *
 * @module
 */

import type { Clock } from "../../base/clock.ts";
import { Signal } from "../../base/signal.ts";

/** Something that must not run beside the loop's own steps. */
interface Barrier {
  readonly run: () => Promise<void>;
  readonly done: (error: unknown) => void;
}

export class Mailbox {
  readonly #clock: Clock;
  readonly #news = new Signal();
  readonly #passed = new Signal();
  readonly #barriers: Barrier[] = [];
  #hasNews = false;
  /** Barriers that wait or run. */
  #open = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True while a barrier waits to be run. */
  get hasBarrier(): boolean {
    return this.#barriers.length > 0;
  }

  /** News: the loop looks again. */
  post(): void {
    this.#hasNews = true;
    this.#news.notify();
  }

  /** Has the loop run something between two steps; resolves, or rejects, with it. */
  async barrier(run: () => Promise<void>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const done = (error: unknown) => error === null ? resolve() : reject(error);
    this.#open++;
    this.#barriers.push({ run, done });
    this.post();
    try {
      await promise;
    } finally {
      this.#open--;
      this.#passed.notify();
    }
  }

  /** Resolves when no barrier waits or runs. */
  async passed(): Promise<void> {
    while (this.#open > 0) await this.#passed.until(() => this.#open === 0);
  }

  /**
   * The loop's side: runs the oldest barrier.
   *
   * @param failure what it fails with without being run; null for nothing
   */
  async runBarrier(failure: unknown): Promise<void> {
    const barrier = this.#barriers.shift();
    if (barrier === undefined) return;
    if (failure !== null) return barrier.done(failure);
    try {
      await barrier.run();
      barrier.done(null);
    } catch (error) {
      barrier.done(error ?? new Error("a barrier failed"));
    }
  }

  /** The loop's side: resolves when there is news, or after so many milliseconds; null: only then. */
  async next(waitMs: number | null): Promise<void> {
    const over = new AbortController();
    let isOver = false;
    if (waitMs !== null) {
      this.#clock.sleep(waitMs, over.signal).then(() => {
        isOver = true;
        this.#news.notify();
      }, () => {});
    }
    await this.#news.until(() => isOver || this.#hasNews);
    over.abort();
    this.#hasNews = false;
  }
}
