/**
 * The feed as caches see it: chunks and long polls.
 */

import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { isCut } from "../../src/feed/cut.ts";
import { Hono } from "hono";
import { startTestOrigin } from "../support/reference_origin.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";
import { type FeedReplica, startFeed } from "./feed_replica.ts";

const CACHES = { shared: true, beside: null, tombstoneTtlMs: 7 * 86_400_000 };

const text = (id: number) => `${id}`.padEnd(2_000, "abcdefghij");

async function ask(feed: FeedReplica, path: string, headers: Record<string, string> = {}) {
  const answer = await fetch(`${feed.url}${path}`, { headers });
  return { answer, status: answer.status, headers: answer.headers, text: await answer.text() };
}

async function editionOf(feed: FeedReplica): Promise<string> {
  const answer = await fetch(`${feed.url}/0?finite=1`);
  await answer.body?.cancel();
  return answer.headers.get("lockstep-edition") ?? "none";
}

/** All chunks from an order on. */
async function chain(feed: FeedReplica, since = "0") {
  const edition = await editionOf(feed);
  const chunks = [];
  for (let next: string | null = since; next !== null;) {
    const chunk = await ask(feed, `/${next}?chunk=1&g=${edition}`);
    assert.equal(chunk.status, 200, chunk.text);
    chunks.push({ ...chunk, since: next });
    next = chunk.headers.get("lockstep-next");
  }
  return chunks;
}

const idsOf = (lines: string) =>
  lines.split("\n").filter((line) => line.trim() !== "").map((line) => JSON.parse(line).id);

Deno.test("a feed that isn't public is kept by no cache, and offers no chunks", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path });
  await feed.replica.live();
  const { headers } = await ask(feed, "/0?finite=1");
  assert.equal(headers.get("cache-control"), "no-store");
  assert.equal(headers.get("lockstep-edition"), null);
  const chunk = await ask(feed, "/0?chunk=1&finite=1");
  assert.equal(chunk.headers.get("cache-control"), "no-store");
});

Deno.test("the chunks of a public feed are the feed, cut at orders, and caches may keep them", async () => {
  await using origin = startTestOrigin();
  for (let id = 0; id < 1_000; id++) origin.table.put({ id, text: text(id) });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path, caches: CACHES });
  await feed.replica.live();
  const chunks = await chain(feed);
  assert.ok(chunks.length > 2, `${chunks.length} chunks`);
  assert.deepEqual(chunks.flatMap((chunk) => idsOf(chunk.text)), [...Array(1_000).keys()]);
  const open = chunks.at(-1);
  assert.equal(open?.headers.get("cache-control"), "public, max-age=1");
  assert.equal(open?.headers.get("lockstep-head"), "1999");
  assert.match(open?.headers.get("lockstep-at") ?? "", /^\w+\.\d+$/);
  for (const { headers, text, since } of chunks.slice(0, -1)) {
    assert.equal(headers.get("cache-control"), "public, max-age=86400, immutable");
    assert.equal(headers.get("lockstep-at"), null);
    assert.ok(text.length >= 256 * 1024 && text.length < 1_100 * 1024, `${text.length}`);
    assert.match(headers.get("etag") ?? "", /^"[\w.-]+"$/);
    assert.ok(JSON.parse(text.slice(0, text.indexOf("\n"))).updated_at >= Number(since));
  }
  // A chunk that was made stays as it is; another process cuts at the same places.
  await using second = await startFeed(feed.url, {
    kv: `${store.path}-2`,
    caches: CACHES,
  });
  await second.replica.reached(1999);
  const nextOf = ({ headers }: { headers: Headers }) => headers.get("lockstep-next");
  assert.deepEqual((await chain(second)).map(nextOf), chunks.map(nextOf));
  const again = await chain(feed);
  const tagOf = ({ headers }: { headers: Headers }) => headers.get("etag");
  assert.deepEqual(again.map(tagOf), chunks.map(tagOf));
  const [first] = chunks;
  const same = await ask(feed, `/0?chunk=1&g=${await editionOf(feed)}`, {
    "if-none-match": first?.headers.get("etag") ?? "",
  });
  assert.deepEqual([same.status, same.text], [304, ""]);
});

