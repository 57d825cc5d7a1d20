/**
 * One writer per table: a lease in the store, and a file lock beside it.
 *
 * The lease entry is set once a tenancy and checked by every atomic operation of its holder, so a
 * holder that was paused and replaced can't write over its successor: its operations fail. A
 * second entry, the beat, is renewed while the holder lives; it is apart from the lease so that
 * renewing doesn't disturb the operations on their way.
 *
 * Who asks for a table that is held:
 * ```
 * lock held by another            → waits; never takes it over
 * lock free, holder had locked it → it is dead: taken over at once
 * lock says nothing (the holder had none, or there are no locks)
 *   the beat changes              → it lives: waits
 *   no change for one lease       → it is dead: taken over
 * no holder                       → taken
 * waited for one lease            → refused, naming the holder
 * ```
 * Time is that of the one who asks, by its stopwatch: clocks of two hosts aren't compared, and
 * neither pids, which several processes of one host may have, nor host names.
 *
 * @module
 */

import process from "node:process";
import type { Clock } from "../../base/clock.ts";
import { logger } from "../../base/log.ts";
import { LockstepError } from "../../protocol/errors.ts";
import { beatKey, leaseKey } from "../kv/keys.ts";
import type { StoreKind } from "../kv/open_store.ts";
import { type Fence, Operation } from "../kv/operation.ts";
import { retryWhileLocked } from "../kv/retry_locked.ts";
import { TableLock } from "./table_lock.ts";

const log = logger("store");

/**
 * A holder without a lock that gave no sign for so long is taken over: three missed beats. Who asks
 * for a table that is held waits as long for it.
 */
export const LEASE_MS = 15_000;

/** Between two beats. */
export const BEAT_MS = 5_000;

/**
 * The same for a store of each kind. Each beat on a remote store costs a write there, which is paid
 * for: one in 20 s makes 130,000 a month.
 */
export function leaseTimes(kind: StoreKind): { readonly leaseMs: number; readonly beatMs: number } {
  return kind === "remote"
    ? { leaseMs: 60_000, beatMs: 20_000 }
    : { leaseMs: LEASE_MS, beatMs: BEAT_MS };
}

/** Serialised size of a beat at most. */
const BEAT_BYTES = 256;

/** Between two looks at a holder: in a file, and where each look is paid for. */
const LOOK_MS = 1_000;
const LOOK_REMOTE_MS = 5_000;

/** Who holds a table: the value of the lease entry. */
export interface Holder {
  /** Tells two tenancies of one process apart. */
  readonly id: string;
  /** The process. */
  readonly pid: number;
  /** Its host's name. */
  readonly host: string;
  /** ISO-8601 time. */
  readonly since: string;
  /** Where its status server listens; null without one. */
  readonly statusUrl: string | null;
  /** Whether it holds the file lock beside the store; missing in stores of earlier versions. */
  readonly locked?: boolean;
}

/** The value of the beat entry. */
interface Beat {
  readonly id: string;
  /** Milliseconds since the Unix epoch, by the holder's clock: for people. */
  readonly time: number;
}

/** The current holder, alive or not; null for a table that nobody holds. */
export async function holderOf(kv: Deno.Kv, table: string): Promise<Holder | null> {
  return (await kv.get<Holder>(leaseKey(table))).value;
}

function held(table: string, path: string, holder: Holder | null): LockstepError {
  const who = holder === null
    ? "another process"
    : `process ${holder.pid} on ${holder.host} since ${holder.since}`;
  return new LockstepError(`table ${table} in ${path} is being written by ${who}`, {
    kind: "lease-held",
    retry: "never",
    hint: "stop that process, or use another --table or --kv; reading needs no lease",
  });
}

/** What a table's entries say of its holder at one moment. */
interface Look {
  readonly entry: Deno.KvEntryMaybe<Holder>;
  /** Changes whenever the table changes hands, and with every beat. */
  readonly sign: string;
}

async function look(kv: Deno.Kv, table: string): Promise<Look> {
  const keys = [leaseKey(table), beatKey(table)] as const;
  const [entry, beat] = await retryWhileLocked(() => kv.getMany<[Holder, Beat]>(keys));
  return { entry, sign: `${entry.versionstamp} ${beat.versionstamp}` };
}

/** A table and who asks for it. */
export interface Asking {
  readonly kv: Deno.Kv;
  readonly table: string;
  /** The store's file, or address. */
  readonly path: string;
  readonly kind: StoreKind;
  readonly statusUrl: string | null;
  readonly clock: Clock;
  /** Waits for as long as it takes, until this aborts; null: for one lease. */
  readonly standby?: AbortSignal | null;
}

