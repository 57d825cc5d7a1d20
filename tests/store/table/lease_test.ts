import assert from "node:assert/strict";
import process from "node:process";
import { systemClock } from "../../../src/base/clock.ts";
import { beatKey, leaseKey } from "../../../src/store/kv/keys.ts";
import { BEAT_MS, type Holder, holderOf, Lease, LEASE_MS } from "../../../src/store/table/lease.ts";
import { HandClock } from "../../support/clock.ts";
import { assertTable, rowsIn } from "../../support/oracle.ts";
import { startTestOrigin } from "../../support/reference_origin.ts";
import { startReplica } from "../../support/replicas.ts";
import { TempStore } from "../../support/temp_store.ts";

const START = Date.UTC(2026, 0, 1);

/** Puts a holder into the store as another process would have. */
async function hold(kv: Deno.Kv, pid: number, host: string, beat: number): Promise<Holder> {
  const since = "2026-01-01T00:00:00.000Z";
  const holder: Holder = { id: crypto.randomUUID(), pid, host, since, statusUrl: null };
  await kv.set(leaseKey("servers"), holder);
  await kv.set(beatKey("servers"), { id: holder.id, time: beat });
  return holder;
}

const take = (kv: Deno.Kv, clock = new HandClock(START)) =>
  Lease.take(kv, "servers", "/a/store", null, clock);

/** A process that is there, and one that isn't any more. */
async function processes(): Promise<{ dead: number; alive: Deno.ChildProcess }> {
  const gone = new Deno.Command("true").spawn();
  await gone.status;
  return { dead: gone.pid, alive: new Deno.Command("sleep", { args: ["60"] }).spawn() };
}

Deno.test("a table that is held is refused, naming process, host and since when", async () => {
  using kv = await Deno.openKv(":memory:");
  const { alive } = await processes();
  await hold(kv, alive.pid, Deno.hostname(), START - LEASE_MS + 1);
  await assert.rejects(take(kv), {
    kind: "lease-held",
    retry: "never",
    message: `table servers in /a/store is being written by process ${alive.pid} on ` +
      `${Deno.hostname()} since 2026-01-01T00:00:00.000Z`,
  });
  alive.kill("SIGKILL");
  await alive.status;
  assert.equal((await take(kv)).holder.pid, process.pid, "once it is dead, it is taken over");
});

Deno.test("a dead holder of this host is taken over at once", async () => {
  using kv = await Deno.openKv(":memory:");
  const { dead, alive } = await processes();
  alive.kill("SIGKILL");
  await alive.status;
  await hold(kv, dead, Deno.hostname(), START);
  const lease = await take(kv);
  assert.equal((await holderOf(kv, "servers"))?.id, lease.holder.id);
});

Deno.test("a holder that gave no sign for its lease's length is taken over, though it is there", async () => {
  using kv = await Deno.openKv(":memory:");
  const { alive } = await processes();
  await hold(kv, alive.pid, Deno.hostname(), START - LEASE_MS);
  await take(kv);
  alive.kill("SIGKILL");
  await alive.status;
});

Deno.test("a holder on another host is watched for its lease's length", async () => {
  for (const isAlive of [true, false]) {
    using kv = await Deno.openKv(":memory:");
    const clock = new HandClock(START);
    const holder = await hold(kv, 1, "elsewhere", START - 1000);
    let outcome: unknown = null;
    const taking = take(kv, clock).then((lease) => outcome = lease, (error) => outcome = error);
    for (let waited = 0; waited < LEASE_MS && outcome === null; waited += 1000) {
      await Promise.race([clock.whenSleeping(), taking]);
      if (isAlive && waited === 3000) {
        await kv.set(beatKey("servers"), { id: holder.id, time: clock.now() });
      }
      await clock.advance(1000);
      if (waited + 1000 < LEASE_MS && !isAlive) assert.equal(outcome, null, `after ${waited} ms`);
    }
    await taking;
    if (isAlive) assert.match(String(outcome), /by process 1 on elsewhere/);
    else assert.ok(outcome instanceof Lease);
    const { id } = await holderOf(kv, "servers") ?? {};
    assert.equal(id === holder.id, isAlive);
  }
});

Deno.test("a lease that was given back is free at once, and one that was lost is not given back", async () => {
  using kv = await Deno.openKv(":memory:");
  const first = await take(kv);
  await first.release();
  assert.equal(await holderOf(kv, "servers"), null);
  const second = await take(kv);
  const third = await take(kv, new HandClock(START + LEASE_MS));
  assert.equal(await second.beat(START), false, "it learns that it was replaced");
  await second.release();
  assert.equal((await holderOf(kv, "servers"))?.id, third.holder.id);
  assert.equal(await third.beat(START), true);
});

Deno.test("two who take a free table at once: one gets it", async () => {
  using kv = await Deno.openKv(":memory:");
  const takes = await Promise.allSettled([take(kv), take(kv), take(kv)]);
  assert.equal(takes.filter(({ status }) => status === "fulfilled").length, 1);
});

Deno.test("a second replica of a table is refused, and disturbs the first in nothing", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }, { id: 2 }] });
  await using store = await TempStore.create();
  await using first = await startReplica(origin.url, { kv: store.path });
  await first.live();
  const second = startReplica(origin.url, { kv: store.path });
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

Deno.test("a writer that was paused and replaced can't write over its successor", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1, n: 0 }] });
  await using store = await TempStore.create();
  const clock = new HandClock();
  const paused = await startReplica(origin.url, { kv: store.path, clock });
  // Its clock stands still: nothing is live on it, but what arrives is read into its window.
  await paused.until(({ bytes }) => bytes > 0, "it reads");
  const now = clock.now() + LEASE_MS;
  await using successor = await startReplica(origin.url, {
    kv: store.path,
    clock: { ...systemClock, now: () => now + performance.now() },
  });
  await successor.live();
  origin.table.put({ id: 1, n: 1 });
  origin.table.put({ id: 2, n: 1 });
  await successor.reached(1002);
  const kv = await store.open();
  const before = await rowsIn(kv, "servers");
  // The one that was paused goes on: with what it had, and with a sign of life.
  await clock.advance(BEAT_MS + 1000);
  await assert.rejects(paused.replicator.done, { kind: "lease-lost", retry: "never" });
  assert.deepEqual(await rowsIn(kv, "servers"), before);
  origin.table.put({ id: 3 });
  await successor.reached(1003);
  assert.deepEqual(successor.status.errors, []);
  await successor.stop();
  await assertTable(kv, origin.table.liveRows());
  await paused.stop();
});
