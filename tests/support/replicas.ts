/**
 * A replica under test: quick polls, and ways to wait for what it does.
 *
 * @module
 */

import type { ReplicatorOptions } from "../../src/replica/options.ts";
import type { Replica } from "../../src/replica/replica.ts";
import { replicate, type Replicator } from "../../src/replica/replicator.ts";
import type { TableStatus } from "../../src/replica/status.ts";
import { waitFor } from "./wait_for.ts";

/** Options of a replica of one table. */
export interface TestReplicaOptions extends Omit<ReplicatorOptions, "sources"> {
  readonly table?: string;
}

/** A running replica of one table. */
export class TestReplica implements AsyncDisposable {
  readonly replicator: Replicator;
  readonly replica: Replica;

  constructor(replicator: Replicator) {
    const [replica] = replicator.tables.values();
    if (replica === undefined) throw new Error("no table");
    this.replicator = replicator;
    this.replica = replica;
  }

  get status(): TableStatus {
    return this.replica.status();
  }

  /** Waits until the status is as wished; a replica that ends first is a failure. */
  async until(
    wish: (status: TableStatus) => boolean,
    what: string,
    deadlineMs?: number,
  ): Promise<TableStatus> {
    let ended: unknown = null;
    this.replicator.done.then(() => ended = "ended", (error) => ended = error);
    return await waitFor(
      () => {
        const { status } = this;
        if (wish(status)) return status;
        if (ended !== null) throw new Error(`the replica ended before ${what}`, { cause: ended });
        return null;
      },
      `${what}, of ${this.status.table}`,
      deadlineMs,
    ).catch((error) => {
      console.error(this.status);
      throw error;
    });
  }

  live(): Promise<TableStatus> {
    return this.until(({ live }) => live, "live");
  }

  /** Live, with everything up to this order stored. */
  reached(cursor: string | number | bigint): Promise<TableStatus> {
    return this.until(
      (status) => status.live && status.cursor === String(cursor),
      `live at ${cursor}`,
    );
  }

  stop(): Promise<void> {
    return this.replicator.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** Starts a replica of one table that polls often. */
export async function startReplica(
  url: string,
  { table = "servers", ...options }: TestReplicaOptions,
): Promise<TestReplica> {
  const replicator = await replicate({ pollMs: 1, sources: [{ url, table }], ...options });
  return new TestReplica(replicator);
}

/** Replicates once, to the end; rejects with what it failed with. */
export async function replicateOnce(
  url: string,
  options: TestReplicaOptions,
): Promise<TestReplica> {
  const started = await startReplica(url, { once: true, ...options });
  await started.replicator.done;
  return started;
}
