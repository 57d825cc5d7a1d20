/**
 * Orders of every type through a replica's feed.
 *
 * @module
 */

import assert from "node:assert/strict";
import { COMPARISONS, line, LinesOrigin } from "../support/lines_origin.ts";
import { rowsIn } from "../support/oracle.ts";
import { startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";
import { startFeed } from "./feed_replica.ts";

const TIMES = ["00Z", "00.1Z", "00.125Z", "01Z"].map((end) => `2026-01-31T12:00:${end}`);

async function idsSince(url: string, since: string): Promise<number[]> {
  const response = await fetch(`${url}/${encodeURIComponent(since)}?finite=1`);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return text.split("\n").filter((row) => row !== "").map((row) => JSON.parse(row).id);
}

Deno.test("a feed of times understands them as the origin writes them, and in any other notation", async () => {
  await using origin = await LinesOrigin.start(
    COMPARISONS.times,
    TIMES.map((t, id) => line(id, t)),
  );
  await using store = await TempStore.create();
  await using feed = await startFeed(origin.url, { kv: store.path });
  await feed.replica.live();
  for (
    const since of [
      "2026-01-31T12:00:00.125Z",
      "2026-01-31T12:00:00.125",
      "2026-01-31 13:00:00.125000+01:00",
    ]
  ) assert.deepEqual(await idsSince(feed.url, since), [2, 3], since);
  assert.deepEqual(await idsSince(feed.url, "2026-01-31T12:00:00Z"), [0, 1, 2, 3]);
  const head = await fetch(`${feed.url}/0?finite=1`);
  await head.body?.cancel();
  assert.equal(head.headers.get("lockstep-order-type"), "time");
  assert.equal(head.headers.get("lockstep-head"), TIMES.at(-1));
  const refused = await fetch(`${feed.url}/998?finite=1`);
  assert.equal(refused.status, 400);
  assert.match(await refused.text(), /give a time/);
});

for (
  const [what, orders, compare, orderType] of [
    ["times of several widths", TIMES, COMPARISONS.times, undefined],
    ["decimals as text", ["9", "11", "100"], COMPARISONS.numbers, "number"],
    ["codes as text", ["9", "b", "c"], COMPARISONS.texts, "text"],
  ] as const
) {
  Deno.test(`a follower goes by the type that the feed tells: ${what}`, async () => {
    await using origin = await LinesOrigin.start(compare, [line(0, orders[0] ?? "")]);
    await using a = await TempStore.create();
    await using b = await TempStore.create();
    const options = orderType === undefined ? {} : { orderType };
    await using first = await startFeed(origin.url, { kv: a.path, ...options });
    await first.replica.live();
    await using second = await startReplica(first.url, { kv: b.path });
    await second.live();
    assert.equal(second.status.orderType, first.replica.status.orderType);
    for (let n = 1; n < orders.length; n++) {
      // The newer one of a row, and a row of its own.
      origin.lines = [
        ...orders.slice(0, n + 1).map((order, id) => line(10 + id, order)),
        line(0, orders[n] ?? "", `,"n":${n}`),
      ];
      await second.until(({ rows }) => rows >= n + 2 || rows === n + 1, "the next row");
      await second.until(({ cursor }) => cursor === orders[n], `the cursor ${orders[n]}`);
    }
    await second.stop();
    using kv = await Deno.openKv(b.path);
    const rows = await rowsIn(kv, "servers");
    assert.equal(rows.get("[0]")?.["n"], orders.length - 1, "the newest one counts");
    assert.equal(rows.size, orders.length + 1);
  });
}
