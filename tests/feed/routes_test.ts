/**
 * The feed as anybody's client sees it.
 */

import assert from "node:assert/strict";
import { Hono } from "hono";
import { Feeds } from "../../src/feed/routes.ts";
import { HandClock } from "../support/clock.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";
import { betweenCommits } from "./between_commits.ts";
import { startFeed } from "./feed_replica.ts";

const ROWS = [{ id: 1, big: 9007199254740993n }, { id: 2 }, { id: 3, text: "x".repeat(200_000) }];

/** The lines of an answer that stays open, one at a time. */
class Lines implements AsyncDisposable {
  readonly answer: Response;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #rest = "";

  private constructor(answer: Response) {
    assert.ok(answer.body !== null);
    this.answer = answer;
    this.#reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  }

  static async open(url: string): Promise<Lines> {
    return new Lines(await fetch(url));
  }

  /** Without its newline. */
  async next(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        return line;
      }
      const { done, value } = await this.#reader.read();
      if (done) throw new Error("the answer has ended");
      this.#rest += value;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel().catch(() => {});
  }
}

Deno.test("an answer is the backlog, a blank line, then live rows and a blank line every 15 seconds", async () => {
  await using origin = startTestOrigin({ rows: ROWS });
  origin.table.remove(2);
  await using store = await TempStore.create();
  const clock = new HandClock();
  await using feed = await startFeed(origin.url, { kv: store.path, feedClock: clock });
  await feed.replica.reached(1002);
  for (const url of [`${feed.url}/0`, feed.url, `${feed.url}/`, `${feed.url}?since=0`]) {
    await using lines = await Lines.open(url);
    const { headers } = lines.answer;
    assert.equal(headers.get("content-type"), "application/x-ndjson");
    assert.equal(headers.get("lockstep-head"), "1002");
    assert.notEqual(headers.get("lockstep-generation"), null);
    assert.equal(
      await lines.next(),
      '{"id":1,"big":9007199254740993,"updated_at":1000,"deleted_at":null}',
    );
    assert.equal(JSON.parse(await lines.next()).text.length, 200_000);
    assert.equal(await lines.next(), "");
  }
  await using lines = await Lines.open(`${feed.url}/1000`);
  assert.equal(JSON.parse(await lines.next()).id, 1);
  assert.equal(JSON.parse(await lines.next()).id, 3);
  assert.equal(await lines.next(), "");
  origin.table.put({ id: 4 });
  assert.equal(JSON.parse(await lines.next()).id, 4);
  origin.table.remove(1);
  const gone = JSON.parse(await lines.next());
  assert.deepEqual([gone.id, gone.deleted_at], [1, gone.updated_at]);
  await waitFor(() => clock.sleeping > 0, "a heart that beats");
  await clock.advance(15_000);
  assert.equal(await lines.next(), "");
  // What was deleted since is told to who has a copy, and left out for who has none.
  const since = await (await fetch(`${feed.url}/1000?finite=1`)).text();
  assert.deepEqual(since.trim().split("\n").map((line) => JSON.parse(line).id), [3, 4, 1]);
});

Deno.test("a deletion is told from a cursor on, and left out from 0 unless it is the latest change", async () => {
  await using origin = startTestOrigin({
    rows: [{ id: 1 }, { id: 2 }, { id: 3 }],
    heartbeatMs: 10,
  });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path });
  await feed.replica.live();
  const ids = async (since: number) => {
    const text = await (await fetch(`${feed.url}/${since}?finite=1`)).text();
    return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line).id);
  };
  origin.table.remove(1);
  await feed.replica.reached(1003);
  assert.deepEqual(await ids(0), [2, 3, 1], "so that the head is reached");
  origin.table.put({ id: 4 });
  await feed.replica.reached(1004);
  assert.deepEqual(await ids(0), [2, 3, 4]);
  assert.deepEqual(await ids(1002), [3, 1, 4]);
});

