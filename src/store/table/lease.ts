/**
 * One writer per table: a lease in the store.
 *
 * The lease entry is set once a tenancy and checked by every atomic operation of its holder, so a
 * holder that was paused and replaced can't write over its successor: its operations fail. A
 * second entry, the beat, is renewed while the holder lives; it is apart from the lease so that
 * renewing doesn't disturb the operations on their way.
 *
 * @module
 */

import process from "node:process";
import type { Clock } from "../../base/clock.ts";
import { LockstepError } from "../../protocol/errors.ts";
import { beatKey, leaseKey } from "../kv/keys.ts";
import { type Fence, Operation } from "../kv/operation.ts";
import { retryWhileLocked } from "../kv/retry_locked.ts";

/** A holder that gave no sign for so long is taken over: three missed beats. */
export const LEASE_MS = 15_000;

/** Between two beats. */
export const BEAT_MS = 5_000;

/** Serialised size of a beat at most. */
const BEAT_BYTES = 256;

/** Between two looks for a beat of a holder on another host. */
const LOOK_MS = 1_000;

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
}

/** The value of the beat entry. */
interface Beat {
  readonly id: string;
  /** Milliseconds since the Unix epoch, by the holder's clock. */
  readonly time: number;
}

/** Leases that this very process holds: after a restart in a container the pid is the same. */
const heldHere = new Set<string>();

/**
 * Whether a process of this host is there; null where that can't be told. Asked of the shell,
 * which the program may run anyway: signals and /proc would want more permissions.
 */
async function isRunning(pid: number): Promise<boolean | null> {
  const script = 'kill -0 "$0" 2>/dev/null || [ -e "/proc/$0" ]';
  try {
    const { success } = await new Deno.Command("sh", {
      args: ["-c", script, String(pid)],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch {
    return null;
  }
}

/** The current holder, alive or not; null for a table that nobody holds. */
export async function holderOf(kv: Deno.Kv, table: string): Promise<Holder | null> {
  return (await kv.get<Holder>(leaseKey(table))).value;
}

/** Whether the holder is alive; null where only time tells. */
async function isAlive(holder: Holder): Promise<boolean | null> {
  if (holder.host !== Deno.hostname()) return null;
  if (holder.pid === process.pid) return heldHere.has(holder.id);
  return await isRunning(holder.pid);
}

/** Waits until the holder is known to be dead; throws when it is alive. */
async function outwait(kv: Deno.Kv, table: string, holder: Holder, path: string, clock: Clock) {
  const beatOf = async () => (await kv.get<Beat>(beatKey(table))).value;
  const seen = await beatOf();
  const isFresh = seen?.id === holder.id && clock.now() - seen.time < LEASE_MS;
  const alive = await isAlive(holder);
  if (alive === false || !isFresh) return;
  if (alive) throw held(table, path, holder);
  for (let waited = 0; waited < LEASE_MS; waited += LOOK_MS) {
    await clock.sleep(LOOK_MS);
    const beat = await beatOf();
    if (beat?.id === holder.id && beat.time !== seen.time) throw held(table, path, holder);
  }
}

function held(table: string, path: string, holder: Holder): LockstepError {
  const { pid, host, since } = holder;
  return new LockstepError(
    `table ${table} in ${path} is being written by process ${pid} on ${host} since ${since}`,
    {
      kind: "lease-held",
      retry: "never",
      hint: "stop that process, or use another --table or --kv; reading needs no lease",
    },
  );
}

/** The right to write a table. */
export class Lease {
  readonly #kv: Deno.Kv;
  readonly #table: string;
  readonly holder: Holder;
  readonly fence: Fence;

  private constructor(kv: Deno.Kv, table: string, holder: Holder, versionstamp: string) {
    this.#kv = kv;
    this.#table = table;
    this.holder = holder;
    this.fence = { key: leaseKey(table), versionstamp };
  }

  /**
   * Takes the lease of a table.
   *
   * @throws {LockstepError} `lease-held`, naming the holder, while another process has it
   */
  static async take(
    kv: Deno.Kv,
    table: string,
    path: string,
    statusUrl: string | null,
    clock: Clock,
  ): Promise<Lease> {
    const holder: Holder = {
      id: crypto.randomUUID(),
      pid: process.pid,
      host: Deno.hostname(),
      since: new Date(clock.now()).toISOString(),
      statusUrl,
    };
    for (;;) {
      const current = await kv.get<Holder>(leaseKey(table));
      if (current.value !== null) await outwait(kv, table, current.value, path, clock);
      const beat: Beat = { id: holder.id, time: clock.now() };
      const taking = kv.atomic().check(current)
        .set(leaseKey(table), holder).set(beatKey(table), beat);
      const taken = await retryWhileLocked(() => taking.commit());
      if (taken.ok) {
        heldHere.add(holder.id);
        return new Lease(kv, table, holder, taken.versionstamp);
      }
    }
  }

  /** Gives a sign of life. Returns false when the table was taken over. */
  async beat(now: number): Promise<boolean> {
    const operation = new Operation(this.#kv, this.fence);
    this.sign(operation, now);
    return (await operation.commit()).ok;
  }

  /** Adds a sign of life to an operation. */
  sign(operation: Operation, now: number): void {
    const beat: Beat = { id: this.holder.id, time: now };
    operation.set(beatKey(this.#table), beat, BEAT_BYTES);
  }

  /** Gives the table free, if it is still ours. */
  async release(): Promise<void> {
    heldHere.delete(this.holder.id);
    const releasing = this.#kv.atomic().check(this.fence)
      .delete(leaseKey(this.#table)).delete(beatKey(this.#table));
    await retryWhileLocked(() => releasing.commit());
  }
}
