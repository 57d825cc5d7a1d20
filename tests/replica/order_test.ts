/**
 * Last writer wins by order, over real sockets and a real store: ties, stale rows, tombstones, late
 * commits, and the protocol's own server of 2011.
 *
 * @module
 */

import assert from "node:assert/strict";
import { stringifyJson } from "../../src/protocol/json_text.ts";
import type { JsonObject } from "../../src/protocol/record.ts";
import type { CommitEvent } from "../../src/store/read/change.ts";
import { TableReader } from "../../src/store/read/table_reader.ts";
import { RECORDS_2011, start2011 } from "../../scripts/origin/reference_2011.ts";
import { OriginTable } from "../../scripts/origin/table.ts";
import { FastClock } from "../support/fast_clock.ts";
import { endless, MisbehavingOrigin, records } from "../support/misbehaving_origin.ts";
import { assertTable } from "../support/oracle.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { replicateOnce, startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

const text = (rows: readonly JsonObject[]) => rows.map((row) => stringifyJson(row) + "\n").join("");

Deno.test("against the server of 2011 there are five rows, each at its greatest order, and no growth", async () => {
  await using origin = await start2011();
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path });
  const kv = await store.open();
  const expected = RECORDS_2011.filter(({ deleted_at }) => deleted_at === null);
  const rowsAreThere = async () => {
    const rows = await Array.fromAsync(new TableReader(kv, "servers").list());
    return rows.length === expected.length;
  };
  await waitFor(rowsAreThere, "five rows");
  const received = () =>
    Object.values(replica.status.records).reduce((sum, records) => sum + records, 0);
  const before = received();
  const { commits } = replica.status;
  await waitFor(() => received() > before + 2_000, "thousands of repetitions");
  assert.ok(replica.status.commits <= commits + 3, "what is known is not written again");
  assert.deepEqual(replica.status.errors, []);
  assert.equal(replica.status.quarantined, 0);
  await replica.stop();
  await assertTable(kv, expected);
  const others = await Array.fromAsync(kv.list({ prefix: ["lockstep", "servers"] }));
  assert.ok(others.length <= 3, "cursor, and the tombstone of 124 at most");
});

Deno.test("thousands of rows of one order arrive whole, at once and in parts", async () => {
  const table = new OriginTable({ clock: () => 5_000 });
  for (let id = 0; id < 12_000; id++) table.put({ id: (id * 7_919) % 12_000 });
  await using origin = startTestOrigin({ finite: true, table });
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.until(({ live, rowsExact }) => live && rowsExact, "live");
  for (let id = 12_000; id < 12_500; id++) table.put({ id });
  await replica.until(({ rows }) => rows === 12_500, "more of the same order");
  const warned = await replica.until(({ warnings }) => warnings.length > 0, "a warning");
  assert.match(warned.warnings.join(), /rows of one order, again and again/);
  await replica.stop();
  await assertTable(await store.open(), table.liveRows());
});

Deno.test("an older row changes nothing, an equal one of other content wins, an identical one is silent", async () => {
  const row = (n: number, updated_at: number) => ({ id: 1, updated_at, n });
  const answers: [JsonObject, number, boolean][] = [
    [row(1, 10), 1, true],
    [row(1, 10), 1, false],
    [row(2, 10), 2, true],
    [row(3, 9), 2, false],
    [row(4, 11), 4, true],
    [{ id: 1, updated_at: 10, deleted_at: 10 }, 4, false],
  ];
  await using store = await TempStore.create();
  await using origin = await MisbehavingOrigin.start();
  const kv = await store.open();
  for (const [sent, n, isNews] of answers) {
    // Both ways of writing: alone, as a stream that is followed does, and gathered with others.
    for (const fill of [0, 2_000]) {
      const table = `fill${fill}`;
      const others = Array.from({ length: fill }, (_, i) => ({ id: 10 + i, updated_at: 1 }));
      origin.next(records(text([...others, sent])));
      const events: CommitEvent[] = [];
      const options = { kv: store.path, table, once: true };
      await using replica = await startReplica(`${origin.url}/servers`, options);
      replica.replica.subscribe((event) => void events.push(event));
      await replica.replicator.done;
      const stored = await new TableReader(kv, table).get([1]);
      assert.equal(stored?.value["n"], n);
      const news = events.flatMap(({ changes }) => changes).filter(({ key }) => key[0] === 1);
      assert.equal(news.length, isNews ? 1 : 0, `${stringifyJson(sent)} in ${table}`);
    }
  }
});

