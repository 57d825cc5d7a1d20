/**
 * A replica with its feed as a process of its own, for tests that kill.
 *
 * `deno run -A runner.ts URL KV PORT` prints its port; the status server is on the same one.
 *
 * @module
 */

import { Feeds } from "../../src/feed/routes.ts";
import { startStatusServer } from "../../src/http/server.ts";
import { replicate } from "../../src/replica/replicator.ts";

const [url = "", kv = "", port = "0"] = Deno.args;
const stop = new AbortController();
Deno.addSignalListener("SIGTERM", () => stop.abort());
await using replicator = await replicate({
  sources: [{ url, table: "servers" }],
  kv,
  feed: true,
  pollMs: 10,
  shrinkLimit: 1,
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
