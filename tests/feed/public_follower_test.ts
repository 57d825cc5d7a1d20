/**
 * Followers of a feed that caches may keep.
 */

import assert from "node:assert/strict";
import { systemClock } from "../../src/base/clock.ts";
import { HandClock } from "../support/clock.ts";
import { HastyClock } from "../support/fast_clock.ts";
import { assertTable } from "../support/oracle.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { replicateOnce, startReplica } from "../support/replicas.ts";
import { StaleCache } from "../support/stale_cache.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";
import { startFeed } from "./feed_replica.ts";

const CACHES = { shared: true, beside: null, tombstoneTtlMs: 7 * 86_400_000 };

const text = (id: number) => `${id}`.padEnd(2_000, "abcdefghij");

Deno.test("a follower fills itself from chunks and goes on by polls, through a cache that it shares", async () => {
  await using origin = startTestOrigin({ heartbeatMs: 20 });
  for (let id = 0; id < 1_000; id++) origin.table.put({ id, text: text(id) });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path, caches: CACHES });
  await feed.replica.live();
  // It gives whatever it has kept.
  await using cache = new StaleCache(new URL(feed.url).origin, systemClock, () => 0);
  const url = `${cache.url}/feed/servers`;
  await using a = await TempStore.create();
  await using b = await TempStore.create();
  await using c = await TempStore.create();
  await using first = await startReplica(url, { kv: a.path });
  const status = await first.reached(1999);
  assert.equal(status.rows, 1_000);
  assert.equal(status.head, "1999");
  const hits = cache.hits;
  await using second = await startReplica(url, { kv: b.path });
  await second.reached(1999);
  assert.ok(cache.hits - hits > 3, "the chunks were there");
  for (let id = 0; id < 5; id++) origin.table.put({ id, text: "new" });
  origin.table.remove(7);
  const { head } = origin.table;
  await Promise.all([first, second].map((replica) => replica.reached(String(head))));
  await replicateOnce(url, { kv: c.path });
  for (const kept of [a, b, c]) {
    using kv = await Deno.openKv(kept.path);
    await assertTable(kv, origin.table.liveRows());
  }
});

Deno.test("a follower goes on from where it was when the source begins anew, and reads the plain feed where there is no other", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }, { id: 2 }], heartbeatMs: 20 });
  await using store = await TempStore.create();
  await using far = await TempStore.create();
  const clock = new HastyClock();
  let feed = await startFeed(origin.url, { kv: store.path, caches: CACHES });
  await feed.replica.live();
  await using follower = await startReplica(feed.url, { kv: far.path, clock });
  await follower.reached(1001);
  const { port } = feed;
  await feed.stop();
  origin.table.put({ id: 3 });
  feed = await startFeed(origin.url, { kv: store.path, caches: CACHES, port });
  await follower.reached(1002);
  await feed.stop();
  origin.table.put({ id: 4 });
  feed = await startFeed(origin.url, { kv: store.path, port });
  await follower.reached(1003);
  origin.table.put({ id: 5 });
  await follower.reached(1004);
  assert.equal(follower.status.rows, 5);
  await feed.stop();
});

Deno.test("an empty table is complete at once, and gets its first row by a poll", async () => {
  await using origin = startTestOrigin({ heartbeatMs: 20 });
  await using store = await TempStore.create();
  await using far = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path, caches: CACHES });
  await feed.replica.live();
  await using follower = await startReplica(feed.url, { kv: far.path });
  await follower.live();
  origin.table.put({ id: 1 });
  await follower.reached(1000);
});

Deno.test("a follower that wants signs of life more often reads its chunks, and then a stream", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }], heartbeatMs: 20 });
  await using store = await TempStore.create();
  await using far = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path, caches: CACHES });
  await feed.replica.live();
  await using follower = await startReplica(feed.url, { kv: far.path, maxStalenessMs: 9_000 });
  await follower.reached(1000);
  origin.table.put({ id: 2 });
  await follower.reached(1001);
  assert.equal(feed.feeds.readers, 2, "the log, and the stream");
});

