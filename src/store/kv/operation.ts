/**
 * An atomic operation that knows how full it is.
 *
 * @module
 */

import {
  keyBytes,
  MAX_MUTATIONS,
  MAX_OPERATION_BYTES,
  MAX_SET_KEY_BYTES,
  OPERATION_HEADROOM,
} from "./limits.ts";
import { retryWhileLocked } from "./retry_locked.ts";

/** The entry that every operation of a tenancy checks: set once by the holder of the lease. */
export interface Fence {
  readonly key: Deno.KvKey;
  readonly versionstamp: string;
}

/** What became of an operation; not `ok` where its fence is gone. */
export type CommitOutcome = Deno.KvCommitResult | Deno.KvCommitError;

/** Mutations kept free for the cursor. */
const RESERVED_MUTATIONS = 1;

/** Collects mutations until one more would not fit. */
export class Operation {
  readonly #atomic: Deno.AtomicOperation;
  #mutations = 0;
  #bytes = 0;
  #setKeyBytes = 0;
  #signature: string | null = null;
  #hasEpoch = false;

  constructor(kv: Deno.Kv, fence: Fence) {
    this.#atomic = kv.atomic().check({ key: fence.key, versionstamp: fence.versionstamp });
  }

  /** The id that it writes into the cursor's entry; null where it writes none. */
  get signature(): string | null {
    return this.#signature;
  }

  /** It writes the cursor's entry, with an id by which that is known to be its work. */
  sign(signature: string): void {
    this.#signature = signature;
  }

  /** True before the first mutation. */
  get empty(): boolean {
    return this.#mutations === 0;
  }

  /** Whether these still fit, with room left for the cursor. */
  fits(mutations: number, bytes: number, setKeyBytes: number): boolean {
    return this.#mutations + mutations <= MAX_MUTATIONS - RESERVED_MUTATIONS &&
      this.#bytes + bytes <= MAX_OPERATION_BYTES - OPERATION_HEADROOM &&
      this.#setKeyBytes + setKeyBytes <= MAX_SET_KEY_BYTES - OPERATION_HEADROOM;
  }

  /** @param valueBytes the value's serialised size, or an upper bound of it */
  set(key: Deno.KvKey, value: unknown, valueBytes: number, expireIn?: number): void {
    const bytes = keyBytes(key);
    this.#mutations++;
    this.#bytes += 2 * bytes + valueBytes;
    this.#setKeyBytes += bytes;
    this.#atomic.set(key, value, expireIn === undefined ? undefined : { expireIn });
  }

  delete(key: Deno.KvKey): void {
    this.#mutations++;
    this.#bytes += keyBytes(key);
    this.#atomic.delete(key);
  }

  /**
   * Sends it once to a remote store.
   *
   * @param key the cursor's entry
   * @param epoch the version that it has to have
   */
  attemptAt(key: Deno.KvKey, epoch: string | null): Promise<CommitOutcome> {
    if (!this.#hasEpoch) this.#atomic.check({ key, versionstamp: epoch });
    this.#hasEpoch = true;
    return this.#atomic.commit();
  }

  /** Sends it once; what another commit is in the way of fails (`isLocked`), and may be sent again. */
  attempt(): Promise<CommitOutcome> {
    return this.#atomic.commit();
  }

  /**
   * Sends it until no other commit is in the way. It may be sent after one that was sent later:
   * the {@linkcode Committer} sees to the order of those that depend on it.
   */
  commit(): Promise<CommitOutcome> {
    return retryWhileLocked(() => this.attempt());
  }
}
