/**
 * Tables that begin with a snapshot of a feed.
 */

import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { HastyClock } from "../support/fast_clock.ts";
import { assertTable } from "../support/oracle.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";
import { type FeedReplica, startFeed } from "./feed_replica.ts";

/** A server that says nothing of the answers that it breaks. */
const QUIET = { onListen: () => {}, onError: () => new Response(null, { status: 500 }) };

const CACHES = { shared: true, beside: null, tombstoneTtlMs: 7 * 86_400_000 };

/** Bytes that don't compress: a snapshot that is worth cutting. */
const text = () => crypto.getRandomValues(new Uint8Array(1_500)).toBase64();

async function snapshotOf(feed: FeedReplica): Promise<Uint8Array<ArrayBuffer>> {
  return await waitFor(async () => {
    const answer = await fetch(`${feed.url}/snapshot`);
    const bytes = await answer.bytes();
    return answer.ok ? bytes : null;
  }, "a snapshot");
}

/** Rows that the feed has sent since, by its chunks. */
const asked = ({ requests }: FeedReplica, from = 0) =>
  requests.slice(from).filter((path) => path.includes("chunk=1"));

Deno.test("a table that is empty is filled from a snapshot, compressed or not, and goes on with the feed", async () => {
  await using origin = startTestOrigin({ heartbeatMs: 20 });
  for (let id = 0; id < 500; id++) origin.table.put({ id, text: text() });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path, caches: CACHES });
  await feed.replica.live();
  const bytes = await snapshotOf(feed);
  origin.table.put({ id: 3, text: "new" });
  origin.table.remove(4);
  const { head } = origin.table;
  await feed.replica.reached(String(head));
  await using far = await TempStore.create();
  const before = feed.requests.length;
  for (const [name, content] of [["packed", bytes], ["plain", gunzipSync(bytes)]] as const) {
    const seed = `${far.path}-${name}`;
    await Deno.writeFile(seed, content);
    const kv = `${far.path}-${name}.kv`;
    await using follower = await startReplica(feed.url, { kv, seed });
    const status = await follower.reached(String(head));
    assert.equal(status.rows, 499);
    using opened = await Deno.openKv(kv);
    await assertTable(opened, origin.table.liveRows());
  }
  for (const path of asked(feed, before)) {
    assert.match(path, /\/servers\/1499\?/, "from the snapshot's cursor on");
  }
});

Deno.test("a snapshot that is cut anywhere leaves nothing out: the rest comes from the feed", async () => {
  await using origin = startTestOrigin({ heartbeatMs: 20 });
  for (let id = 0; id < 300; id++) origin.table.put({ id, text: text() });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path, caches: CACHES });
  await feed.replica.live();
  const bytes = await snapshotOf(feed);
  const plain = new Uint8Array(gunzipSync(bytes));
  const noEnd = plain.subarray(0, plain.lastIndexOf(10, plain.length - 2) + 1);
  const cuts = [
    bytes.subarray(0, 0),
    bytes.subarray(0, bytes.length >> 1),
    plain.subarray(0, 99_999),
    noEnd,
  ];
  await using far = await TempStore.create();
  for (const [i, content] of [...cuts, new Uint8Array([1, 2, 3])].entries()) {
    const seed = `${far.path}-seed-${i}`;
    await Deno.writeFile(seed, content);
    const kv = `${far.path}-${i}.kv`;
    await using follower = await startReplica(feed.url, { kv, seed, clock: new HastyClock() });
    await follower.reached(1299);
    using opened = await Deno.openKv(kv);
    await assertTable(opened, origin.table.liveRows());
  }
  await using missing = await startReplica(feed.url, {
    kv: `${far.path}-missing.kv`,
    seed: `${far.path}-nowhere`,
  });
  await missing.reached(1299);
});

Deno.test("a download of a snapshot that is cut goes on where it was", async () => {
  await using origin = startTestOrigin({ heartbeatMs: 20 });
  for (let id = 0; id < 600; id++) origin.table.put({ id, text: text() });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path, caches: CACHES });
  await feed.replica.live();
  const bytes = await snapshotOf(feed);
  const ranges: (string | null)[] = [];
  let sent = 0;
  await using server = Deno.serve(
    { ...QUIET, port: 0, hostname: "127.0.0.1" },
    (request) => {
      const range = request.headers.get("range");
      ranges.push(range);
      const from = Number(/\d+/.exec(range ?? "0")?.[0]);
      const to = Math.min(bytes.length, from + Math.ceil(bytes.length / 3));
      sent += to - from;
      const part = bytes.slice(from, to);
      // The length says more than what comes, unless it is the end.
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(part);
        },
        pull(controller) {
          if (to === bytes.length) controller.close();
          else controller.error(new Error("cut"));
        },
      }, { highWaterMark: 0 });
      return new Response(body, {
        status: range === null ? 200 : 206,
        headers: { etag: '"one"', "content-length": `${bytes.length - from}` },
      });
    },
  );
  await using far = await TempStore.create();
  const seed = `http://127.0.0.1:${server.addr.port}/x.ndjson.gz`;
  await using follower = await startReplica(feed.url, {
    kv: far.path,
    seed,
    clock: new HastyClock(),
  });
  await follower.reached(1599);
  assert.ok(ranges.length >= 2, `${ranges}`);
  assert.ok(sent <= 1.2 * bytes.length, `${sent} of ${bytes.length}: ${ranges}`);
  using kv = await Deno.openKv(far.path);
  await assertTable(kv, origin.table.liveRows());
});
