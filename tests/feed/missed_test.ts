/**
 * Moments at which a follower could miss something, each brought about on purpose.
 */

import assert from "node:assert/strict";
import { Hono } from "hono";
import { systemClock } from "../../src/base/clock.ts";
import { TableFeed } from "../../src/feed/table_feed.ts";
import type { FeedTable } from "../../src/feed/host.ts";
import { TableOrders } from "../../src/protocol/orders.ts";
import { Feeds } from "../../src/feed/routes.ts";
import { DEFAULT_SHAPE, type JsonObject } from "../../src/protocol/record.ts";
import type { CommitEvent } from "../../src/store/read/change.ts";
import type { TableMeta } from "../../src/store/kv/stored_values.ts";
import { CommitHook } from "../support/commit_hook.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";
import { ToldOrigin } from "../support/told_origin.ts";
import { waitFor } from "../support/wait_for.ts";
import { startFeed } from "./feed_replica.ts";

/** Reads an answer's records until one has this id; returns all their ids. */
async function idsUntil(
  reader: ReadableStreamDefaultReader<string>,
  last: unknown,
  rest = "",
): Promise<unknown[]> {
  const ids: unknown[] = [];
  for (let text = rest;;) {
    const end = text.indexOf("\n");
    if (end < 0) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`the answer has ended before ${last}, after ${ids}`);
      text += value;
      continue;
    }
    const line = text.slice(0, end);
    text = text.slice(end + 1);
    if (line === "") continue;
    ids.push(JSON.parse(line).id);
    if (ids.at(-1) === last) return ids;
  }
}

function linesOf(body: ReadableStream<Uint8Array<ArrayBuffer>> | null) {
  assert.ok(body !== null);
  return body.pipeThrough(new TextDecoderStream()).getReader();
}

/** Holds up the next commit. */
function holdNext() {
  const reached = Promise.withResolvers<void>();
  const open = Promise.withResolvers<void>();
  let isFirst = true;
  const hook = new CommitHook(async () => {
    if (!isFirst) return;
    isFirst = false;
    reached.resolve();
    await open.promise;
  });
  return { hook, reached: reached.promise, release: open.resolve };
}

const row = (id: number | string, updated_at: number, more: JsonObject = {}) => ({
  id,
  updated_at,
  ...more,
});

Deno.test("a late row isn't missed by a reader whose backlog ends in the middle of a commit", async () => {
  await using origin = await ToldOrigin.start();
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path, feed: true });
  await origin.answers(1);
  const text = "x".repeat(50_000);
  await origin.send(...Array.from({ length: 20 }, (_, i) => row(i + 1, i + 1, { text })));
  await replica.reached(20);
  const app = new Hono({ getPath: (request) => new URL(request.url).pathname });
  const feeds = new Feeds(replica.replicator);
  feeds.mount(app);
  const answer = await app.fetch(new Request("http://localhost/feed/servers/0"));
  // It has begun, and goes on when somebody reads.
  await origin.send(row("late", 5));
  await waitFor(() => replica.replica.get("late"), "the late row is stored");
  await origin.send(row(21, 21));
  await replica.reached(21);
  const { hook, reached, release } = holdNext();
  using _hook = hook;
  // A commit without any entry.
  await origin.send("no record");
  await reached;
  const reader = linesOf(answer.body);
  const ids = await idsUntil(reader, 21);
  release();
  await waitFor(() => replica.status.quarantined === 1, "the commit is done");
  await origin.send(row("end", 22));
  ids.push(...await idsUntil(reader, "end"));
  assert.ok(ids.includes("late"), `${ids}`);
  await reader.cancel();
  feeds.close();
});

Deno.test("rows let go in several windows are all read back, as the cursor covers them", async () => {
  await using origin = startTestOrigin();
  const text = "x".repeat(20_000);
  for (let id = 0; id < 60; id++) origin.table.put({ id, text });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path });
  await feed.replica.reached(1059);
  const { index, kv } = feed.replica.replica;
  // The same table as it looks while it gathers: all of it told, and the cursor far behind.
  const listeners = new Set<(event: CommitEvent) => void>();
  const progress = new Set<() => void>();
  let cursor = 1009;
  const table: FeedTable = {
    table: "servers",
    shape: DEFAULT_SHAPE,
    orders: new TableOrders(),
    index,
    kv,
    feedState: () => ({
      cursor,
      high: 1009,
      live: true,
      originHead: null,
      ageMs: 0,
      isFresh: true,
      isExpired: false,
    }),
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onProgress: (listener) => {
      progress.add(listener);
      return () => progress.delete(listener);
    },
  };
  const tableFeed = new TableFeed(table, systemClock);
  const reader = linesOf(tableFeed.endless(1009).body);
  assert.deepEqual(await idsUntil(reader, 9), [9]);
  await waitFor(() => listeners.size > 0, "the reader gets live rows");
  const told = (id: number) => {
    const value = { id, text, updated_at: 1000 + id, deleted_at: null };
    const change = { kind: "put" as const, key: [id], order: 1000 + id, value };
    for (const listener of listeners) listener({ table: "servers", changes: [change], cursor });
  };
  const covered = (order: number) => {
    cursor = order;
    for (const listener of [...progress]) listener();
  };
  for (let id = 10; id < 60; id++) told(id);
  covered(1034);
  const seen = new Set(await idsUntil(reader, 34));
  covered(1047);
  covered(1059);
  told(60);
  covered(1060);
  for (const id of await idsUntil(reader, 60)) seen.add(id);
  const missing = Array.from({ length: 50 }, (_, i) => i + 10).filter((id) => !seen.has(id));
  assert.deepEqual(missing, []);
  await reader.cancel();
  tableFeed.close();
});

