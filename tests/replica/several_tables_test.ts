/**
 * Several tables in one process: what ends one of them leaves the others running.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { ReplicatorOptions } from "../../src/replica/options.ts";
import { replicate, type Replicator } from "../../src/replica/replicator.ts";
import type { TableStatus } from "../../src/replica/status.ts";
import { HandClock } from "../support/clock.ts";
import { MisbehavingOrigin, records, status } from "../support/misbehaving_origin.ts";
import { assertTable } from "../support/oracle.ts";
import { startTestOrigin, type TestOrigin } from "../support/reference_origin.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

/** Two tables of origins that stay open, both live. */
async function startTwo(
  bad: TestOrigin,
  good: TestOrigin,
  options: Omit<ReplicatorOptions, "sources">,
): Promise<Replicator> {
  const replicator = await replicate({
    ...options,
    sources: [{ url: bad.url }, { url: good.url }],
  });
  await waitFor(() => replicator.status().tables.every(({ live }) => live), "both are live");
  return replicator;
}

/** Waits until a table has failed for good, and checks that the other one goes on. */
async function assertOnlyOneFails(replicator: Replicator, good: TestOrigin): Promise<TableStatus> {
  const bad = replicator.table("bad");
  await waitFor(() => bad.status().state === "failing", "the bad one has failed");
  // Enough to notice if the failure were still on its way to the other.
  for (let id = 100; id < 110; id++) {
    good.table.put({ id });
    await waitFor(() => replicator.table("good").get(id), `row ${id}`);
  }
  assert.equal(replicator.table("good").status().state, "live");
  assert.ok(replicator.isTurning(), "a table that has ended doesn't hang");
  return bad.status();
}

/** Makes another process the table's holder. */
async function takeOver(store: TempStore): Promise<Deno.Kv> {
  const kv = await store.open();
  await kv.set(["lockstep", "bad", "lease"], { id: "another" });
  return kv;
}

Deno.test("a table that is lost to another process ends by itself; the others go on, and the end tells", async () => {
  await using bad = startTestOrigin({ name: "bad", rows: [{ id: 1 }] });
  await using good = startTestOrigin({ name: "good", rows: [{ id: 1 }] });
  await using store = await TempStore.create();
  await using replicator = await startTwo(bad, good, { kv: store.path });
  let hasEnded = false;
  replicator.done.catch(() => hasEnded = true);
  const kv = await takeOver(store);
  bad.table.put({ id: 2 });
  const { reason, hint, nextAttempt, errors } = await assertOnlyOneFails(replicator, good);
  assert.match(reason ?? "", /table bad .*was taken over by another process/);
  assert.match(hint ?? "", /one process a table/);
  assert.equal(nextAttempt, null);
  assert.deepEqual(errors.map(({ kind }) => kind), ["lease-lost"]);
  assert.equal(hasEnded, false);
  // What was stored stays readable here; nothing more is written, nor the other's lease removed.
  assert.equal((await replicator.table("bad").get(1))?.value.id, 1);
  assert.equal(await replicator.table("bad").get(2), null);
  await replicator.stop();
  await assert.rejects(replicator.done, { kind: "lease-lost" });
  assert.deepEqual(replicator.status().tables.map(({ state }) => state), ["failing", "stopped"]);
  assert.notEqual((await kv.get(["lockstep", "bad", "lease"])).value, null);
  assert.equal((await kv.get(["lockstep", "good", "lease"])).value, null);
  await assertTable(kv, good.table.liveRows(), { table: "good" });
});