Deno.test("of two rows of one key in a batch the greater order counts, once", async () => {
  const tail = [{ id: 3, updated_at: 4, deleted_at: 4 }];
  const answer = records(text([
    { id: 1, updated_at: 1, n: 1 },
    { id: 1, updated_at: 3, n: 3 },
    { id: 1, updated_at: 2, n: 2 },
    { id: 2, updated_at: 3, n: 1 },
    { id: 2, updated_at: 3, n: 2 },
    { id: 3, updated_at: 4 },
    ...tail,
  ]));
  await using origin = await MisbehavingOrigin.start(answer, records(text(tail)));
  await using store = await TempStore.create();
  const replica = await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  assert.equal(replica.status.records.stale, 4);
  const live = [{ id: 1, updated_at: 3, n: 3 }, { id: 2, updated_at: 3, n: 2 }];
  await assertTable(await store.open(), live);
});

Deno.test("a stale row can't come back behind its tombstone, also of a row never seen", async () => {
  const first = records(text([
    { id: 1, updated_at: 1 },
    { id: 1, updated_at: 5, deleted_at: "yesterday", why: "sold" },
    { id: 9, updated_at: 6, deleted_at: 6 },
  ]));
  await using origin = await MisbehavingOrigin.start(
    first,
    first,
    records(text([{ id: 1, updated_at: 4 }, { id: 9, updated_at: 5 }, { id: 2, updated_at: 6 }])),
    records(text([{ id: 1, updated_at: 7, back: true }])),
  );
  await using store = await TempStore.create();
  const run = () => replicateOnce(`${origin.url}/servers`, { kv: store.path });
  const kv = await store.open();
  const reader = new TableReader(kv, "servers");
  await run();
  const tombstone = await reader.tombstone([1]);
  assert.deepEqual([tombstone?.order, tombstone?.deletedAt], [5, "yesterday"]);
  assert.deepEqual(tombstone?.value["why"], "sold");
  assert.equal((await reader.tombstone([9]))?.order, 6);
  await run();
  await assertTable(kv, [{ id: 2, updated_at: 6 }]);
  await run();
  await assertTable(kv, [{ id: 2, updated_at: 6 }, { id: 1, updated_at: 7, back: true }]);
  assert.equal(await reader.tombstone([1]), null);
});

Deno.test("deleted_at that is absent, null, false, 0 or empty means live; the rest is a deletion", async () => {
  const marks = [undefined, null, false, true, 0, 1, "", "x", {}, []];
  const sent = marks.map((mark, id) => ({
    id,
    updated_at: 1,
    ...(mark === undefined ? {} : { deleted_at: mark as JsonObject["deleted_at"] & JsonObject }),
  }));
  await using origin = await MisbehavingOrigin.start(records(text(sent as JsonObject[])));
  await using store = await TempStore.create();
  await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  const live = (sent as JsonObject[]).filter((_, id) => [0, 1, 2, 4, 6].includes(id));
  await assertTable(await store.open(), live);
});

Deno.test("a row that was committed late is fetched by the overlap, on every connect", async () => {
  await using origin = startTestOrigin({ finite: true, rows: [{ id: 1 }, { id: 2 }, { id: 3 }] });
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path, overlap: "2" });
  await replica.live();
  origin.table.putAs({ id: 9, updated_at: 1000.5, deleted_at: null });
  origin.table.putAs({ id: 8, updated_at: 999, deleted_at: null });
  await replica.until(({ rows }) => rows === 4, "the late one");
  assert.ok(origin.requests.slice(2).some(({ since }) => since === "1000"));
  assert.equal(replica.status.cursor, "1002");
  await replica.stop();
  const live = origin.table.liveRows().filter(({ id }) => id !== 8);
  await assertTable(await store.open(), live);
});