Deno.test("a follower that gets an old chunk and a new head goes on from the chunk, and misses nothing", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }, { id: 2 }], heartbeatMs: 20 });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path, caches: CACHES });
  await feed.replica.live();
  // Nothing in it grows old.
  const clock = new HandClock();
  const isOld = (path: string) => path.includes("chunk=1");
  const random = (path: string) => isOld(path) ? 0 : 0.999;
  await using cache = new StaleCache(new URL(feed.url).origin, clock, random);
  const url = `${cache.url}/feed/servers`;
  await using a = await TempStore.create();
  await using b = await TempStore.create();
  await replicateOnce(url, { kv: a.path });
  origin.table.put({ id: 3 });
  origin.table.remove(1);
  await feed.replica.reached(1003);
  await using follower = await startReplica(url, { kv: b.path });
  await follower.reached(1003);
  assert.equal(cache.hits > 0, true);
  using kv = await Deno.openKv(b.path);
  await assertTable(kv, origin.table.liveRows());
});

Deno.test("where something between refuses chunks or polls, a follower reads the plain feed", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }, { id: 2 }], heartbeatMs: 20 });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path, caches: CACHES });
  await feed.replica.live();
  await using far = await TempStore.create();
  let head = "1001";
  for (
    const [what, status] of [["wait=", 403], ["chunk=", 404], ["wait=", 500], [
      "wait=25",
      504,
    ]] as const
  ) {
    const answers = async (request: Request) => {
      const { pathname, search } = new URL(request.url);
      if (search.includes(what)) return new Response("no", { status });
      const answer = await fetch(new URL(pathname + search, feed.url), {
        headers: request.headers,
      });
      const { body, headers } = answer;
      return new Response(body, { status: answer.status, headers });
    };
    const onError = () => new Response(null, { status: 502 });
    await using between = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {}, onError },
      answers,
    );
    const url = `http://127.0.0.1:${between.addr.port}/feed/servers`;
    const kv = `${far.path}-${what}${status}`;
    await using follower = await startReplica(url, { kv, clock: new HastyClock() });
    await follower.reached(head);
    const id = Number(head);
    origin.table.put({ id });
    head = String(origin.table.head);
    await follower.reached(head);
  }
});

Deno.test("a cascade through caches, public and plain, follows a resync of its head to the last row", async () => {
  await using origin = startTestOrigin({ heartbeatMs: 20 });
  for (let id = 0; id < 600; id++) origin.table.put({ id, text: text(id) });
  const clock = new HastyClock();
  await using a = await TempStore.create();
  await using b = await TempStore.create();
  await using c = await TempStore.create();
  await using d = await TempStore.create();
  const options = { caches: CACHES, clock };
  await using first = await startFeed(origin.url, { kv: a.path, ...options });
  await first.replica.live();
  await using cache = new StaleCache(new URL(first.url).origin, systemClock, () => 0.5);
  const cached = `${cache.url}/feed/servers`;
  await using second = await startFeed(cached, { kv: b.path, ...options });
  await second.replica.live();
  await using third = await startFeed(second.url, { kv: c.path, feed: true, clock });
  await using fourth = await startReplica(third.url, { kv: d.path, clock });
  await fourth.reached(1599);
  origin.table.forget(5);
  origin.table.put({ id: 6, text: "new" });
  first.replica.replica.requestResync("a row was lost");
  origin.table.remove(7);
  const all = [first.replica, second.replica, third.replica, fourth];
  await waitFor(async () => {
    origin.server.finishConnections();
    const whole = await Promise.all(all.map(({ status }) => status.live && status.rows === 598));
    return whole.every(Boolean);
  }, "all of them have what the origin has");
  for (const store of [a, b, c, d]) {
    using kv = await Deno.openKv(store.path);
    await assertTable(kv, origin.table.liveRows());
  }
});
