/**
 * The change index: how much there is of it, when it is made and when it goes.
 */

import assert from "node:assert/strict";
import type { JsonObject } from "../../src/protocol/record.ts";
import { changePrefix } from "../../src/store/kv/keys.ts";
import { OriginTable } from "../../scripts/origin/table.ts";
import { byName, differences } from "../support/oracle.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { replicateOnce, startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";
import { type FeedReplica, startFeed } from "./feed_replica.ts";

/** The records of a finite answer, in its order. */
async function read(feed: FeedReplica, since: string | number = 0): Promise<JsonObject[]> {
  return await waitFor(async () => {
    const answer = await fetch(`${feed.url}?since=${since}&finite=1`);
    const text = await answer.text();
    if (answer.status === 503) return null;
    assert.equal(answer.status, 200, text);
    return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  }, "an answer");
}

function same(records: readonly JsonObject[], table: OriginTable): void {
  assert.deepEqual(differences(byName(records), byName(table.liveRows())), []);
}

Deno.test("the index stays proportional to the table, however often its rows change", async () => {
  let time = 1000;
  const table = new OriginTable({ clock: () => time });
  table.put({ id: 0 });
  await using origin = startTestOrigin({ table });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path });
  await feed.replica.live();
  for (let round = 0; round < 150; round++) {
    time++;
    for (let id = 0; id < 400; id++) table.put({ id, round });
    await feed.replica.reached(time);
  }
  const { index } = feed.replica.replica;
  assert.ok(index !== null);
  await index.idle();
  assert.ok(index.size < 30_000, `${index.size} entries for 400 rows that changed 150 times`);
  assert.ok(index.runs.length <= 6, `${index.runs.length} runs`);
  same(await read(feed), table);
  const stored = await store.entries(changePrefix("servers"));
  assert.ok(stored.length < 400, `${stored.length} values`);
  await feed.stop();
  // What is stored is what was there.
  await using again = await startFeed(origin.url, { kv: store.path });
  same(await read(again), table);
});

Deno.test("rows that were there before the feed get their entries, deletions as well", async () => {
  await using origin = startTestOrigin({ finite: true });
  for (let id = 0; id < 60_000; id++) origin.table.put({ id: (id * 7919) % 60_001 });
  await using store = await TempStore.create();
  await replicateOnce(origin.url, { kv: store.path });
  origin.table.remove(17);
  await replicateOnce(origin.url, { kv: store.path });
  assert.deepEqual(await store.entries(changePrefix("servers")), []);
  await using feed = await startFeed(origin.url, { kv: store.path });
  origin.table.put({ id: 1, late: true });
  const { head } = origin.table;
  same(await read(feed), origin.table);
  await feed.replica.reached(Number(head));
  const { floor } = feed.replica.replica.index ?? {};
  assert.notEqual(floor, null, "what was forgotten before nobody knows");
  const [first] = await read(feed, String(floor));
  assert.equal(first?.["id"], 17, "a deletion from before is told");
});

Deno.test("the index goes when the feed does, and is made anew when it returns", async () => {
  await using origin = startTestOrigin({ finite: true });
  for (let id = 0; id < 3000; id++) origin.table.put({ id });
  await using store = await TempStore.create();
  {
    await using feed = await startFeed(origin.url, { kv: store.path });
    same(await read(feed), origin.table);
  }
  assert.notEqual((await store.entries(changePrefix("servers"))).length, 0);
  {
    await using bare = await startReplica(origin.url, { kv: store.path });
    origin.table.put({ id: 1, without: "feed" });
    await bare.reached(Number(origin.table.head));
    await waitFor(
      async () => (await store.entries(changePrefix("servers"))).length === 0,
      "no index",
    );
  }
  await using feed = await startFeed(origin.url, { kv: store.path });
  same(await read(feed), origin.table);
});

Deno.test("rows of one order are sent together, however many there are", async () => {
  const table = new OriginTable({ clock: () => 1000 });
  for (let id = 0; id < 30_000; id++) table.put({ id: (id * 7919) % 30_001 });
  await using origin = startTestOrigin({ table, finite: true });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path });
  await feed.replica.live();
  // A reader that was cut anywhere asks for the order again, and gets all of it.
  const records = await read(feed, 1000);
  assert.equal(records.length, 30_000);
  same(records, table);
});

Deno.test("who may have missed a deletion that is forgotten is sent back to the start", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }, { id: 2 }, { id: 3 }] });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path, tombstoneTtlMs: 100 });
  await feed.replica.live();
  origin.table.remove(2);
  const gone = Number(origin.table.head);
  origin.table.put({ id: 4 });
  await feed.replica.reached(Number(origin.table.head));
  const ask = async (since: number) => {
    const answer = await fetch(`${feed.url}/${since}?finite=1`);
    await answer.body?.cancel();
    return answer.status;
  };
  // Not the marks that deletions leave expire late, but what is said of them.
  await waitFor(async () => await ask(gone - 1) === 410, "410");
  assert.equal(await ask(0), 200);
  assert.equal(await ask(gone), 200);
  assert.equal(await ask(Number(origin.table.head)), 200);
  assert.equal(await ask(Number(origin.table.head) + 1), 410, "ahead of everything");
});
