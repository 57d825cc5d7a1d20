/**
 * Waiting until something is so, where what it depends on may change.
 *
 * A field that holds one resolver loses a waiter when a second one overwrites it, and a wake when it
 * comes before the wait. Here every waiter says what it waits for, and looks again at each wake:
 * none is overwritten, and a wake that came first has already made it so.
 *
 * @module
 */

/**
 * Wakes those who wait for a condition.
 *
 * @example
 * ```ts
 * import { Signal } from "./signal.ts";
 * const freed = new Signal();
 * let free = 0;
 * const both = Promise.all([freed.until(() => free > 0), freed.until(() => free > 0)]);
 * free = 2;
 * freed.notify();
 * await both;
 * ```
 */
export class Signal {
  /** Resolves at the next wake; made when somebody waits. */
  #next: PromiseWithResolvers<void> | null = null;

  /** Something may have changed: everybody who waits looks again. */
  notify(): void {
    const next = this.#next;
    this.#next = null;
    next?.resolve();
  }

  /**
   * Resolves when the condition holds, at once where it does already. Who takes something then, of
   * which there may be less than waiters, looks once more before: another may have been first.
   */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      this.#next ??= Promise.withResolvers();
      await this.#next.promise;
    }
  }
}
