import assert from "node:assert/strict";
import type { Clock } from "../../../src/base/clock.ts";
import { LockstepError } from "../../../src/protocol/errors.ts";
import { beatKey, leaseKey } from "../../../src/store/kv/keys.ts";
import { BEAT_MS, type Holder, holderOf, Lease, LEASE_MS } from "../../../src/store/table/lease.ts";
import { isLockHeld, lockPath, TableLock } from "../../../src/store/table/table_lock.ts";
import { FastClock } from "../../support/fast_clock.ts";
import { HandClock } from "../../support/clock.ts";
import { assertTable, rowsIn } from "../../support/oracle.ts";
import { startTestOrigin } from "../../support/reference_origin.ts";
import { startReplica } from "../../support/replicas.ts";
import { TempStore } from "../../support/temp_store.ts";

/** Puts a holder into the store as another process would have. */
async function hold(kv: Deno.Kv, locked = false): Promise<Holder> {
  const since = "2026-01-01T00:00:00.000Z";
  const holder: Holder = {
    id: crypto.randomUUID(),
    pid: 1,
    host: Deno.hostname(),
    since,
    statusUrl: null,
    locked,
  };
  await kv.set(leaseKey("servers"), holder);
  await beat(kv, holder);
  return holder;
}

const beat = (kv: Deno.Kv, { id }: Holder) => kv.set(beatKey("servers"), { id, time: 0 });

const take = (kv: Deno.Kv, clock: Clock = new HandClock(), path = ":memory:") =>
  Lease.take({ kv, table: "servers", path, kind: "file", statusUrl: null, clock });

/** A step of time for one who may be waiting, whose outcome is what it comes to. */
async function step(clock: HandClock, taking: Promise<unknown>): Promise<void> {
  await Promise.race([clock.whenSleeping(), taking.catch(() => {})]);
  await clock.advance(1000);
}

for (const dies of [false, true]) {
  const what = dies ? "dies is taken over as soon as it is" : "lives is refused after one lease";
  Deno.test(`a holder whose lock is held and that ${what}, whatever its beat says`, async () => {
    await using store = await TempStore.create();
    const kv = await store.open();
    await hold(kv, true);
    const theirs = await TableLock.take(store.path, "servers");
    assert.ok(theirs instanceof TableLock);
    const clock = new HandClock();
    const began = clock.monotonic();
    const taking = take(kv, clock, store.path);
    let outcome: unknown = null;
    taking.then((lease) => outcome = lease, (error) => outcome = error);
    for (let seconds = 0; outcome === null; seconds++) {
      if (dies && seconds === 5) theirs[Symbol.dispose]();
      await step(clock, taking);
    }
    const waited = clock.monotonic() - began;
    if (dies) {
      assert.ok(outcome instanceof Lease);
      assert.ok(waited <= 7_000, `${waited}`);
      await outcome.release();
    } else {
      assert.ok(outcome instanceof LockstepError);
      assert.deepEqual([outcome.kind, outcome.retry], ["lease-held", "never"]);
      assert.equal(
        outcome.message,
        `table servers in ${store.path} is being written by process 1 on ${Deno.hostname()} ` +
          "since 2026-01-01T00:00:00.000Z",
      );
      assert.ok(waited >= LEASE_MS && waited <= LEASE_MS + 2000, `${waited}`);
      theirs[Symbol.dispose]();
    }
  });
}

Deno.test("a holder whose lock is free is dead: it is taken over at once", async () => {
  await using store = await TempStore.create();
  const kv = await store.open();
  await hold(kv, true);
  const clock = new HandClock();
  const lease = await take(kv, clock, store.path);
  assert.equal(clock.sleeping, 0);
  assert.equal((await holderOf(kv, "servers"))?.id, lease.holder.id);
  await lease.release();
});

Deno.test("who stands by waits for as long as the beat changes, and takes over one lease after the last", async () => {
  await using store = await TempStore.create();
  const kv = await store.open();
  const clock = new HandClock();
  const holder = await hold(kv);
  const over = new AbortController();
  let outcome: Lease | null = null;
  const taking = Lease.take({
    ...{ kv, table: "servers", path: ":memory:", kind: "file" as const, statusUrl: null, clock },
    standby: over.signal,
  });
  taking.then((lease) => outcome = lease, () => {});
  const lastBeat = 5 * LEASE_MS;
  let waited = 0;
  for (; outcome === null && waited < 10 * LEASE_MS; waited += 1000) {
    if (waited <= lastBeat && waited % 5000 === 0) await beat(kv, holder);
    await step(clock, taking);
  }
  assert.ok(waited >= lastBeat + LEASE_MS && waited <= lastBeat + LEASE_MS + 3000, `${waited}`);
  await (await taking).release();
});

Deno.test("who stands by stops when told", async () => {
  await using store = await TempStore.create();
  const kv = await store.open();
  await hold(kv);
  const clock = new HandClock();
  const over = new AbortController();
  const taking = Lease.take({
    ...{ kv, table: "servers", path: ":memory:", kind: "file" as const, statusUrl: null, clock },
    standby: over.signal,
  });
  await clock.whenSleeping();
  over.abort();
  await assert.rejects(taking);
});

