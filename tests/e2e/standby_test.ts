/**
 * A process that waits for another one's tables, and takes over when that is killed.
 */

import assert from "node:assert/strict";
import { systemClock } from "../../src/base/clock.ts";
import { createApp } from "../../src/http/app.ts";
import { replicate } from "../../src/mod.ts";
import { Standby } from "../../src/replica/standby.ts";
import { openStore } from "../../src/store/kv/open_store.ts";
import { FeedProcess } from "../feed/process.ts";
import { kvConnectMissing, startKvConnect } from "../support/kv_connect.ts";
import { byName, differences, rowsIn } from "../support/oracle.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { TempFolder } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

Deno.test("a standby shows the shared rows and isn't ready, and takes over when the holder is killed", async () => {
  await using folder = await TempFolder.create();
  await using origin = startTestOrigin({
    heartbeatMs: 50,
    rows: Array.from({ length: 3_000 }, (_, id) => ({ id, ip: `192.0.2.${id % 250}` })),
  });
  await using holder = await FeedProcess.start(origin.url, folder.path, "shared");
  await holder.reached(String(origin.table.head));
  const store = await openStore(holder.kv, { readOnly: true });
  const sources = [{ url: origin.url, table: "servers" }];
  const taking = replicate({ sources, kv: holder.kv, standby: true });
  {
    await using waiting = new Standby(store, ["servers"], systemClock);
    const app = createApp(waiting);
    const ask = (path: string) =>
      app.fetch(new Request(`http://127.0.0.1${path}`, { headers: { host: "127.0.0.1" } }));
    await waitFor(() => waiting.status().tables[0]?.rows === 3_000, "it has looked");
    const ready = await ask("/readyz");
    assert.equal(ready.status, 503);
    assert.match(await ready.text(), /standby: written by process \d+/);
    const row = await (await ask("/tables/servers/records/7")).json();
    assert.equal(row.ip, "192.0.2.7");
    const page = await (await ask("/")).text();
    assert.match(page, /Standing by/);
    app.close();
  }
  // In the middle of a burst, so that something is on its way.
  for (let id = 0; id < 2_000; id++) origin.table.put({ id, ip: "203.0.113.1" });
  await holder.kill();
  await using replicator = await taking;
  const servers = replicator.table();
  const last = origin.table.put({ id: "last" });
  await waitFor(() => servers.status().cursor === String(last["updated_at"]), "it goes on");
  using kv = await Deno.openKv(holder.kv);
  assert.deepEqual(differences(await rowsIn(kv, "servers"), byName(origin.table.liveRows())), []);
});

Deno.test({
  name: "of two hosts at one remote store the second takes over when the first stops in order",
  ignore: kvConnectMissing !== null,
  fn: async () => {
    Deno.env.set("DENO_KV_ACCESS_TOKEN", "secret");
    await using server = startKvConnect();
    await using origin = startTestOrigin({ heartbeatMs: 50, rows: [{ id: 1 }, { id: 2 }] });
    const options = { url: origin.url, kv: server.url };
    const first = await replicate(options);
    await waitFor(() => first.table().status().live, "live");
    const taking = replicate({ ...options, standby: true });
    origin.table.put({ id: 3 });
    await waitFor(() => first.table().status().rows === 3, "the first goes on");
    await first.stop();
    await using second = await taking;
    await waitFor(() => second.table().status().live, "the second is live");
    origin.table.put({ id: 4 });
    await waitFor(() => second.table().status().rows === 4, "and goes on");
  },
});
