/**
 * What the change index does for the status server's change stream.
 */

import assert from "node:assert/strict";
import { createApp } from "../../src/http/app.ts";
import { EventReader } from "../http/request.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { TempStore } from "../support/temp_store.ts";
import { startReplica } from "../support/replicas.ts";
import { betweenCommits } from "./between_commits.ts";

Deno.test("with the feed a change stream that was away for long tells deletions, too", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }, { id: 2 }, { id: 3 }] });
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path, feed: true });
  await replica.reached(1002);
  origin.table.remove(1);
  await replica.reached(1003);
  const app = createApp(replica.replicator);
  const request = new Request("http://localhost/tables/servers/changes?since=1001");
  await using events = new EventReader(await app.fetch(request));
  const seen: string[] = [];
  while (seen.length < 3) {
    const event = await events.next();
    assert.notEqual(event, null);
    if (event?.event !== undefined) seen.push(`${event.event} ${JSON.parse(event.data).key}`);
  }
  assert.deepEqual(seen, ["put 2", "put 3", "delete 1"]);
  app.close();
});

Deno.test("a change stream that begins between the commits of a run misses nothing of it", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path, feed: true });
  await replica.reached(1000);
  const app = createApp(replica.replicator);
  await betweenCommits(replica, origin, async (since, isWaiting, isEnough) => {
    let place = since;
    for (;;) {
      const request = new Request("http://localhost/tables/servers/changes", {
        headers: { "last-event-id": place },
      });
      await using events = new EventReader(await app.fetch(request));
      isWaiting();
      // Who leaves too much unread is cut off, and comes back.
      for (let event = await events.next(); event !== null; event = await events.next()) {
        place = event.id ?? place;
        if (isEnough(JSON.parse(event.data).value ?? {})) return;
      }
    }
  });
  app.close();
});
