/**
 * Replicas of replicas.
 */

import assert from "node:assert/strict";
import { startTestOrigin } from "../support/reference_origin.ts";
import { assertTable } from "../support/oracle.ts";
import { startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";
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
