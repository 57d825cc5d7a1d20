/**
 * Replicas of replicas.
 */

import assert from "node:assert/strict";
import { startTestOrigin } from "../support/reference_origin.ts";
import { assertTable } from "../support/oracle.ts";
import { startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";
import { numbered, SortedOrigin } from "../support/sorted_origin.ts";
import { startFeed } from "./feed_replica.ts";

Deno.test("a replica follows another one's feed, from its backlog to its live rows", async () => {
  await using origin = startTestOrigin({ heartbeatMs: 20 });
  for (let id = 0; id < 3000; id++) origin.table.put({ id: (id * 739) % 3001, n: id });
  origin.table.remove(5);
  await using a = await TempStore.create();
  await using b = await TempStore.create();
  await using first = await startFeed(origin.url, { kv: a.path });
  await first.replica.live();
  await using second = await startReplica(first.url, { kv: b.path });
  await second.live();
  assert.equal(second.status.head, first.replica.status.cursor);
  for (let id = 0; id < 20; id++) origin.table.put({ id, n: -id });
  origin.table.remove(7);
  await second.reached(String(origin.table.head));
  await second.stop();
  await first.stop();
  for (const store of [a, b]) {
    using kv = await Deno.openKv(store.path);
    await assertTable(kv, origin.table.liveRows());
  }
});

Deno.test("a row that a hub's sweep removed, and its origin sends again, is alive at the edge as well", async () => {
  await using origin = await SortedOrigin.start(numbered(20));
  await using a = await TempStore.create();
  await using b = await TempStore.create();
  await using hub = await startFeed(origin.url, { kv: a.path, overlap: "100" });
  await hub.replica.live();
  await using edge = await startReplica(hub.url, { kv: b.path });
  await edge.until(({ live, rows }) => live && rows === 20, "filled");
  origin.rows = numbered(20).filter(({ id }) => id !== 3);
  hub.replica.replica.requestResync("the test wants it");
  await edge.until(({ rows }) => rows === 19, "swept at the edge");
  origin.rows = numbered(20);
  await hub.replica.until(({ rows }) => rows === 20, "alive at the hub");
  await edge.until(({ live, rows }) => live && rows === 20, "alive at the edge");
  await edge.stop();
  await assertTable(await b.open(), numbered(20));
});
