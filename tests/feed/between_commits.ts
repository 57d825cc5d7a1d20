/**
 * Readers that come while the commits of one run are on their way: rows are stored and told of by
 * then that the cursor doesn't cover yet.
 *
 * @module
 */

import assert from "node:assert/strict";
import { CommitHook } from "../support/commit_hook.ts";
import type { TestOrigin } from "../support/reference_origin.ts";
import type { TestReplica } from "../support/replicas.ts";
import { waitFor } from "../support/wait_for.ts";

/**
 * A reader from a cursor on.
 *
 * @param isWaiting to be called when it has got what it can get by now
 * @param isEnough to be called with each record; it is to end when that returns true
 */
export type Follow = (
  since: string,
  isWaiting: () => void,
  isEnough: (record: { readonly id?: unknown; readonly round?: unknown }) => boolean,
) => Promise<void>;

/** Stops a run before its first commit, its second one, and so on; a reader comes each time. */
export async function betweenCommits(replica: TestReplica, origin: TestOrigin, follow: Follow) {
  let stops = 0;
  for (let round = 1;; round++) {
    const reached = Promise.withResolvers<void>();
    const open = Promise.withResolvers<void>();
    let number = 0;
    using _hook = new CommitHook(async () => {
      if (++number !== round) return;
      reached.resolve();
      await open.promise;
    });
    const since = String(replica.status.cursor);
    // Some megabytes: several operations, and one that moves the cursor.
    const ids = Array.from({ length: 60 }, (_, i) => i);
    for (const id of ids) origin.table.put({ id, round, text: "x".repeat(50_000) });
    const last = origin.table.put({ id: "last", round });
    const end = Number(last["updated_at"]);
    const isOver = waitFor(() => Number(replica.status.cursor) >= end, "all of it is stored");
    // What wrote the last one may take one more commit, or one less.
    if (await Promise.race([reached.promise, isOver])) break;
    stops++;
    const missing = new Set<unknown>(ids);
    await follow(since, open.resolve, (record) => {
      if (record.round === round) missing.delete(record.id);
      const isLast = record.id === "last" && record.round === round;
      // It comes behind them; a little more shows that they don't come later.
      if (isLast && missing.size > 0) origin.table.put({ id: "after all" });
      return missing.size === 0 || record.id === "after all";
    });
    await isOver;
    assert.deepEqual([...missing], [], `stopped at commit ${round}, since ${since}`);
  }
  assert.ok(stops > 3, `a run of ${stops} commits`);
}