Deno.test("an overlap that reaches below the first order doesn't ask from 0, where deletions are left out", async () => {
  await using origin = startTestOrigin({ finite: true, rows: [{ id: 1 }, { id: 2 }] });
  await using store = await TempStore.create();
  const options = { kv: store.path, overlap: "1000000" };
  await replicateOnce(origin.url, options);
  origin.table.remove(1);
  await replicateOnce(origin.url, options);
  assert.deepEqual(origin.requests.map(({ since }) => since), ["0", "1001", "1", "1002"]);
  await assertTable(await store.open(), origin.table.liveRows());
});

Deno.test("of orders with a fraction an overlap that reaches the beginning leaves no late row out", async () => {
  await using origin = startTestOrigin({ finite: true });
  origin.table.putAs({ id: 1, updated_at: 0.995, deleted_at: null });
  await using store = await TempStore.create();
  const options = { kv: store.path, overlap: "1000" };
  await replicateOnce(origin.url, options);
  origin.table.putAs({ id: 2, updated_at: 0.994, deleted_at: null });
  await replicateOnce(origin.url, options);
  await assertTable(await store.open(), origin.table.liveRows());
});

Deno.test("in a live stream rows become visible in the origin's order", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 0 }] });
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.live();
  const orders: number[] = [];
  replica.replica.subscribe(({ changes }) =>
    orders.push(...changes.map(({ order }) => Number(order)))
  );
  for (let i = 0; i < 2_000; i++) {
    origin.table.put({ id: 5_000 - (i * 37) % 2_003 });
    if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await replica.reached(3_000);
  assert.equal(orders.length, 2_000);
  assert.deepEqual(orders, orders.toSorted((a, b) => a - b));
  await replica.stop();
  await assertTable(await store.open(), origin.table.liveRows());
});

Deno.test("a late row in a live stream neither moves the cursor back nor stops it", async () => {
  await using origin = await MisbehavingOrigin.start(endless([
    text([{ id: 1, updated_at: 5 }, { id: 2, updated_at: 6 }]),
  ]));
  await using store = await TempStore.create();
  const clock = new FastClock();
  await using replica = await startReplica(`${origin.url}/servers`, { kv: store.path, clock });
  await replica.reached(6);
  await replica.stop();
  origin.next(endless([
    text([{ id: 2, updated_at: 6 }, { id: 3, updated_at: 9 }, { id: 4, updated_at: 7 }]),
  ]));
  await using again = await startReplica(`${origin.url}/servers`, { kv: store.path, clock });
  await again.reached(9);
  await again.stop();
  assert.equal(origin.requests.at(-1)?.path, "/servers/6");
  const ids = [1, 2, 3, 4].map((id) => ({ id, updated_at: [5, 6, 9, 7][id - 1] ?? 0 }));
  await assertTable(await store.open(), ids);
});

Deno.test("a tombstone is forgotten after its time, a row never", async () => {
  await using origin = await MisbehavingOrigin.start(records(text([
    { id: 1, updated_at: 1 },
    { id: 2, updated_at: 2, deleted_at: 2 },
  ])));
  await using store = await TempStore.create();
  const before = Date.now();
  await replicateOnce(`${origin.url}/servers`, { kv: store.path, tombstoneTtlMs: 60_000 });
  const { expiresAt = 0 } = await new TableReader(await store.open(), "servers").tombstone([2]) ??
    {};
  assert.ok(expiresAt >= before + 60_000 && expiresAt <= Date.now() + 60_000);
});

Deno.test("string orders, composite keys and a start in the middle", async () => {
  await using origin = startTestOrigin({
    finite: true,
    orders: "iso",
    key: ["region", "id"],
    rows: [1, 2, 3].map((id) => ({ region: id === 3 ? "us" : "eu", id, n: id })),
  });
  await using store = await TempStore.create();
  const options = { kv: store.path, key: ["region", "id"] };
  const since = "1970-01-01T00:00:01.001Z";
  const replica = await replicateOnce(origin.url, { ...options, since });
  assert.equal(replica.status.cursor, "1970-01-01T00:00:01.002Z");
  const kv = await store.open();
  const [, second, third] = origin.table.liveRows();
  assert.ok(second && third);
  await assertTable(kv, [second, third], { key: options.key });
  origin.table.remove("us", 3);
  await replicateOnce(origin.url, options);
  await assertTable(kv, [second], { key: options.key });
});
