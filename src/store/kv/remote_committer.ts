/**
 * Commits operations to a store behind KV Connect, where a request may be lost, answered late,
 * applied twice, or applied and never answered.
 *
 * ```text
 *  window   a  b  c  d        unsigned: their keys are disjoint, so they commute; several at once
 *                     ╲
 *  closing             S      signed: alone; sets the cursor's entry, with an id of its own
 *  window                 e  f  g …
 * ```
 *
 * - The **epoch** is the version of the cursor's entry. Every operation checks it, besides the lease:
 *   what was sent before a closing commit can't be applied behind it, however late it arrives.
 * - An **uncertain** operation (it threw, or nothing was heard of it in time) is sent again: applied
 *   twice it changes nothing, and an older epoch fences it off.
 * - A closing commit that is uncertain, or refused, is looked up: its id in the entry means that it
 *   was applied; the epoch it was built on, that it wasn't; anything else, that another process has
 *   the table.
 *
 * While a stream is followed every operation is signed, so that one is on its way at a time.
 *
 * @module
 */

import type { Clock } from "../../base/clock.ts";
import { LockstepError, messageOf } from "../../protocol/errors.ts";
import type { CommitOutcome } from "./operation.ts";
import { inTime, REMOTE_DEADLINE_MS } from "./remote_kv.ts";

/** An uncertain operation is sent so often; with their pauses about two minutes. */
const MOST_ATTEMPTS = 8;

const FIRST_PAUSE_MS = 100;
const MOST_PAUSE_MS = 10_000;

/** Operations on their way at once, by what one takes, in milliseconds: measured against denokv. */
const IN_FLIGHT_BY_LATENCY = [
  { belowMs: 2, operations: 2 },
  { belowMs: 10, operations: 4 },
  { belowMs: 35, operations: 8 },
  { belowMs: Infinity, operations: 16 },
] as const;

/** The share of the newest commit in the moving average of what one takes. */
const NEWEST_SHARE = 0.2;

/** An operation as it is sent to a remote store. */
export interface RemoteOperation {
  /** The id in the cursor's entry that it writes; null where it writes none. */
  readonly signature: string | null;
  /**
   * Sends it once.
   *
   * @param key the cursor's entry
   * @param epoch the version that it has to have
   */
  attemptAt(key: Deno.KvKey, epoch: string | null): Promise<CommitOutcome>;
}

/** The cursor's entry as it is stored. */
export interface SignedEntry {
  readonly versionstamp: string | null;
  /** The id of the operation that wrote it; null where none did. */
  readonly signature: string | null;
}

/** What a {@linkcode RemoteCommitter} needs. */
export interface RemoteCommitterOptions {
  /** The store's address, for errors. */
  readonly path: string;
  readonly table: string;
  readonly clock: Clock;
  /** Told of every commit: how long it took, in milliseconds. */
  readonly onCommit: (milliseconds: number) => void;
  /** The cursor's entry. */
  readonly entryKey: Deno.KvKey;
  /** Reads it. */
  readonly readEntry: () => Promise<SignedEntry>;
  /** A store's failure in the operator's words. */
  readonly fault: (error: unknown) => LockstepError;
  /** Default {@linkcode REMOTE_DEADLINE_MS}. */
  readonly deadlineMs?: number;
}

export class RemoteCommitter {
  readonly isOrdered = false;
  readonly #options: RemoteCommitterOptions;
  readonly #flights = new Set<Promise<void>>();
  /** Those who submit are served in their order. */
  #turn: Promise<void> = Promise.resolve();
  #last: Promise<void> = Promise.resolve();
  #epoch: string | null;
  #failure: LockstepError | null = null;
  #movedAt = 0;
  #latencyMs = 0;

  /** @param epoch the version of the cursor's entry; null where there is none yet */
  constructor(options: RemoteCommitterOptions, epoch: string | null) {
    this.#options = options;
    this.#epoch = epoch;
  }

  /** True when nothing is on its way. */
  get isIdle(): boolean {
    return this.#flights.size === 0;
  }

  /** For how long the store has been busy without finishing anything, in milliseconds. */
  get waitingMs(): number {
    return this.isIdle ? 0 : performance.now() - this.#movedAt;
  }

