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
import type { Clock } from "../base/clock.ts";
import { LockstepError } from "../protocol/errors.ts";
import { beatKey, leaseKey } from "./keys.ts";
import type { Fence } from "./operation.ts";

/** A holder that gave no sign for so long is taken over: three missed beats. */
export const LEASE_MS = 15_000;

/** Between two beats. */
export const BEAT_MS = 5_000;

/** Who holds a table: the value of the lease entry. */
export interface Holder {
  readonly id: string;
  readonly pid: number;
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

/** True where a process of this host is known to be gone. */
function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // Without the permission to look, or for another user's process, it may well be alive.
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
}

/** The current holder, alive or not; null for a table that nobody holds. */
export async function holderOf(kv: Deno.Kv, table: string): Promise<Holder | null> {
  return (await kv.get<Holder>(leaseKey(table))).value;
}

/** Waits until the holder is known to be dead; throws when it is alive. */
async function outwait(kv: Deno.Kv, table: string, holder: Holder, path: string, clock: Clock) {
  if (holder.host === Deno.hostname() && isGone(holder.pid)) return;
  const seen = (await kv.get<Beat>(beatKey(table))).value;
  const age = clock.now() - (seen?.time ?? 0);
  const isAlive = async () => {
    const beat = (await kv.get<Beat>(beatKey(table))).value;
    return beat?.id === holder.id && beat.time !== seen?.time;
  };
  if (seen?.id === holder.id && age < LEASE_MS) {
    // On this host the process is there and has just given a sign. On another one only time tells.
    if (holder.host === Deno.hostname()) throw held(table, path, holder);
    for (let waited = 0; waited < LEASE_MS; waited += 1000) {
      await clock.sleep(1000);
      if (await isAlive()) throw held(table, path, holder);
    }
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
      const taken = await kv.atomic().check(current)
        .set(leaseKey(table), holder).set(beatKey(table), beat).commit();
      if (taken.ok) return new Lease(kv, table, holder, taken.versionstamp);
    }
  }

  /** Gives a sign of life. Returns false when the table was taken over. */
  async beat(now: number): Promise<boolean> {
    const beat: Beat = { id: this.holder.id, time: now };
    const result = await this.#kv.atomic().check(this.fence).set(beatKey(this.#table), beat)
      .commit();
    return result.ok;
  }

  /** Gives the table free, if it is still ours. */
  async release(): Promise<void> {
    await this.#kv.atomic().check(this.fence)
      .delete(leaseKey(this.#table)).delete(beatKey(this.#table)).commit();
  }
}