Deno.test("a chunk has a length, compressed for who asks for it, and HEAD brings its headers", async () => {
  await using origin = startTestOrigin();
  for (let id = 0; id < 500; id++) origin.table.put({ id, text: text(id) });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path, caches: CACHES });
  await feed.replica.live();
  const app = new Hono({ getPath: (request) => new URL(request.url).pathname });
  feed.feeds.mount(app);
  const url = `http://localhost/feed/servers/0?chunk=1&g=${await editionOf(feed)}`;
  const bare = await app.fetch(new Request(url));
  const bytes = await bare.bytes();
  assert.equal(bare.headers.get("content-length"), `${bytes.length}`);
  const packed = await app.fetch(new Request(url, { headers: { "accept-encoding": "gzip" } }));
  const gzip = await packed.clone().bytes();
  assert.equal(packed.headers.get("content-encoding"), "gzip");
  assert.equal(packed.headers.get("content-length"), `${gzip.length}`);
  assert.ok(gzip.length < bytes.length / 5);
  assert.notEqual(packed.headers.get("etag"), bare.headers.get("etag"));
  assert.ok(packed.body !== null);
  const plain = packed.body.pipeThrough(new DecompressionStream("gzip"));
  assert.deepEqual(await new Response(plain).bytes(), bytes);
  const head = await app.fetch(new Request(url, { method: "HEAD" }));
  assert.equal(head.headers.get("etag"), bare.headers.get("etag"));
  assert.equal(await head.text(), "");
});

Deno.test("where a token is asked for, chunks are for the reader's own cache", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await using store = await TempStore.create();
  const caches = { ...CACHES, shared: false, beside: store.path };
  await using feed = await startFeed(origin.url, { kv: store.path, caches });
  await feed.replica.live();
  const [open] = await chain(feed);
  assert.equal(open?.headers.get("cache-control"), "private, max-age=1");
});

Deno.test("a poll behind a chunk's position brings what came since to all who ask, at once and in order", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }, { id: 2 }] });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path, caches: CACHES });
  await feed.replica.live();
  const open = (await chain(feed)).at(-1);
  let at = open?.headers.get("lockstep-at") ?? "";
  // The row at the cursor may come again.
  const again = await ask(feed, `/0?wait=1&at=${at}`);
  assert.deepEqual(idsOf(again.text), [2]);
  at = again.headers.get("lockstep-at") ?? "";
  const waiting = [1, 2, 3].map(() => ask(feed, `/0?wait=25&at=${at}`));
  origin.table.put({ id: 3 });
  for (const { text, headers } of await Promise.all(waiting)) {
    assert.deepEqual(idsOf(text), [3]);
    assert.equal(headers.get("cache-control"), "public, max-age=5");
    assert.equal(headers.get("lockstep-from"), at);
    assert.equal(headers.get("lockstep-head"), "1002");
  }
  const seen: number[] = [];
  for (let id = 4; id < 8; id++) origin.table.put({ id });
  origin.table.remove(1);
  while (!seen.includes(1)) {
    const { text, headers } = await ask(feed, `/0?wait=25&at=${at}`);
    assert.equal(headers.get("lockstep-from"), at);
    seen.push(...idsOf(text));
    at = headers.get("lockstep-at") ?? "";
  }
  assert.deepEqual(seen, [3, 4, 5, 6, 7, 1]);
  const none = await ask(feed, `/0?wait=0&at=${at}`);
  assert.equal(none.text, "");
  assert.equal(none.headers.get("cache-control"), "public, max-age=1");
  assert.equal(none.headers.get("lockstep-at"), `${at}.1`, "no cache has answered that");
  for (const foreign of ["new", "a.1", `${at}0`, ""]) {
    const answer = await ask(feed, `/0?wait=25&at=${foreign}`);
    assert.equal(answer.headers.get("lockstep-at"), at, "at once, and with the present one");
    assert.equal(answer.headers.get("lockstep-from"), null);
  }
});

