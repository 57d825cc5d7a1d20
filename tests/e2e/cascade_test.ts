/**
 * Chains and trees of real processes, some of which are killed.
 */

import assert from "node:assert/strict";
import { FeedProcess } from "../feed/process.ts";
import { byName, differences, rowsIn } from "../support/oracle.ts";
import { startTestOrigin, type TestOrigin } from "../support/reference_origin.ts";
import { TempFolder } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

async function assertEqual(process: FeedProcess, origin: TestOrigin): Promise<void> {
  using kv = await Deno.openKv(process.kv);
  const expected = byName(origin.table.liveRows());
  let found: string[] = [];
  await waitFor(
    async () => {
      found = differences(await rowsIn(kv, "servers"), expected);
      return found.length === 0;
    },
    "equal to the origin",
    30_000,
  ).catch(() => assert.deepEqual(found, []));
}

/** Puts and removes of what is there, and of what is new. */
function change(origin: TestOrigin, from: number, to: number): void {
  for (let n = from; n < to; n++) {
    if (n % 7 === 3) origin.table.remove((n * 31) % 3000);
    else origin.table.put({ id: (n * 739) % 3001, n });
  }
}

Deno.test("a chain of three ends equal to the origin, though its middle is killed again and again", async () => {
  await using folder = await TempFolder.create();
  await using origin = startTestOrigin({ heartbeatMs: 100 });
  change(origin, 0, 5000);
  await using a = await FeedProcess.start(origin.url, folder.path, "a");
  await using b = await FeedProcess.start(a.url, folder.path, "b");
  await using c = await FeedProcess.start(b.url, folder.path, "c");
  for (let round = 0; round < 3; round++) {
    change(origin, 5000 + round * 2000, 7000 + round * 2000);
    await b.kill();
    change(origin, 20_000 + round * 100, 20_100 + round * 100);
    await b.start();
    if (round === 1) {
      await a.kill();
      change(origin, 30_000, 30_500);
      await a.start();
    }
  }
  const head = origin.table.put({ id: "last" })["updated_at"];
  for (const process of [a, b, c]) {
    await process.reached(String(head));
    await assertEqual(process, origin);
  }
  // The first starts over, and the others learn of what it finds.
  for (let id = 1; id < 40; id += 2) origin.table.forget((id * 739) % 3001);
  const before = origin.requests.length;
  await a.post("resync");
  // The origin's answer stays open and announces no head: whether it is all is a person's to say.
  await waitFor(async () => {
    const table = (await a.status())?.table;
    return origin.requests.length > before && table?.sweep?.state === "held";
  }, "the sweep is held");
  await a.post("approve-sweep");
  for (const process of [a, b, c]) await assertEqual(process, origin);
});

Deno.test("a tree of twenty ends equal to the origin, though its branches are killed", async () => {
  await using folder = await TempFolder.create();
  await using origin = startTestOrigin({ heartbeatMs: 100 });
  change(origin, 0, 2000);
  await using stack = new AsyncDisposableStack();
  const all: FeedProcess[] = [];
  const grow = async (url: string, count: number, name: string) => {
    const grown = await Promise.all(Array.from({ length: count }, async (_, i) => {
      return stack.use(await FeedProcess.start(url, folder.path, `${name}${i}`));
    }));
    all.push(...grown);
    return grown;
  };
  // One root, three branches, four twigs on each, and a leaf on four of those.
  const [root] = await grow(origin.url, 1, "root");
  assert.ok(root !== undefined);
  const branches = await grow(root.url, 3, "branch");
  const twigs: FeedProcess[] = [];
  for (const [i, branch] of branches.entries()) {
    twigs.push(...await grow(branch.url, 4, `twig${i}`));
  }
  await Promise.all(twigs.slice(0, 4).map((twig, i) => grow(twig.url, 1, `leaf${i}`)));
  assert.equal(all.length, 20);
  change(origin, 2000, 3000);
  const [first, second] = branches;
  const [twig] = twigs;
  for (const process of [first, second, twig]) await process?.kill();
  change(origin, 3000, 3500);
  for (const process of [first, second, twig]) await process?.start();
  const head = origin.table.put({ id: "last" })["updated_at"];
  for (const process of all) await process.reached(String(head));
  for (const process of all) await assertEqual(process, origin);
});
