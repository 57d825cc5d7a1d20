/**
 * Which queue a table's operations go through.
 *
 * @module
 */

import type { Clock } from "../../base/clock.ts";
import { Committer, type OperationQueue } from "../kv/committer.ts";
import { cursorKey } from "../kv/keys.ts";
import type { Store } from "../kv/open_store.ts";
import { RemoteCommitter } from "../kv/remote_committer.ts";
import { storeFault } from "../kv/store_error.ts";
import type { TableMeta } from "../kv/stored_values.ts";

/** What a queue is opened with. */
export interface QueueOptions {
  readonly table: string;
  readonly clock: Clock;
  /** Told of every commit: how long it took, in milliseconds. */
  readonly onCommit: (milliseconds: number) => void;
  /** The version of the cursor's entry; null where there is none yet. */
  readonly epoch: string | null;
}

/** What sends a table's operations: in order to a file, by epochs to a remote store. */
export function openQueue(
  store: Store,
  { table, clock, onCommit, epoch }: QueueOptions,
): OperationQueue {
  const { path } = store;
  if (store.kind !== "remote") return new Committer({ path, table, onCommit });
  const entryKey = cursorKey(table);
  return new RemoteCommitter({
    path,
    table,
    clock,
    onCommit,
    entryKey,
    readEntry: async () => {
      const { value, versionstamp } = await store.writer.get<TableMeta>(entryKey);
      return { versionstamp, signature: value?.operation ?? null };
    },
    fault: (error) => storeFault(path, error),
  }, epoch);
}
