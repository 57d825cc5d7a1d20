/**
 * A client that knows nothing of this project follows the feed.
 */

import assert from "node:assert/strict";
import { startTestOrigin } from "../support/reference_origin.ts";
import { TempStore } from "../support/temp_store.ts";
import { testWith } from "../support/tools.ts";
import { startFeed } from "./feed_replica.ts";

testWith(["curl", "jq"], "curl and jq follow the feed", async () => {
  await using origin = startTestOrigin({
    rows: [{ id: 1, ip: "192.0.2.1" }, { id: 2, ip: "?" }],
  });
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path });
  await feed.replica.live();
  const script = `curl --no-progress-meter -N "$1/0" | ` +
    `jq --unbuffered -r '[.id, .ip, .deleted_at] | @tsv'`;
  await using child = new Deno.Command("sh", {
    args: ["-c", script, "sh", feed.url],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const until = async (line: string) => {
    while (!text.includes(line + "\n")) {
      const { done, value } = await reader.read();
      assert.ok(!done, `ended before ${line}: ${text}`);
      text += value;
    }
  };
  await until("1\t192.0.2.1\t");
  await until("2\t?\t");
  origin.table.put({ id: 2, ip: "192.0.2.2" });
  await until("2\t192.0.2.2\t");
  origin.table.remove(1);
  await until(`1\t192.0.2.1\t${origin.table.head}`);
  // The feed ends, and with it curl, jq and the shell.
  feed.feeds.close();
  await reader.cancel();
  await child.status;
});