Deno.test("a finite answer ends, and is compressed for those who ask for it", async () => {
  await using origin = startTestOrigin({ rows: ROWS });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path });
  await feed.replica.reached(1002);
  const bare = await fetch(`${feed.url}/0?finite=1`, {
    headers: { "accept-encoding": "identity" },
  });
  assert.equal(bare.headers.get("content-encoding"), null);
  const text = await bare.text();
  assert.equal(text.split("\n").length, 4);
  // fetch undoes the compression and hides it: a client without one sees it.
  const app = new Hono({ getPath: (request) => new URL(request.url).pathname });
  feed.feeds.mount(app);
  const packed = await app.fetch(
    new Request("http://localhost/feed/servers/0?finite=1", {
      headers: { "accept-encoding": "gzip, br" },
    }),
  );
  assert.equal(packed.headers.get("content-encoding"), "gzip");
  const bytes = await packed.clone().bytes();
  assert.ok(bytes.length < text.length / 50);
  assert.ok(packed.body !== null);
  const plain = packed.body.pipeThrough(new DecompressionStream("gzip"));
  assert.equal(await new Response(plain).text(), text);
});

Deno.test("what can't be answered says why: no such table, no feed, a wrong cursor, a copy that is not complete", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await using store = await TempStore.create();
  const ask = async (app: Hono, path: string, method = "GET") => {
    const answer = await app.fetch(new Request(`http://localhost${path}`, { method }));
    const text = await answer.text();
    assert.match(text, method === "HEAD" ? /^$/ : /^\{"error":/, path);
    return answer;
  };
  const mounted = (feeds: Feeds) => {
    const app = new Hono({ getPath: (request) => new URL(request.url).pathname });
    feeds.mount(app);
    return app;
  };
  {
    await using feed = await startFeed(origin.url, { kv: store.path });
    await feed.replica.live();
    const app = mounted(feed.feeds);
    assert.equal((await ask(app, "/feed/nobody/0")).status, 404);
    assert.equal((await ask(app, "/feed/servers/%zz")).status, 400);
    assert.equal((await ask(app, "/feed/servers/yesterday")).status, 400);
    assert.equal((await ask(app, "/feed/servers/0", "POST")).status, 405);
    const head = await ask(app, "/feed/servers/0", "HEAD");
    assert.deepEqual([head.status, head.headers.get("lockstep-head")], [200, "1000"]);
  }
  await origin.stop();
  {
    await using bare = await startReplica(origin.url, { kv: store.path });
    const app = mounted(new Feeds(bare.replicator));
    assert.equal((await ask(app, "/feed/servers/0")).status, 404);
  }
  await using feed = await startFeed(origin.url, { kv: store.path });
  await feed.replica.replica.index?.idle();
  await feed.replica.until(({ state }) => state === "waiting", "cut off from its origin");
  const app = mounted(feed.feeds);
  const refused = await ask(app, "/feed/servers/0?finite=1");
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "1"]);
  assert.equal((await ask(app, "/feed/servers/2000")).status, 503, "perhaps it comes yet");
  // It serves what it has, and does not say that this is all.
  await using lines = await Lines.open(`${feed.url}/0`);
  assert.equal(JSON.parse(await lines.next()).id, 1);
  assert.equal(lines.answer.headers.get("lockstep-head"), null);
});

Deno.test("orders that are ISO times or integers beyond 2^53 are cursors like any other", async () => {
  for (const orders of ["iso", "nanos"] as const) {
    await using origin = startTestOrigin({ orders });
    for (let id = 0; id < 5; id++) origin.table.put({ id });
    await using store = await TempStore.create();
    await using feed = await startFeed(origin.url, { kv: store.path });
    const { head } = origin.table;
    await feed.replica.reached(String(head));
    const text = await (await fetch(`${feed.url}/${encodeURIComponent(String(head))}?finite=1`))
      .text();
    assert.equal(text.trim().split("\n").length, 1);
    assert.ok(text.includes('"id":4'));
    await using far = await TempStore.create();
    await using follower = await startReplica(feed.url, { kv: far.path });
    const status = await follower.reached(String(head));
    assert.equal(status.rows, 5);
    assert.equal(status.head, String(head));
  }
});

Deno.test("a reader that comes between the commits of a run misses nothing of it", async () => {
  await using origin = startTestOrigin({ rows: ROWS });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path });
  await feed.replica.reached(1002);
  await betweenCommits(feed.replica, origin, async (since, isWaiting, isEnough) => {
    await using lines = await Lines.open(`${feed.url}/${since}`);
    for (let record: { id?: unknown } | null = null;;) {
      const line = await lines.next();
      record = line === "" ? null : JSON.parse(line);
      // It has read what the cursor covers.
      if (record === null) isWaiting();
      else if (isEnough(record)) return;
    }
  });
});
