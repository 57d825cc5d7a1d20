import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type FollowedChange,
  type JsonObject,
  LockstepError,
  openReplica,
  type Order,
  stringifyJson,
} from "../../src/mod.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { replicateOnce, startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

/** A copy kept by following changes. */
class Copy {
  readonly rows = new Map<string, JsonObject>();
  since: Order | null = null;

  take({ kind, key, value, cursor }: FollowedChange): void {
    if (kind === "put") this.rows.set(stringifyJson([...key]), value);
    else this.rows.delete(stringifyJson([...key]));
    this.since = cursor;
  }

  /** Rows as text, sorted. */
  get texts(): string[] {
    return textsOf([...this.rows.values()]);
  }
}

function textsOf(rows: readonly JsonObject[]): string[] {
  return rows.map((row) => stringifyJson(row)).sort();
}

Deno.test("changes are first what is there, by order, then what is committed", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 3 }, { id: 1 }, { id: 2 }], finite: true });
  await using replica = await startReplica(origin.url, { kv: ":memory:" });
  await replica.reached(1002);
  const changes = replica.replica.changes();
  const next = async () => {
    const { value } = await changes.next();
    return value && [value.kind, value.key[0], value.cursor];
  };
  assert.deepEqual(await next(), ["put", 3, 1000]);
  assert.deepEqual(await next(), ["put", 1, 1001]);
  assert.deepEqual(await next(), ["put", 2, 1002]);
  const waiting = next();
  origin.table.remove(3);
  assert.deepEqual(await waiting, ["delete", 3, 1003]);
  // From a cursor on: deletions, and what has the cursor's own order again.
  const resumed = [];
  for await (const { kind, key } of replica.replica.changes({ since: 1001 })) {
    resumed.push([kind, key[0]]);
    if (resumed.length === 3) break;
  }
  assert.deepEqual(resumed, [["put", 1], ["put", 2], ["delete", 3]]);
  await replica.stop();
  assert.deepEqual(await changes.next(), { value: undefined, done: true });
});

Deno.test("changes end with the signal, the loop, or the replicator", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await using replica = await startReplica(origin.url, { kv: ":memory:" });
  await replica.live();
  const stop = new AbortController();
  const count = async (signal?: AbortSignal) => {
    let changes = 0;
    const options = signal === undefined ? {} : { signal };
    for await (const _ of replica.replica.changes(options)) if (++changes === 1) seen.resolve();
    return changes;
  };
  let seen = Promise.withResolvers<void>();
  const aborted = count(stop.signal);
  await seen.promise;
  stop.abort();
  assert.equal(await aborted, 1);
  assert.equal(await count(AbortSignal.abort()), 0);
  seen = Promise.withResolvers();
  const ended = count();
  await seen.promise;
  await replica.stop();
  assert.equal(await ended, 1);
});

Deno.test("a follower that stops and resumes anywhere has what the origin has", async () => {
  const step = fc.oneof(
    fc.record({ put: fc.nat(9), text: fc.string({ maxLength: 3 }) }),
    fc.record({ remove: fc.nat(9) }),
    // So many changes are taken, then the follower goes away.
    fc.record({ follow: fc.integer({ min: 1, max: 6 }) }),
    fc.constant("tie" as const),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 30 }),
      fc.boolean(),
      fc.boolean(),
      async (steps, elsewhere, feed) => {
        let time = 1000;
        let isTie = false;
        await using origin = startTestOrigin({ finite: true });
        // From 0 on, an origin doesn't tell of deletions: without a row there is no cursor.
        origin.table.putAs({ id: "first", updated_at: time });
        const order = () => isTie ? (isTie = false, time) : ++time;
        await using store = await TempStore.create();
        await using replica = await startReplica(origin.url, { kv: store.path, feed });
        await replica.live();
        const copy = new Copy();
        const follow = async (enough: () => boolean) => {
          using reader = elsewhere ? await openReplica({ kv: store.path, table: "servers" }) : null;
          const { since } = copy;
          const stop = AbortSignal.timeout(2_000);
          const followed = reader?.changes({ since, pollMs: 1, signal: stop }) ??
            replica.replica.changes({ since, signal: stop });
          if (enough()) return;
          for await (const change of followed) {
            copy.take(change);
            if (enough()) break;
          }
        };
        for (const step of steps) {
          if (step === "tie") isTie = true;
          else if ("put" in step) {
            origin.table.putAs({ id: step.put, text: step.text, updated_at: order() });
          } else if ("remove" in step) {
            const deleted = order();
            origin.table.putAs({ id: step.remove, updated_at: deleted, deleted_at: deleted });
          } else if (replica.status.rows > 0) {
            let left = Math.min(step.follow, replica.status.rows);
            const begun = performance.now();
            await follow(() => left-- === 0 || performance.now() - begun > 1_000);
          }
        }
        if (time > 1000) await replica.reached(time);
        const wanted = textsOf(origin.table.liveRows()).join("\n");
        await follow(() => copy.texts.join("\n") === wanted);
        assert.equal(copy.texts.join("\n"), wanted);
      },
    ),
    { numRuns: 15 },
  );
});