Deno.test("a holder that has no lock is watched: whose beat changes lives, whose doesn't is dead", async () => {
  for (const locks of ["none", "ours alone"]) {
    for (const isAlive of [true, false]) {
      await using store = await TempStore.create();
      const kv = await store.open();
      const clock = new HandClock();
      const holder = await hold(kv);
      let outcome: unknown = null;
      const taking = take(kv, clock, locks === "none" ? ":memory:" : store.path);
      taking.then((lease) => outcome = lease, (error) => outcome = error);
      for (let waited = 0; waited <= LEASE_MS && outcome === null; waited += 1000) {
        // Set back or ahead, the wall clock has no say in it.
        clock.stepWall(waited % 2000 === 0 ? 3_600_000 : -3_600_000);
        if (isAlive && waited === 3000) await beat(kv, holder);
        if (waited < LEASE_MS) assert.equal(outcome, null, `after ${waited} ms`);
        await step(clock, taking);
      }
      await taking.catch(() => {});
      if (isAlive) assert.match(String(outcome), /by process 1 on /);
      else assert.ok(outcome instanceof Lease);
      if (outcome instanceof Lease) await outcome.release();
      else assert.equal((await holderOf(kv, "servers"))?.id, holder.id);
    }
  }
});

Deno.test("a lease that was given back is free at once, and one that was lost is not given back", async () => {
  using kv = await Deno.openKv(":memory:");
  const first = await take(kv);
  await first.release();
  assert.equal(await holderOf(kv, "servers"), null);
  const second = await take(kv);
  const third = await take(kv, new FastClock(100));
  assert.equal(await second.beat(0), false, "it learns that it was replaced");
  await second.release();
  assert.equal((await holderOf(kv, "servers"))?.id, third.holder.id);
  assert.equal(await third.beat(0), true);
});

Deno.test("two who take a table at once: one gets it, free or left by a dead holder", async () => {
  for (const isFree of [true, false]) {
    for (const path of ["memory", "file"]) {
      await using store = await TempStore.create();
      const kv = await store.open();
      if (!isFree) await hold(kv);
      const one = () => take(kv, new FastClock(100), path === "file" ? store.path : ":memory:");
      const takes = await Promise.allSettled([one(), one(), one()]);
      const taken = takes.filter((one) => one.status === "fulfilled");
      assert.equal(taken.length, 1);
      await taken[0]?.value.release();
    }
  }
});

Deno.test("a table's lock is this user's alone, and every table has one of its own", async () => {
  await using store = await TempStore.create();
  const names = ["servers", "Servers", "", "a/b", "..", "\0", "é", "x".repeat(300)];
  const locks: TableLock[] = [];
  for (const name of names) {
    const lock = await TableLock.take(store.path, name);
    assert.ok(lock instanceof TableLock, name);
    locks.push(lock);
    assert.equal(await isLockHeld(store.path, name), true);
    const { mode } = await Deno.stat(lockPath(store.path, name));
    assert.equal((mode ?? 0) & 0o777, 0o600);
    assert.equal(await TableLock.take(store.path, name), "held");
  }
  for (const lock of locks) lock[Symbol.dispose]();
  for (const name of names) assert.equal(await isLockHeld(store.path, name), false);
});

Deno.test("a second replica of a table is refused, and disturbs the first in nothing", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }, { id: 2 }] });
  await using store = await TempStore.create();
  await using first = await startReplica(origin.url, { kv: store.path });
  await first.live();
  const second = startReplica(origin.url, { kv: store.path, clock: new FastClock(100) });
  await assert.rejects(second, { kind: "lease-held" });
  // Another table of the same store is another matter.
  await using other = await startReplica(origin.url, { kv: store.path, table: "others" });
  await other.live();
  origin.table.put({ id: 3 });
  await Promise.all([first.reached(1002), other.reached(1002)]);
  // Two writers of one file may lock each other out for a moment; that passes by itself.
  const errors = first.status.errors.filter(({ message }) => !message.includes("is locked"));
  assert.deepEqual(errors, []);
});

/** A host whose clock is an hour ahead. */
class AheadClock extends FastClock {
  override now(): number {
    return super.now() + 3_600_000;
  }
}

Deno.test("a second host with its clock an hour ahead is refused, where no lock tells it so", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await using store = await TempStore.create();
  await Deno.mkdir(lockPath(store.path, "servers"));
  await using first = await startReplica(origin.url, { kv: store.path, clock: new FastClock(10) });
  await first.live();
  const second = startReplica(origin.url, { kv: store.path, clock: new AheadClock(10) });
  await assert.rejects(second, { kind: "lease-held" });
  origin.table.put({ id: 2 });
  await first.reached(1001);
});

Deno.test("a writer that was paused and replaced can't write over its successor", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1, n: 0 }] });
  await using store = await TempStore.create();
  // Where locks tell nothing: what keeps the two apart then is the lease's fence alone.
  await Deno.mkdir(lockPath(store.path, "servers"));
  const clock = new HandClock();
  const paused = await startReplica(origin.url, { kv: store.path, clock });
  // Its clock stands still: nothing is live on it, but what arrives is read into its window.
  await paused.until(({ bytes }) => bytes > 0, "it reads");
  await using successor = await startReplica(origin.url, {
    kv: store.path,
    clock: new FastClock(20),
  });
  await successor.live();
  origin.table.put({ id: 1, n: 1 });
  origin.table.put({ id: 2, n: 1 });
  await successor.reached(1002);
  const kv = await store.open();
  const before = await rowsIn(kv, "servers");
  // The one that was paused goes on: with what it had, and with a sign of life.
  await clock.advance(BEAT_MS + 1000);
  await paused.until(({ state }) => state === "failing", "it learns of its end", 5_000);
  await assert.rejects(paused.replicator.done, { kind: "lease-lost", retry: "never" });
  assert.deepEqual(await rowsIn(kv, "servers"), before);
  origin.table.put({ id: 3 });
  await successor.reached(1003);
  assert.deepEqual(successor.status.errors, []);
  await successor.stop();
  await assertTable(kv, origin.table.liveRows());
  await paused.stop();
});