Deno.test("the chunks of another edition are empty, and name the one that stands", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }, { id: 2 }] });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path, caches: CACHES });
  await feed.replica.live();
  const edition = await editionOf(feed);
  const stale = await ask(feed, "/0?chunk=1&g=other");
  assert.equal(stale.text, "");
  assert.equal(stale.headers.get("lockstep-edition"), edition);
  assert.equal(stale.headers.get("lockstep-at"), null);
  origin.table.put({ id: 3 });
  await feed.replica.reached(1002);
  assert.equal(await editionOf(feed), edition, "it stands while rows come behind what there is");
});

Deno.test("the places where a feed is cut come from the orders, neither too near nor too far", () => {
  let chars = 0;
  const pieces: number[] = [];
  for (let order = 0; order < 200_000; order++) {
    if (order > 0 && isCut(order, chars, 150)) {
      pieces.push(chars);
      chars = 0;
    }
    chars += 150;
  }
  assert.ok(pieces.every((piece) => piece >= 256 * 1024 && piece <= 1024 * 1024 + 150));
  const mean = pieces.reduce((sum, piece) => sum + piece, 0) / pieces.length;
  assert.ok(mean > 350 * 1024 && mean < 700 * 1024, `${mean}`);
});

Deno.test("a snapshot is the whole table as a file with both its ends marked, and is sent in parts", async () => {
  await using origin = startTestOrigin();
  for (let id = 0; id < 1_000; id++) origin.table.put({ id, text: text(id) });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path, caches: CACHES });
  await feed.replica.live();
  const latest = await waitFor(async () => {
    const answer = await fetch(`${feed.url}/snapshot`, { redirect: "manual" });
    await answer.body?.cancel();
    return answer.status === 302 ? answer : null;
  }, "a snapshot");
  assert.equal(latest.headers.get("cache-control"), "public, max-age=60");
  const url = new URL(latest.headers.get("location") ?? "", `${feed.url}/snapshot`);
  const whole = await fetch(url);
  const bytes = await whole.bytes();
  assert.equal(whole.headers.get("content-length"), `${bytes.length}`);
  assert.equal(whole.headers.get("cache-control"), "public, max-age=86400, immutable");
  assert.equal(whole.headers.get("lockstep-next"), "1999");
  const lines = gunzipSync(bytes).toString().trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.shift(), {
    lockstep: "snapshot",
    generation: whole.headers.get("lockstep-generation"),
    type: "number",
    cursor: "1999",
  });
  assert.deepEqual(lines.pop(), { lockstep: "end", cursor: "1999" });
  assert.deepEqual(lines.map(({ id }) => id), [...Array(1_000).keys()]);
  const etag = whole.headers.get("etag") ?? "";
  const part = async (range: string, ifRange = etag) => {
    const answer = await fetch(url, { headers: { range, "if-range": ifRange } });
    return {
      status: answer.status,
      range: answer.headers.get("content-range"),
      bytes: await answer.bytes(),
    };
  };
  const middle = await part("bytes=1000-20000");
  assert.deepEqual([middle.status, middle.range], [206, `bytes 1000-20000/${bytes.length}`]);
  assert.deepEqual(middle.bytes, bytes.slice(1000, 20_001));
  assert.deepEqual((await part("bytes=-10")).bytes, bytes.slice(-10));
  assert.deepEqual((await part("bytes=20-")).bytes, bytes.slice(20));
  assert.equal((await part(`bytes=${bytes.length}-`)).status, 416);
  assert.equal((await part("bytes=0-1", '"another"')).status, 200);
  const gone = await fetch(`${feed.url}/snapshot/other.ndjson.gz`);
  await gone.body?.cancel();
  assert.deepEqual([gone.status, gone.headers.get("cache-control")], [404, "no-store"]);
});
