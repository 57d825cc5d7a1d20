/**
 * Origins that send at most so much an answer: the length of an answer proves nothing.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertTable, rowsIn } from "../support/oracle.ts";
import { HandClock } from "../support/clock.ts";
import { FastClock } from "../support/fast_clock.ts";
import { PagedOrigin, type PagedRecord, type PageLimits } from "../support/paged_origin.ts";
import { replicateOnce, startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

function rows(count: number, order = (n: number) => n): PagedRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    id: i + 1,
    updated_at: 1000 + order(i),
    deleted_at: null,
    text: "x".repeat(i % 7 === 0 ? 300 : 5),
  }));
}

const LIMITS: Readonly<Record<string, PageLimits>> = {
  "one record at a time, and the next": { records: 2 },
  "a hundred records": { records: 100 },
  "so many bytes": { bytes: 4_000 },
  "a hundred records, most of them filtered out behind that": {
    records: 100,
    filter: ({ id }) => Number(id) < 80 || Number(id) % 5 === 0,
  },
};

for (const [name, limits] of Object.entries(LIMITS)) {
  Deno.test(`an origin that answers with ${name} is read to its end, in one run`, async () => {
    await using origin = new PagedOrigin(limits);
    origin.put(...rows(name.startsWith("one") ? 40 : 1000));
    await using store = await TempStore.create();
    const clock = new FastClock();
    await replicateOnce(origin.url, { kv: store.path, table: "items", clock });
    const { filter = () => true } = limits;
    await assertTable(await store.open(), origin.records.filter(filter), { table: "items" });
  });
}

Deno.test("pages follow each other without the pause between passes", async () => {
  await using origin = new PagedOrigin({ records: 100 });
  origin.put(...rows(1090));
  await using replica = await startReplica(origin.url, {
    kv: ":memory:",
    table: "items",
    pollMs: 3_600_000,
  });
  await replica.reached(2089);
  assert.deepEqual(origin.lengths, [...Array(11).fill(100), 1]);
});

Deno.test("a paged resync removes what the origin has forgotten, and nothing that it has", async () => {
  for (const limits of [{ bytes: 4_000 }, { records: 90 }, { records: 90, isLinked: true }]) {
    await using origin = new PagedOrigin(limits);
    origin.put(...rows(1000));
    await using store = await TempStore.create();
    const options = { kv: store.path, table: "items", clock: new FastClock() };
    await replicateOnce(origin.url, options);
    origin.records = origin.records.filter(({ id }) => Number(id) % 10 !== 3);
    await replicateOnce(origin.url, { ...options, resync: true });
    await assertTable(await store.open(), origin.records, { table: "items" });
  }
});

Deno.test("rows of one order that fill a page are live, said, and no proof: nothing is removed", async () => {
  await using origin = new PagedOrigin({ records: 100 });
  origin.put(...rows(300, (n) => Math.min(n, 150)));
  await using store = await TempStore.create();
  const options = { kv: store.path, table: "items", clock: new FastClock() };
  await using replica = await startReplica(origin.url, options);
  const { warnings } = await replica.reached(1150);
  assert.match(warnings.join(), /100 rows of one order/);
  const before = (await rowsIn(await store.open(), "items")).size;
  replica.replica.requestResync("the test wants it");
  const { sweep } = await replica.until(
    ({ state }) => state === "held" || state === "live",
    "read",
  );
  await replica.until(({ live, connections }) => live && connections > 8, "read again");
  assert.notEqual(sweep?.state, "removing");
  assert.equal((await rowsIn(await store.open(), "items")).size, before);
});

Deno.test("an origin that never pauses is live after three short answers, and said to be one", async () => {
  await using origin = new PagedOrigin();
  origin.put(...rows(1000));
  let next = 1000;
  origin.before = () =>
    origin.put({ id: `new ${next}`, updated_at: 1000 + next++, deleted_at: null });
  await using store = await TempStore.create();
  const options = { kv: store.path, table: "items", clock: new FastClock() };
  await using replica = await startReplica(origin.url, options);
  const { warnings, connections } = await replica.live();
  assert.match(warnings.join(), /never pauses/);
  assert.ok(connections >= 4, String(connections));
  origin.before = () => {};
  await replica.until(({ warnings }) => warnings.length === 0, "it has paused");
  await replica.stop();
  await assertTable(await store.open(), origin.records, { table: "items" });
});

Deno.test("an origin that has one more record each time causes no tight loop", async () => {
  await using origin = new PagedOrigin();
  let next = 0;
  origin.before = () => origin.put({ id: 1, updated_at: 1000 + next++, deleted_at: null });
  const clock = new HandClock();
  await using replica = await startReplica(origin.url, { kv: ":memory:", table: "items", clock });
  await waitFor(() => origin.lengths.length >= 4, "the first, which may be pages");
  // Time stands still: whoever waits for it asks no more, however long this takes.
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(origin.lengths.length <= 5, `${origin.lengths.length} requests`);
  await waitFor(async () => {
    await clock.advance(100);
    return origin.lengths.length > 6;
  }, "it goes on asking");
  assert.deepEqual(replica.status.errors, []);
});

Deno.test("a sweep waits while the origin never pauses, and comes with a complete answer", async () => {
  await using origin = new PagedOrigin();
  origin.put(...rows(1000));
  await using store = await TempStore.create();
  const options = { kv: store.path, table: "items", clock: new FastClock() };
  await replicateOnce(origin.url, options);
  origin.records = origin.records.filter(({ id }) => Number(id) > 100);
  let next = 1000;
  origin.before = () =>
    origin.put({ id: `new ${next}`, updated_at: 1000 + next++, deleted_at: null });
  await using replica = await startReplica(origin.url, { ...options, resync: true });
  await replica.until(({ live, connections }) => live && connections > 6, "live");
  assert.ok((await rowsIn(await store.open(), "items")).size >= 1000, "nothing is removed");
  origin.before = () => {};
  await replica.until(({ sweep, rows }) => sweep === null && rows < 1000, "swept");
  await replica.stop();
  await assertTable(await store.open(), origin.records, { table: "items" });
});

Deno.test("over linked pages no row is lost that a deletion shifts from page to page", async () => {
  await using origin = new PagedOrigin({ records: 10, isLinked: true });
  origin.put(...rows(35));
  // A deletion is an update: the row moves to the end, and those behind it one place ahead.
  origin.before = (request) => {
    if (request === 1) origin.put({ id: 5, updated_at: 2000, deleted_at: 2000 });
  };
  await using store = await TempStore.create();
  await replicateOnce(origin.url, { kv: store.path, table: "items", clock: new FastClock() });
  const live = origin.records.filter(({ deleted_at }) => deleted_at === null);
  await assertTable(await store.open(), live, { table: "items" });
});

Deno.test("over linked pages the cursor moves at the end of the pass only", async () => {
  await using origin = new PagedOrigin({ records: 10, isLinked: true });
  origin.put(...rows(35));
  await using store = await TempStore.create();
  const seen: (string | null)[] = [];
  await using replica = await startReplica(origin.url, {
    kv: store.path,
    table: "items",
    onCommit: ({ cursor }) => void seen.push(cursor === null ? null : String(cursor)),
  });
  await replica.reached(1034);
  assert.deepEqual([...new Set(seen)], [null]);
});

Deno.test("links that go round in a circle are an error, and no end", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => {
      const page = Number(new URL(request.url).searchParams.get("page") ?? 0);
      const link = `<?page=${page % 3 + 1}>; rel="next"`;
      return new Response(`{"id":${page},"updated_at":1}\n`, {
        headers: { link, "content-type": "application/x-ndjson" },
      });
    },
  );
  const url = `http://127.0.0.1:${server.addr.port}/items`;
  await assert.rejects(replicateOnce(url, { kv: ":memory:" }), /was read before/);
});

Deno.test("with an overlap larger than a page nothing is left out", async () => {
  await using origin = new PagedOrigin({ records: 20 });
  origin.put(...rows(200));
  await using store = await TempStore.create();
  const options = { kv: store.path, table: "items", clock: new FastClock(), overlap: "150" };
  await replicateOnce(origin.url, options);
  origin.put({ id: "late", updated_at: 1100.5, deleted_at: null });
  origin.put({ id: "new", updated_at: 1300, deleted_at: null });
  await replicateOnce(origin.url, options);
  await assertTable(await store.open(), origin.records, { table: "items" });
});
