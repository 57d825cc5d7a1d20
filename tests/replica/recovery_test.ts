import assert from "node:assert/strict";
import type { TableStatus } from "../../src/replica/status.ts";
import { CommitHook } from "../support/commit_hook.ts";
import { FastClock } from "../support/fast_clock.ts";
import { assertTable } from "../support/oracle.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

Deno.test("whichever commit fails, the stream is left, and the next one makes the table whole", async () => {
  for (let failing = 1; failing <= 6; failing++) {
    await using origin = startTestOrigin({ rows: [{ id: 1 }, { id: 2 }] });
    await using store = await TempStore.create();
    let left = 0;
    using _hook = new CommitHook(() => {
      if (left > 0 && --left === 0) throw new Error("disk I/O error");
    });
    await using replica = await startReplica(origin.url, {
      kv: store.path,
      clock: new FastClock(),
      idleTimeoutMs: 3_600_000,
    });
    await replica.until(({ live, rowsExact }) => live && rowsExact, "live");
    left = failing;
    for (let round = 0; round < 6; round++) {
      for (let id = 0; id < 700; id++) origin.table.put({ id: (id * 13) % 900, round });
      origin.table.remove(round);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    // On a busy machine all of that may fit fewer commits.
    const isStoredOrFailed = ({ errors, cursor }: TableStatus) =>
      errors.length > 0 || cursor === String(origin.table.head);
    for (let round = 0; replica.status.errors.length === 0; round++) {
      origin.table.put({ id: 1, round });
      await replica.until(isStoredOrFailed, `commit ${failing} fails`);
    }
    assert.equal(replica.status.errors[0]?.kind, "store");
    const { rows } = await replica.until(
      ({ live, cursor, rowsExact }) => live && rowsExact && cursor === String(origin.table.head),
      "whole again",
    );
    assert.equal(rows, origin.table.size);
    await waitFor(() => origin.server.open === 1, "the connection that failed is closed");
    await replica.stop();
    await assertTable(await store.open(), origin.table.liveRows());
  }
});

Deno.test("while the store fails, requests are few, and what it says names the store", async () => {
  await using origin = startTestOrigin({ finite: true, rows: [{ id: 1 }] });
  await using store = await TempStore.create();
  let isFailing = false;
  using _hook = new CommitHook(() => {
    if (isFailing) throw new Error("database or disk is full");
  });
  await using replica = await startReplica(origin.url, { kv: store.path, clock: new FastClock() });
  await replica.live();
  isFailing = true;
  origin.table.put({ id: 2 });
  const { reason, hint } = await replica.until(({ state }) => state === "waiting", "full");
  assert.ok(reason?.includes(store.path));
  assert.match(hint ?? "", /free space on the disk/);
  const before = origin.requests.length;
  await replica.until(({ errors }) => errors.length >= 5, "tried again");
  assert.ok(origin.requests.length - before <= 5);
  isFailing = false;
  await replica.reached(1001);
  assert.equal(replica.status.reason, null);
  await replica.stop();
  await assertTable(await store.open(), origin.table.liveRows());
});

Deno.test("what a listener throws, or is slow at, costs no row", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await using store = await TempStore.create();
  const clock = new FastClock();
  let failures = 0;
  await using replica = await startReplica(origin.url, {
    kv: store.path,
    clock,
    onCommit: async ({ changes }) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (changes.some(({ key }) => key[0] === 3) && failures++ === 0) throw new Error("no");
    },
  });
  await replica.live();
  for (let id = 2; id <= 5; id++) origin.table.put({ id });
  await replica.reached(1004);
  assert.ok(failures >= 2, "the change that it failed at comes again");
  await replica.stop();
  await assertTable(await store.open(), origin.table.liveRows());
});
