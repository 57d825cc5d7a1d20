/**
 * Who is told of a table's commits, and of its progress.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { logger } from "../base/log.ts";
import { LockstepError, messageOf } from "../protocol/errors.ts";
import type { CommitEvent } from "../store/read/change.ts";
import type { Hooks } from "./hooks/hooks.ts";
import type { ReplicatorOptions } from "./options.ts";

const log = logger("replica");

export class CommitListeners {
  readonly #table: string;
  readonly #onCommit: ReplicatorOptions["onCommit"];
  readonly #clock: Clock;
  /** Since when it has been waited for the user's function, by the stopwatch; null: it is not. */
  #calledAt: number | null = null;
  /** What runs after commits; null for nothing. */
  readonly hooks: Hooks | null;
  readonly #listeners = new Set<(event: CommitEvent) => void>();
  readonly #onProgress = new Set<() => void>();

  constructor(
    table: string,
    onCommit: ReplicatorOptions["onCommit"],
    hooks: Hooks | null,
    clock: Clock,
  ) {
    this.#table = table;
    this.#clock = clock;
    this.#onCommit = onCommit;
    this.hooks = hooks;
  }

  /** Calls the listener with every commit's changes. Returns a function that ends it. */
  subscribe(listener: (event: CommitEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls the listener whenever the cursor or the state may have changed. Returns how to end it. */
  onProgress(listener: () => void): () => void {
    this.#onProgress.add(listener);
    return () => this.#onProgress.delete(listener);
  }

  /** For how long it has been waited for the function given as `onCommit`, in milliseconds. */
  callbackMs(): number {
    return this.#calledAt === null ? 0 : this.#clock.monotonic() - this.#calledAt;
  }

  /** The cursor or the state may have changed. */
  progressed(): void {
    for (const listener of [...this.#onProgress]) listener();
  }

  /** Whether anybody wants to be told of commits also while the table catches up. */
  get wantsEvents(): boolean {
    return this.#listeners.size > 0 || this.awaitsEvents || (this.hooks?.wantsChanges ?? false);
  }

  /** Whether the cursor waits for somebody who is told. */
  get awaitsEvents(): boolean {
    return this.#onCommit !== undefined;
  }

  /**
   * Rows were committed.
   *
   * @throws {LockstepError} `callback`: they must be told again
   */
  async tell(event: CommitEvent): Promise<void> {
    this.hooks?.note(event);
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        log.error("{table}: a subscriber threw: {error}", {
          table: this.#table,
          error: messageOf(error),
        });
      }
    }
    if (this.#onCommit === undefined) return;
    this.#calledAt = this.#clock.monotonic();
    try {
      await this.#onCommit(event);
    } catch (error) {
      throw new LockstepError(`onCommit failed: ${messageOf(error)}`, {
        kind: "callback",
        retry: "soon",
        hint: "mend the function given as onCommit; it is told the same changes again",
        cause: error,
      });
    } finally {
      this.#calledAt = null;
    }
  }
}