Deno.test("so does one that finds out by its heartbeat", async () => {
  await using bad = startTestOrigin({ name: "bad" });
  await using good = startTestOrigin({ name: "good" });
  await using store = await TempStore.create();
  const clock = new HandClock();
  const sources = [{ url: bad.url }, { url: good.url }];
  await using replicator = await replicate({ kv: store.path, clock, sources });
  await takeOver(store);
  await waitFor(async () => {
    await clock.advance(1_000);
    return replicator.table("bad").status().state === "failing";
  }, "the beat is refused");
  const { reason, errors } = replicator.table("bad").status();
  assert.match(reason ?? "", /taken over by another process/);
  assert.equal(errors[0]?.kind, "lease-lost");
  good.table.put({ id: 1 });
  await waitFor(async () => {
    await clock.advance(1_000);
    return await replicator.table("good").get(1) !== null;
  }, "the good one goes on");
  assert.ok(replicator.isTurning());
});

Deno.test("a transform that loses one table's keys ends that table alone", async () => {
  await using bad = startTestOrigin({ name: "bad", rows: [{ id: 1 }] });
  await using good = startTestOrigin({ name: "good", rows: [{ id: 1 }] });
  await using replicator = await startTwo(bad, good, {
    kv: ":memory:",
    transform: (record) => record.odd ? { ...record, id: 0 } : record,
  });
  bad.table.put({ id: 2, odd: true });
  const { reason, live } = await assertOnlyOneFails(replicator, good);
  assert.match(reason ?? "", /transform changed the field id/);
  assert.equal(live, false);
  await replicator.stop();
  await assert.rejects(replicator.done, { kind: "usage" });
});

Deno.test("changes of a table that has ended come to their end", async () => {
  await using bad = startTestOrigin({ name: "bad", rows: [{ id: 1 }] });
  await using good = startTestOrigin({ name: "good", rows: [{ id: 1 }] });
  await using store = await TempStore.create();
  await using replicator = await startTwo(bad, good, { kv: store.path });
  const following = Array.fromAsync(replicator.table("bad").changes());
  await takeOver(store);
  bad.table.put({ id: 2 });
  assert.deepEqual((await following).map(({ key }) => key), [[1]]);
});

Deno.test("once: a table that can't be had doesn't keep the others from their end, which then fails", async () => {
  await using refusing = await MisbehavingOrigin.start(status(404));
  await using good = startTestOrigin({
    name: "good",
    rows: Array.from({ length: 2_000 }, (_, id) => ({ id })),
    finite: true,
  });
  await using store = await TempStore.create();
  await using replicator = await replicate({
    kv: store.path,
    once: true,
    sources: [{ url: `${refusing.url}/bad` }, { url: good.url }],
  });
  await assert.rejects(replicator.done, { kind: "status", status: 404 });
  assert.deepEqual(replicator.status().tables.map(({ state }) => state), ["failing", "stopped"]);
  assert.equal(refusing.requests.length, 1);
  await assertTable(await store.open(), good.table.liveRows(), { table: "good" });
});

Deno.test("strict ends all tables at the first bad record of one", async () => {
  await using bad = await MisbehavingOrigin.start(records('{"id":1}\n'));
  await using good = startTestOrigin({ name: "good", rows: [{ id: 1 }] });
  await using replicator = await replicate({
    kv: ":memory:",
    strict: true,
    sources: [{ url: good.url }, { url: `${bad.url}/bad` }],
  });
  await assert.rejects(replicator.done, { kind: "bad-record" });
  assert.deepEqual(replicator.status().tables.map(({ state }) => state), ["stopped", "failing"]);
});

Deno.test("a table that is refused at the start starts none, and frees those that were taken", async () => {
  await using a = startTestOrigin({ name: "a", rows: [{ id: 1 }], finite: true });
  await using b = startTestOrigin({ name: "b", rows: [{ id: 1 }], finite: true });
  await using store = await TempStore.create();
  const first = await replicate({ kv: store.path, once: true, url: b.url });
  await first.done;
  const sources = [{ url: a.url }, { url: b.url }];
  await assert.rejects(replicate({ kv: store.path, sources, orderBy: "other" }), {
    kind: "foreign-store",
  });
  assert.equal(a.requests.length, 0);
  const kv = await store.open();
  assert.equal((await kv.get(["lockstep", "a", "lease"])).value, null);
});
