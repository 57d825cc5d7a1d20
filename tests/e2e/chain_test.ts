/**
 * Random histories of a chain of processes: origin → a → b → c. Each is killed, stopped, started again
 * with its feed off and on, with an overlap, with a file and a command; the first is resynced, and
 * the origin is taken back to a backup. In the end each holds what the origin has.
 *
 * `LOCKSTEP_SOAK_SECONDS=600` plays more of them; `LOCKSTEP_SEED` one.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { seededRandom } from "../../scripts/origin/random.ts";
import { FeedProcess } from "../feed/process.ts";
import { byName, differences, rowsIn } from "../support/oracle.ts";
import { startTestOrigin, type TestOrigin } from "../support/reference_origin.ts";
import { TempFolder } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

const SOAK_MS = Number(Deno.env.get("LOCKSTEP_SOAK_SECONDS") ?? 0) * 1000;
const GIVEN_SEED = Deno.env.get("LOCKSTEP_SEED");

/** Without a soak. */
const SEEDS = 2;

const BIG = "x".repeat(130_000);

function change(origin: TestOrigin, random: () => number, count: number): void {
  for (let n = 0; n < count; n++) {
    const id = Math.floor(random() * 400);
    const drawn = random();
    if (drawn < 0.25) origin.table.remove(id);
    else if (drawn < 0.28) origin.table.put({ id, n, text: BIG });
    else origin.table.put({ id, n });
  }
}

async function assertEqual(process: FeedProcess, origin: TestOrigin, what: string): Promise<void> {
  using kv = await Deno.openKv(process.kv);
  const expected = byName(origin.table.liveRows());
  let found: string[] = [];
  await waitFor(
    async () => {
      found = differences(await rowsIn(kv, "servers"), expected);
      return found.length === 0;
    },
    what,
    30_000,
  ).catch(() => assert.deepEqual(found, [], what));
}

async function play(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const below = (count: number) => Math.floor(random() * count);
  await using folder = await TempFolder.create();
  const finite = random() < 0.5;
  await using origin = startTestOrigin({ finite, heartbeatMs: 50 });
  change(origin, random, 600);
  await using a = await FeedProcess.start(origin.url, folder.path, "a");
  await using b = await FeedProcess.start(a.url, folder.path, "b");
  const file = join(folder.path, "c.ndjson");
  await using c = await FeedProcess.start(b.url, folder.path, "c", {
    feed: false,
    write: { servers: file },
    onChange: "cat >/dev/null",
    onChangeWaitMs: 10,
  });
  const all = [a, b, c];
  let backup = origin.table.snapshot();
  for (let step = 0; step < 12; step++) {
    const process = all[below(3)] ?? a;
    switch (below(7)) {
      case 0:
        await process.kill();
        change(origin, random, 50);
        await process.start();
        break;
      case 1:
        await process.stop();
        change(origin, random, 20);
        await process.start();
        break;
      case 2:
        await a.post("resync");
        break;
      case 3:
        backup = origin.table.snapshot();
        break;
      case 4:
        // Whoever has come farther learns of it by a resync alone.
        origin.table.restore(backup);
        change(origin, random, 5);
        await a.stop();
        a.options = { ...a.options, resync: true };
        await a.start();
        a.options = { ...a.options, resync: false };
        break;
      case 5:
        await a.kill();
        a.options = { ...a.options, overlap: "20" };
        await a.start();
        break;
      default:
        change(origin, random, below(300));
    }
  }
  const head = String(origin.table.put({ id: "last" })["updated_at"]);
  for (const [i, process] of all.entries()) {
    await process.settled(head).catch((error: unknown) => {
      throw new Error(`seed ${seed}, process ${i}: ${error instanceof Error ? error.message : ""}`);
    });
  }
  for (const [i, process] of all.entries()) {
    await assertEqual(process, origin, `seed ${seed}, process ${i}`);
  }
  await waitFor(async () => {
    // It is made once its table is live.
    const text = await Deno.readTextFile(file).catch(() => "");
    const lines = text.trim().split("\n").filter(Boolean);
    return lines.length === origin.table.liveRows().length;
  }, `seed ${seed}: the file has every row`);
}

Deno.test("a chain ends equal to the origin, whatever is killed, stopped, resynced or taken back", async () => {
  if (GIVEN_SEED !== undefined) return await play(Number(GIVEN_SEED));
  const end = performance.now() + SOAK_MS;
  let seed = 1;
  for (; seed <= SEEDS || performance.now() < end; seed++) {
    await play(seed);
    if (SOAK_MS > 0) console.log(`history ${seed} ended equal`);
  }
});
