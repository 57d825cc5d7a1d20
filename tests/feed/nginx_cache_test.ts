/**
 * The feed behind the cache that the documentation shows.
 */

import assert from "node:assert/strict";
import { Nginx } from "../support/nginx.ts";
import { assertTable } from "../support/oracle.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";
import { testWith } from "../support/tools.ts";
import { type FeedReplica, startFeed } from "./feed_replica.ts";

const CACHES = { shared: true, beside: null, tombstoneTtlMs: 7 * 86_400_000 };

/** nginx before a feed, as the documentation has it. */
async function documented(feed: FeedReplica, folder: string): Promise<Nginx> {
  const text = await Deno.readTextFile(new URL("../../docs/feed.md", import.meta.url));
  const block = /```nginx\n([^]*?)```/.exec(text)?.[1] ?? "";
  const [http = "", server = ""] = block.split("server {");
  await Deno.mkdir(folder);
  await Deno.chmod(folder, 0o777);
  return await Nginx.start({
    http: http.replace("/var/cache/nginx/feed", folder),
    server: server.replace("listen 8080;", "").replace(/\}\s*$/, "")
      .replace("127.0.0.1:4568", `127.0.0.1:${feed.port}`),
  });
}

testWith(
  ["nginx"],
  "behind nginx the chunks of a feed are asked for once, and a change by all at once",
  async () => {
    await using origin = startTestOrigin({ heartbeatMs: 20 });
    for (let id = 0; id < 1_000; id++) {
      origin.table.put({ id, text: `${id}`.padEnd(2_000, "abcdefghij") });
    }
    await using store = await TempStore.create();
    await using feed = await startFeed(origin.url, { kv: store.path, caches: CACHES });
    await feed.replica.live();
    const folder = await Deno.makeTempDir({ prefix: "lockstep-cache-" });
    // nginx's workers are another user.
    await Deno.chmod(folder, 0o755);
    {
      await using nginx = await documented(feed, `${folder}/feed`);
      const url = `${nginx.url}/feed/servers`;
      await using a = await TempStore.create();
      await using b = await TempStore.create();
      await using first = await startReplica(url, { kv: a.path });
      await first.reached(1999);
      await using second = await startReplica(url, { kv: b.path });
      await second.reached(1999);
      const sealed = feed.requests.filter((path) => path.includes("chunk=1")).slice(0, -1);
      assert.ok(sealed.length > 2);
      const open = sealed.at(-1);
      const again = sealed.filter((path) => path !== open);
      assert.deepEqual(again, [...new Set(again)], "each once");
      // Readers of one position.
      const poll = async (at: string) => {
        const answer = await fetch(`${url}/0?wait=25&at=${at}`);
        return { text: await answer.text(), at: answer.headers.get("lockstep-at") ?? "" };
      };
      let { at } = await poll("new");
      for (let change = 0; change < 3; change++) {
        const before = feed.requests.length;
        const waiting = Array.from({ length: 50 }, () => poll(at));
        origin.table.put({ id: 5_000 + change });
        const answers = await Promise.all(waiting);
        for (const { text } of answers) assert.equal(JSON.parse(text).id, 5_000 + change);
        at = answers[0]?.at ?? "";
        const asked = feed.requests.slice(before).length;
        assert.ok(asked <= 3, `${asked} requests for 50 readers and two followers`);
      }
      const { head } = origin.table;
      await Promise.all([first, second].map((replica) => replica.reached(String(head))));
      for (const kept of [a, b]) {
        using kv = await Deno.openKv(kept.path);
        await assertTable(kv, origin.table.liveRows());
      }
    }
    await Deno.remove(folder, { recursive: true });
  },
);
