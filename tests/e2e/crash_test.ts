/**
 * The crash loop: a replicator in a process of its own is killed again and again, at named points
 * and at any time, while the origin goes on changing. After each kill the store is opened and
 * checked; at the end the table equals the origin.
 *
 * `deno task test --soak N` goes on for N seconds.
 *
 * @module
 */

import assert from "node:assert/strict";
import { seededRandom } from "../../scripts/origin/random.ts";
import type { CrashOptions } from "../support/crash_runner.ts";
import { assertInvariants, assertTable, keyName, rowsIn, type Version } from "../support/oracle.ts";
import type { OriginTable } from "../../scripts/origin/table.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { TempStore } from "../support/temp_store.ts";

const RUNNER = new URL("../support/crash_runner.ts", import.meta.url).pathname;
const SOAK_SECONDS = Number(Deno.env.get("LOCKSTEP_SOAK_SECONDS") ?? 0);
const SEED = Number(Deno.env.get("LOCKSTEP_SEED") ?? Date.now() % 2 ** 31);

function spawn(options: CrashOptions): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", RUNNER, JSON.stringify(options)],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs to the end, or to its own death; returns whether it was killed. */
async function run(options: CrashOptions): Promise<boolean> {
  const output = await spawn(options).output();
  if (output.signal === "SIGKILL") return true;
  const text = new TextDecoder().decode(output.stderr);
  assert.equal(output.code, 0, `${JSON.stringify(options)}: ${text}`);
  return false;
}

/** What the origin's records are now, tombstones included, of these ids. */
function versions(table: OriginTable, ids: Iterable<number>): Version[] {
  const found: Version[] = [];
  for (const id of ids) {
    const record = table.get(id);
    if (record === null) continue;
    const order = record["updated_at"];
    if (typeof order !== "number") throw new TypeError("orders are numbers here");
    found.push({ key: [id], order, deleted: record["deleted_at"] !== null });
  }
  return found;
}

/** The names of those of the ids that have a live record. */
function liveNames(table: OriginTable, ids: Iterable<number>): Set<string> {
  return new Set(versions(table, ids).filter((is) => !is.deleted).map(({ key }) => keyName(key)));
}

/** A row of an unpredictable size: every thirtieth too big for one value. */
function payload(random: () => number): string {
  return "x".repeat(random() < 1 / 30 ? 150_000 : Math.floor(random() * 200));
}

/** Changes some records: puts, new ones, deletions. */
function change(table: OriginTable, ids: Set<number>, random: () => number, count: number): void {
  for (let i = 0; i < count; i++) {
    const id = Math.floor(random() * 4000);
    ids.add(id);
    if (random() < 0.3) table.remove(id);
    else table.put({ id, text: payload(random) });
  }
}

/** One life of a store: killed until it gets through, then compared. Returns the kills. */
async function life(random: () => number, points: number[], options: Partial<CrashOptions>) {
  await using origin = startTestOrigin({ finite: true });
  const ids = new Set<number>();
  change(origin.table, ids, random, 2500);
  await using store = await TempStore.create();
  const base: CrashOptions = { url: origin.url, kv: store.path, killAt: 0, ...options };
  if (options.resync) {
    // Something to sweep: rows that the origin forgets.
    assert.equal(await run({ ...base, resync: false }), false);
    for (const id of ids) if (random() < 0.4) origin.table.forget(id);
  }
  // Once stored, and never gone from the origin since.
  let kept = options.resync ? liveNames(origin.table, ids) : new Set<string>();
  let kills = 0;
  for (const killAt of points) {
    const killed = await run({ ...base, killAt });
    if (killed) kills++;
    using kv = await Deno.openKv(store.path);
    const seen = await rowsIn(kv, "servers");
    assert.deepEqual([...kept].filter((name) => !seen.has(name)), [], "hidden from readers");
    const state = versions(origin.table, ids);
    // While it sweeps, rows that the origin forgot are still there, and no others.
    if (killed && options.resync !== true) await assertInvariants(kv, state);
    if (!killed && options.resync !== true) await assertTable(kv, origin.table.liveRows());
    change(origin.table, ids, random, 200);
    kept = kept.intersection(liveNames(origin.table, ids));
  }
  assert.equal(await run({ ...base, resync: false }), false);
  await assertTable(await store.open(), origin.table.liveRows());
  return kills;
}

Deno.test("killed at named points, a replica ends equal to the origin every time", async () => {
  console.log(`LOCKSTEP_SEED=${SEED}`);
  const random = seededRandom(SEED);
  let kills = 0;
  // Before and after each of the first commits: lease, cursor, parts, rows, the window's end.
  kills += await life(random, [-3, 3, -4, 4, -5, 5, -6, 6, -7, 7, -8, 8], {});
  kills += await life(random, [8, -2, 7, -3, 2, -8, 6, -7, 5, -4], {});
  assert.ok(kills >= 18, `${kills} kills`);
});

Deno.test("killed in the middle of a sweep, a replica removes the rest and nothing else", async () => {
  const random = seededRandom(SEED + 1);
  let kills = 0;
  for (const points of [[-1, 1, -2], [2, -1, 1, -2, 3], [3, -3, 4]]) {
    kills += await life(random, points, { resync: true, inSweep: true });
  }
  kills += await life(random, [-4, 4, -6, 8], { resync: true });
  assert.ok(kills >= 10, `${kills} kills`);
});

Deno.test("killed at any moment of an endless answer, a replica ends equal to the origin", async () => {
  const random = seededRandom(SEED + 2);
  await using origin = startTestOrigin();
  const ids = new Set<number>();
  change(origin.table, ids, random, 2000);
  await using store = await TempStore.create();
  const began = performance.now();
  let kills = 0;
  while (kills < 24 || performance.now() - began < SOAK_SECONDS * 1000) {
    const child = spawn({ url: origin.url, kv: store.path, killAt: 0, once: false });
    const started = child.stdout.getReader();
    await started.read();
    const end = performance.now() + random() * 150;
    while (performance.now() < end) {
      change(origin.table, ids, random, 20);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    child.kill("SIGKILL");
    await started.cancel();
    await child.stderr.cancel();
    await child.status;
    kills++;
    using kv = await Deno.openKv(store.path);
    await assertInvariants(kv, versions(origin.table, ids));
  }
  assert.equal(await run({ url: origin.url, kv: store.path, killAt: 0 }), false);
  await assertTable(await store.open(), origin.table.liveRows());
});