Deno.test("a consumer that falls behind loses nothing, and needs no memory for it", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 0 }] });
  await using replica = await startReplica(origin.url, { kv: ":memory:" });
  await replica.live();
  const copy = new Copy();
  const changes = replica.replica.changes();
  copy.take((await changes.next()).value ?? assert.fail("ended"));
  // Live from here on, and not asked for anything while many changes come.
  const pending = changes.next();
  await new Promise((resolve) => setTimeout(resolve, 0));
  for (let i = 0; i < 25_000; i++) {
    if (i % 10 === 9) origin.table.remove(i % 16_000 - 1);
    else origin.table.put({ id: i % 16_000, i });
  }
  const head = Number(origin.table.put({ id: 0 }).updated_at);
  await replica.until(({ cursor }) => cursor === String(head), "all is stored");
  copy.take((await pending).value ?? assert.fail("ended"));
  const { inserted, updated, deleted, written } = replica.status.records;
  const all = inserted + updated + deleted + written;
  assert.ok(all > 10_000, `${all} changes would all wait`);
  origin.table.put({ id: "last" });
  for await (const change of changes) {
    copy.take(change);
    if (change.key[0] === "last") break;
  }
  assert.deepEqual(copy.texts, textsOf(origin.table.liveRows()));
});

Deno.test("a backlog longer than one pass comes whole and in order", async () => {
  await using store = await TempStore.create();
  const rows = Array.from({ length: 120_000 }, (_, id) => ({ id, x: "" }));
  await using origin = startTestOrigin({ finite: true });
  // Keys in one order, orders in another, many of them equal.
  for (const { id } of rows) {
    origin.table.putAs({ id: (id * 7919) % 120_000, updated_at: 1 + (id >> 2) });
  }
  await replicateOnce(origin.url, { kv: store.path });
  using reader = await openReplica({ kv: store.path, table: "servers" });
  const seen = new Set<unknown>();
  let last = 0;
  for await (const { key, order, cursor } of reader.changes()) {
    assert.ok(Number(order) >= last, "sorted");
    assert.equal(cursor, order);
    last = Number(order);
    seen.add(key[0]);
    if (seen.size === 120_000) break;
  }
  assert.equal(last, 30_000);
});

Deno.test("a table is read and followed beside the process that writes it", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1, ip: "192.0.2.1" }, { id: 2 }] });
  await using store = await TempStore.create();
  await assert.rejects(openReplica({ kv: store.path, table: "servers" }), /no store/);
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.live();
  await assert.rejects(
    openReplica({ kv: store.path, table: "groups" }),
    (error) => error instanceof LockstepError && /no table "groups"/.test(error.message),
  );
  using reader = await openReplica({ kv: store.path, table: "servers" });
  assert.equal((await reader.get(1))?.value.ip, "192.0.2.1");
  assert.deepEqual((await reader.getMany([[2], [3]])).map((row) => row?.key ?? null), [[2], null]);
  const { rows, cursor, url, writer } = await reader.status();
  assert.deepEqual([rows, cursor, url, writer?.pid], [2, 1001, origin.url, Deno.pid]);
  const copy = new Copy();
  const stop = new AbortController();
  const following = (async () => {
    const options = { pollMs: 1, signal: stop.signal };
    for await (const change of reader.changes(options)) copy.take(change);
  })();
  await waitFor(() => copy.rows.size === 2, "what is there");
  origin.table.remove(1);
  origin.table.put({ id: 3 });
  await waitFor(() => copy.rows.has("[3]") && !copy.rows.has("[1]"), "what comes");
  assert.equal((await reader.tombstone(1))?.order, 1002);
  assert.deepEqual((await Array.fromAsync(reader.list())).map(({ key }) => key), [[2], [3]]);
  assert.equal(copy.since, 1003);
  stop.abort();
  await following;
});