Deno.test("who begins to follow in the middle of an unwatched commit misses none of its rows", async () => {
  for (const feed of [false, true]) {
    await using origin = await ToldOrigin.start();
    await using store = await TempStore.create();
    await using replica = await startReplica(origin.url, { kv: store.path, feed });
    await origin.answers(1);
    // So that there is something to read first.
    await origin.send(row("first", 1));
    await replica.reached(1);
    origin.cut();
    await origin.answers(2);
    await replica.until(({ live }) => !live, "behind");
    const { hook, reached, release } = holdNext();
    using _hook = hook;
    const text = "x".repeat(50_000);
    // Several operations, of which the first is held up.
    await origin.send(...Array.from({ length: 40 }, (_, i) => row(i, i + 2, { text })));
    await reached;
    const changes = replica.replica.changes();
    const first = changes.next();
    release();
    assert.equal((await first).value?.key[0], "first");
    await replica.reached(41);
    await origin.send(row("last", 42));
    const missing = new Set(Array.from({ length: 40 }, (_, i) => i));
    for await (const { key: [id] } of changes) {
      missing.delete(Number(id));
      if (id === "last") break;
    }
    assert.deepEqual([...missing], []);
  }
});

Deno.test("who was up to date before a resync that changed an old row has to start over, and needs to once", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }, { id: 2 }, { id: 3 }], finite: true });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path });
  await feed.replica.reached(1002);
  const ask = async (since: number, generation?: string | null) => {
    const headers = generation ? { "lockstep-generation": generation } : {};
    const answer = await fetch(`${feed.url}/${since}?finite=1`, { headers });
    await answer.body?.cancel();
    return answer;
  };
  assert.equal((await ask(1002)).status, 200);
  // At its old order: nobody learns of it by asking from a cursor.
  origin.table.putAs({ id: 1, updated_at: 1000, deleted_at: null, mended: true });
  feed.replica.replica.requestResync("the test wants it");
  const isMended = async () => (await feed.replica.replica.get(1))?.value["mended"] === true;
  await waitFor(isMended, "the change has come");
  await feed.replica.until(({ live, sweep }) => live && sweep === null, "resynced");
  const whole = await waitFor(async () => {
    const answer = await ask(0);
    return answer.ok ? answer : null;
  }, "an answer from 0");
  const generation = whole.headers.get("lockstep-generation");
  assert.equal((await ask(1002)).status, 410, "it may be from before");
  assert.equal((await ask(1002, "another")).status, 410);
  assert.equal((await ask(1002, generation)).status, 200, "it is from after");
  const { replica } = feed.replica;
  assert.equal(await replica.changesSince(1002), null, "a stream of changes tells of the gap");
  origin.table.put({ id: 4 });
  await feed.replica.reached(1003);
  assert.equal((await ask(1003)).status, 200);
});

Deno.test("a deletion whose entry a crash has lost is remembered from when it gets one", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }, { id: 2 }], finite: true });
  await using store = await TempStore.create();
  const options = { kv: store.path, tombstoneTtlMs: 3_600_000 };
  {
    await using feed = await startFeed(origin.url, options);
    await feed.replica.reached(1001);
  }
  // What a crash leaves between the operation with the deletion and the one with its entry.
  const value = origin.table.remove(2);
  const order = Number(origin.table.head);
  const expiresAt = Date.now() + 60_000;
  const key = ["lockstep", "servers", "tombstone", 2];
  const kv = await store.open();
  const { value: meta } = await kv.get<TableMeta>(["lockstep", "servers", "cursor"]);
  await kv.atomic().delete(["servers", 2])
    .set(key, { order, deletedAt: order, value, expiresAt })
    .set(["lockstep", "servers", "cursor"], { ...meta, high: order })
    .commit();
  await using feed = await startFeed(origin.url, options);
  await feed.replica.reached(order);
  const tombstone = await feed.replica.replica.reader.tombstone(2);
  assert.ok(
    tombstone !== null && tombstone.expiresAt > expiresAt,
    "not forgotten before the index says so",
  );
  const answer = await fetch(`${feed.url}/1001?finite=1`);
  assert.deepEqual(await idsUntil(linesOf(answer.body), 2), [2]);
});
