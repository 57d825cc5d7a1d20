/**
 * A replica with its feed as a process of its own, for tests that kill.
 *
 * `deno run -A runner.ts URL KV PORT [OPTIONS]` (options of the library as JSON) prints its port; the status server is on the same one.
 *
 * @module
 */

import { Feeds } from "../../src/feed/routes.ts";
import { startStatusServer } from "../../src/http/server.ts";
import type { ReplicatorOptions } from "../../src/replica/options.ts";
import { replicate } from "../../src/replica/replicator.ts";

const [url = "", kv = "", port = "0", options = "{}"] = Deno.args;
const stop = new AbortController();
Deno.addSignalListener("SIGTERM", () => stop.abort());
await using replicator = await replicate({
  sources: [{ url, table: "servers" }],
  kv,
  feed: true,
  pollMs: 10,
  shrinkLimit: 1,
  ...JSON.parse(options) as Partial<ReplicatorOptions>,
  signal: stop.signal,
});
const feeds = new Feeds(replicator);
const server = await startStatusServer(replicator, {
  address: `127.0.0.1:${port}`,
  explicit: true,
  mount: (app) => feeds.mount(app),
});
console.log(new URL(server.url).port);
await replicator.done;
feeds.close();
await server.close();
