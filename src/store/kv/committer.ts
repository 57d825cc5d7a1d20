/**
 * Commits operations, two at a time, so that the next is prepared while one is on its way.
 *
 * Two are 1.6 times as fast as one; four are no faster. But with two in flight the first can fail
 * while the second succeeds. So nothing counts as committed before all that was submitted earlier
 * is, and after a failure nothing does: the caller starts over from the cursor.
 *
 * An operation that another process's commit was in the way of is no failure: it is sent again, and
 * after it what was sent behind it, stored or not, so that the last word is that of the later one.
 * For a while then they go one at a time.
 *
 * @module
 */

import { Signal } from "../../base/signal.ts";
import { LockstepError } from "../../protocol/errors.ts";
import { isLocked, storeFault } from "./store_error.ts";
import type { CommitOutcome, Operation } from "./operation.ts";

const IN_FLIGHT = 2;

/** For so long after a lock operations go one at a time, in milliseconds: another writer is busy. */
const ALONE_MS = 1_000;

/** An operation on its way. */
interface Sent {
  readonly operation: Operation;
  /** Outcome of the first attempt; null where another commit was in the way. */
  readonly first: Promise<CommitOutcome | null>;
  /** False while it waits for those before it. */
  isSent: boolean;
  /** The one that was sent while this one was on its way; null for none. */
  next: Sent | null;
}

/** Null where another commit was in the way. */
async function attempt(operation: Operation): Promise<CommitOutcome | null> {
  try {
    return await operation.attempt();
  } catch (error) {
    if (isLocked(error)) return null;
    throw error;
  }
}

/** Options of a {@linkcode Committer}. */
export interface CommitterOptions {
  /** The store's path, for errors. */
  readonly path: string;
  readonly table: string;
  /** Told of every commit: how long it took, in milliseconds. */
  readonly onCommit: (milliseconds: number) => void;
}

/** A queue that sends operations to a store, in order, and tells when they are durable. */
export interface OperationQueue {
  /** True where operations are applied in the order in which they are submitted, signed or not. */
  readonly isOrdered: boolean;
  /** True when nothing is on its way. */
  readonly isIdle: boolean;
  /** For how long the store has been busy without finishing anything, in milliseconds. */
  readonly waitingMs: number;
  /**
   * Sends an operation as soon as there is room for it, and returns then.
   *
   * @param committed called when this one and all before it are durable, in order
   * @throws {LockstepError} when an earlier operation failed
   */
  submit(
    operation: Operation,
    committed?: (versionstamp: string) => void | Promise<void>,
  ): Promise<void>;
  /** Resolves when all that was submitted is durable; throws when some of it failed. */
  idle(): Promise<void>;
  /** Waits for what is on its way and forgets a failure, to start over. */
  reset(): Promise<void>;
}

export class Committer implements OperationQueue {
  readonly isOrdered = true;
  readonly #options: CommitterOptions;
  #inFlight = 0;
  /** When an operation was last sent to an idle store, or came back from a busy one. */
  #movedAt = 0;
  #last: Promise<void> = Promise.resolve();
  #newest: Sent | null = null;
  /** Operations to be sent again: they met a lock, or were sent behind one that did. */
  readonly #repeated = new Set<Sent>();
  /** Until then they go one at a time. */
  #aloneUntil = -Infinity;
  #failure: LockstepError | null = null;
  readonly #freed = new Signal();
  /** Operations ever submitted, and those of them that were sent: the rest waits in this order. */
  #submitted = 0;
  #sent = 0;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  /** True when nothing is on its way, nor waits to be. */
  get isIdle(): boolean {
    return this.#inFlight === 0 && this.#sent === this.#submitted;
  }

  /** For how long the store has been busy without finishing anything, in milliseconds. */
  get waitingMs(): number {
    return this.#inFlight === 0 ? 0 : performance.now() - this.#movedAt;
  }

  /**
   * Sends an operation as soon as fewer than two are on their way, and returns then. Of several that
   * wait each is sent in its turn: a later one carries the table's later state.
   *
   * @param committed called when this one and all before it are durable, in order
   * @throws {LockstepError} when an earlier operation failed
   */
  async submit(
    operation: Operation,
    committed?: (versionstamp: string) => void | Promise<void>,
  ): Promise<void> {
    const turn = this.#submitted++;
    const isFree = () => turn === this.#sent && this.#inFlight < IN_FLIGHT;
    if (!isFree()) await this.#freed.until(isFree);
    this.#sent++;
    this.#freed.notify();
    this.#check();
    if (this.#inFlight === 0) this.#movedAt = performance.now();
    this.#inFlight++;
    this.#last = this.#settle(this.#send(operation), this.#last, committed);
  }

  /** Resolves when all that was submitted is durable; throws when some of it failed. */
  async idle(): Promise<void> {
    await this.#settled();
    this.#check();
  }

  /** Waits for what is on its way and forgets a failure, to start over. */
  async reset(): Promise<void> {
    await this.#settled();
    this.#failure = null;
  }

  /** Resolves when what was submitted by now has come to an end. */
  async #settled(): Promise<void> {
    const submitted = this.#submitted;
    await this.#freed.until(() => this.#sent >= submitted);
    await this.#last;
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Beside the one before it, or after it where that waits or may have to be sent again. */
  #send(operation: Operation): Sent {
    const before = this.#newest;
    const isAlone = this.#repeated.size > 0 || performance.now() < this.#aloneUntil ||
      before?.isSent === false;
    const first = isAlone
      ? this.#last.then(() => {
        this.#check();
        sent.isSent = true;
        return attempt(operation);
      })
      : attempt(operation);
    const sent: Sent = { operation, first, isSent: !isAlone, next: null };
    if (before !== null && !isAlone) before.next = sent;
    this.#newest = sent;
    return sent;
  }

  async #settle(
    sent: Sent,
    previous: Promise<void>,
    committed?: (versionstamp: string) => void | Promise<void>,
  ): Promise<void> {
    const began = performance.now();
    try {
      let result = await sent.first;
      if (result === null) this.#repeated.add(sent);
      else this.#noteCommit(result, began);
      await previous;
      if (this.#failure !== null) return;
      if (result === null || this.#repeated.has(sent)) {
        result = await this.#sendAgain(sent);
        this.#noteCommit(result, began);
      }
      if (result.ok && this.#failure === null) await committed?.(result.versionstamp);
    } catch (error) {
      this.#failure ??= storeFault(this.#options.path, error);
      await previous;
    } finally {
      this.#repeated.delete(sent);
      // An operation is large: not to be held while nothing is on its way.
      if (this.#newest === sent) this.#newest = null;
      this.#inFlight--;
      this.#movedAt = performance.now();
      this.#freed.notify();
    }
  }

  /** To be called when all that was submitted earlier is stored. */
  async #sendAgain({ operation, next }: Sent): Promise<CommitOutcome> {
    if (next !== null) {
      this.#repeated.add(next);
      await next.first.catch(() => {
        // That one fails by itself.
      });
    }
    const outcome = await operation.commit();
    this.#aloneUntil = performance.now() + ALONE_MS;
    return outcome;
  }

  #noteCommit(result: CommitOutcome, began: number): void {
    this.#options.onCommit(performance.now() - began);
    if (!result.ok) throw leaseLost(this.#options);
  }
}

function leaseLost({ table, path }: CommitterOptions): LockstepError {
  return new LockstepError(
    `table ${table} in ${path} was taken over by another process; nothing was written over it`,
    {
      kind: "lease-lost",
      retry: "never",
      hint: "run one process a table; this one was paused or cut off for longer than its lease",
    },
  );
}
