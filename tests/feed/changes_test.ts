/**
 * What the change index does for the status server's change stream.
 */

import assert from "node:assert/strict";
import { createApp } from "../../src/http/app.ts";
import { EventReader } from "../http/request.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { TempStore } from "../support/temp_store.ts";
import { startReplica } from "../support/replicas.ts";

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