/** The right to write a table. */
export class Lease {
  readonly #kv: Deno.Kv;
  readonly #table: string;
  readonly holder: Holder;
  readonly fence: Fence;

  /** Null where locks tell nothing. */
  readonly #lock: TableLock | null;

  private constructor(
    asking: Asking,
    holder: Holder,
    versionstamp: string,
    lock: TableLock | null,
  ) {
    this.#kv = asking.kv;
    this.#table = asking.table;
    this.#lock = lock;
    this.holder = holder;
    this.fence = { key: leaseKey(asking.table), versionstamp };
  }

  /**
   * Takes the lease of a table; waits for a holder to end, but no longer than for one lease.
   *
   * @throws {LockstepError} `lease-held`, naming the holder, while another process has it
   */
  static async take(asking: Asking): Promise<Lease> {
    const { kv, table, path, kind, clock, standby = null } = asking;
    const { leaseMs } = leaseTimes(kind);
    const began = clock.monotonic();
    let lock: TableLock | null = null;
    let seen: string | null = null;
    let changedAt = began;
    try {
      for (let isFirst = true;; isFirst = false) {
        const attempt: TableLock | "held" | "unavailable" = lock ??
          await TableLock.take(path, table);
        if (attempt instanceof TableLock) lock = attempt;
        const { entry, sign } = await look(kv, table);
        const now = clock.monotonic();
        if (seen !== null && sign !== seen) changedAt = now;
        seen = sign;
        const isOver = now - began >= leaseMs;
        // Who waits for one lease only takes over who gave no sign in all of it.
        const isWatched = standby !== null || changedAt === began;
        const isSilent = isWatched && now - changedAt >= leaseMs;
        const isDead = (lock !== null && entry.value?.locked === true) || isSilent;
        if (attempt !== "held" && (entry.value === null || isDead)) {
          const lease = await Lease.#set(asking, entry, lock);
          if (lease !== null) return lease;
          // Another one was faster: what is there now is the sign of a living one.
          continue;
        }
        const refusal = held(table, path, entry.value);
        if (isOver && standby === null) throw refusal;
        if (isFirst) {
          const { message } = refusal;
          if (standby === null) {
            const seconds = leaseMs / 1000;
            log.info("{message}; waiting up to {seconds} s for its end", { message, seconds });
          } else log.info("{message}; standing by", { message });
        }
        await clock.sleep(kind === "remote" ? LOOK_REMOTE_MS : LOOK_MS, standby ?? undefined);
      }
    } catch (error) {
      lock?.[Symbol.dispose]();
      throw error;
    }
  }

  /** Puts us into the store in the place of what was found there; null where that has changed. */
  static async #set(
    asking: Asking,
    found: Deno.KvEntryMaybe<Holder>,
    lock: TableLock | null,
  ): Promise<Lease | null> {
    const { kv, table, statusUrl, clock } = asking;
    const now = clock.now();
    const holder: Holder = {
      id: crypto.randomUUID(),
      pid: process.pid,
      host: Deno.hostname(),
      since: new Date(now).toISOString(),
      statusUrl,
      locked: lock !== null,
    };
    const beat: Beat = { id: holder.id, time: now };
    const taking = kv.atomic().check(found).set(leaseKey(table), holder).set(beatKey(table), beat);
    const taken = await retryWhileLocked(() => taking.commit());
    return taken.ok ? new Lease(asking, holder, taken.versionstamp, lock) : null;
  }

  /** Gives a sign of life. Returns false when the table was taken over. */
  async beat(now: number): Promise<boolean> {
    const operation = new Operation(this.#kv, this.fence);
    this.sign(operation, now);
    return (await operation.commit()).ok;
  }

  /** Whether a connection sees a sign of life of ours. */
  async isSeenBy(kv: Deno.Kv): Promise<boolean> {
    const { value } = await kv.get<Beat>(beatKey(this.#table));
    return value?.id === this.holder.id;
  }

  /** Adds a sign of life to an operation. */
  sign(operation: Operation, now: number): void {
    const beat: Beat = { id: this.holder.id, time: now };
    operation.set(beatKey(this.#table), beat, BEAT_BYTES);
  }

  /** Gives the table free, if it is still ours. */
  async release(): Promise<void> {
    const releasing = this.#kv.atomic().check(this.fence)
      .delete(leaseKey(this.#table)).delete(beatKey(this.#table));
    try {
      await retryWhileLocked(() => releasing.commit());
    } finally {
      // Behind the entries: who gets the lock finds the table free.
      this.#lock?.[Symbol.dispose]();
    }
  }
}

/** Another process has the table. */
export function takenOver(table: string): LockstepError {
  return new LockstepError(`table ${table} was taken over by another process`, {
    kind: "lease-lost",
    retry: "never",
    hint: "run one process a table",
  });
}