  /** Operations that may be on their way at once. */
  get mostInFlight(): number {
    return IN_FLIGHT_BY_LATENCY.find(({ belowMs }) => this.#latencyMs < belowMs)?.operations ?? 2;
  }

  /**
   * Sends an operation as soon as there is room for it, and returns then: an unsigned one beside
   * others, a signed one alone.
   *
   * @param committed called when this one and all before it are durable, in order
   * @throws {LockstepError} when an earlier operation failed
   */
  async submit(
    operation: RemoteOperation,
    committed?: (versionstamp: string) => void | Promise<void>,
  ): Promise<void> {
    const turn = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    await turn;
    try {
      const most = operation.signature === null ? this.mostInFlight : 1;
      while (this.#flights.size >= most) await Promise.race(this.#flights);
      this.#check();
      if (this.isIdle) this.#movedAt = performance.now();
      const previous = this.#last;
      const flight = this.#settle(operation, previous, committed);
      this.#flights.add(flight);
      this.#last = flight;
      void flight.then(() => {
        this.#flights.delete(flight);
        this.#movedAt = performance.now();
      });
      // Nothing may overtake a signed operation: what follows is built on its epoch.
      if (operation.signature !== null) await flight;
    } finally {
      resolve();
    }
  }

  /** Resolves when all that was submitted is durable; throws when some of it failed. */
  async idle(): Promise<void> {
    while (!this.isIdle) await Promise.all(this.#flights);
    this.#check();
  }

  /** Waits for what is on its way, forgets a failure, and learns the epoch anew, to start over. */
  async reset(): Promise<void> {
    while (!this.isIdle) await Promise.all(this.#flights);
    this.#failure = null;
    const entry = await this.#inTime(this.#options.readEntry()).catch((error: unknown) => {
      throw this.#options.fault(error);
    });
    this.#epoch = entry.versionstamp;
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  async #settle(
    operation: RemoteOperation,
    previous: Promise<void>,
    committed?: (versionstamp: string) => void | Promise<void>,
  ): Promise<void> {
    try {
      const versionstamp = await this.#send(operation, this.#epoch);
      if (operation.signature !== null) this.#epoch = versionstamp;
      await previous;
      if (this.#failure === null) await committed?.(versionstamp);
    } catch (error) {
      this.#failure ??= this.#options.fault(error);
      await previous;
    }
  }

  /** Sends an operation until it is known to be applied. Returns its versionstamp. */
  async #send(operation: RemoteOperation, epoch: string | null): Promise<string> {
    const { clock, onCommit } = this.#options;
    for (let attempts = 1;; attempts++) {
      const began = performance.now();
      let outcome: CommitOutcome | null = null;
      try {
        outcome = await this.#inTime(operation.attemptAt(this.#options.entryKey, epoch));
      } catch (error) {
        if (attempts === MOST_ATTEMPTS || !isUncertain(error)) throw error;
      }
      if (outcome?.ok) {
        const took = performance.now() - began;
        this.#latencyMs += NEWEST_SHARE * (took - this.#latencyMs);
        onCommit(took);
        return outcome.versionstamp;
      }
      if (operation.signature !== null) {
        const applied = await this.#lookUp(operation.signature, epoch);
        if (applied !== null) return applied;
      }
      // Refused, and not because it was applied before: the lease is another's.
      if (outcome !== null) throw this.#lost();
      const pause = Math.min(MOST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempts - 1));
      await clock.sleep(pause * (1 + clock.random()) / 2);
    }
  }

  /** What became of a signed operation: its versionstamp, or null where it wasn't applied. */
  async #lookUp(signature: string, epoch: string | null): Promise<string | null> {
    const entry = await this.#inTime(this.#options.readEntry());
    if (entry.signature === signature && entry.versionstamp !== null) return entry.versionstamp;
    if (entry.versionstamp === epoch) return null;
    throw this.#lost();
  }

  #lost(): LockstepError {
    const { table, path } = this.#options;
    return new LockstepError(
      `table ${table} in ${path} was taken over by another process; nothing was written over it`,
      {
        kind: "lease-lost",
        retry: "never",
        hint: "run one process a table; this one was paused or cut off for longer than its lease",
      },
    );
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    const { clock, deadlineMs = REMOTE_DEADLINE_MS } = this.#options;
    return inTime(work, deadlineMs, clock);
  }
}

/**
 * What a server answers for good, and what Deno refuses before it is sent: an operation that failed
 * so was not applied, and never will be. The first is Deno's word where a token was refused.
 */
const REFUSED = /failed to fetch metadata|status=4(?!29)\d\d|\btoo (?:large|many) .*\(max/i;

/** Whether an operation that failed so may have been applied, or may be when it is sent again. */
function isUncertain(error: unknown): boolean {
  return !(error instanceof LockstepError) && !REFUSED.test(messageOf(error));
}
