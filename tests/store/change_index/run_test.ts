import assert from "node:assert/strict";
import { seededRandom } from "../../../scripts/origin/random.ts";
import {
  type ChangeEntry,
  type ChangePlace,
  isBehind,
  sortEntries,
} from "../../../src/store/change_index/entry.ts";
import type { ChangeRun } from "../../../src/store/change_index/manifest_state.ts";
import { type PageHints, readSlice } from "../../../src/store/change_index/merge_iterator.ts";
import {
  dropLeftovers,
  dropRun,
  mergedRuns,
  PageGone,
  writeRun,
} from "../../../src/store/change_index/run.ts";
import { changePagePrefix } from "../../../src/store/kv/keys.ts";
import { TempStore } from "../../support/temp_store.ts";
import { textOf } from "./entries.ts";
import { IndexedTable } from "./indexed_table.ts";

const { signal } = new AbortController();

/** Sorted entries, of which some are in other lists as well. */
function someEntries(random: () => number, count: number): ChangeEntry[] {
  const below = (n: number) => Math.floor(random() * n);
  return sortEntries(
    Array.from({ length: count }, () => ({ order: below(300), key: [below(40)] })),
  );
}

/** Everything behind a place, as a reader gets it. */
async function readAll(
  source: { kv: Deno.Kv; runs: readonly ChangeRun[]; log: readonly ChangeEntry[] },
  from: ChangePlace | null,
  upTo: number,
): Promise<ChangeEntry[]> {
  const hints: PageHints = new Map();
  const found: ChangeEntry[] = [];
  let place = from;
  for (;;) {
    const snapshot = () => ({ ...source, table: "servers" });
    const { entries, done } = await readSlice(snapshot, place, upTo, hints);
    found.push(...entries);
    place = entries.at(-1) ?? place;
    if (done) return found;
    assert.ok(entries.length > 0, "a slice moves on");
  }
}

Deno.test("a log and runs are read as one sorted list, from any place up to any order", async () => {
  await using store = await TempStore.create();
  await using indexed = await IndexedTable.open(store.path);
  const kv = indexed.table.store.reader;
  for (let seed = 1; seed <= 8; seed++) {
    const random = seededRandom(seed);
    const lists = Array.from(
      { length: seed % 4 },
      () => someEntries(random, Math.floor(random() * 3_000)),
    );
    const runs: ChangeRun[] = [];
    for (const [i, list] of lists.entries()) {
      const run = await writeRun(indexed.table, seed * 100 + i, [list], signal);
      assert.equal(run.entries, list.length);
      assert.deepEqual(run.last, list.at(-1) ?? null);
      runs.push(run);
    }
    const log = someEntries(random, Math.floor(random() * 2_000));
    const all = sortEntries([...lists.flat(), ...log]);
    const merged: ChangeEntry[] = [];
    for await (const slice of mergedRuns(kv, "servers", runs)) merged.push(...slice);
    assert.deepEqual(merged.map(textOf), sortEntries(lists.flat()).map(textOf), `seed ${seed}`);
    for (let n = 0; n < 6; n++) {
      const order = Math.floor(random() * 300);
      const from = n === 0 ? null : { order, key: n % 2 === 0 ? null : [20] };
      const upTo = Math.floor(random() * 320);
      const expected = all.filter((entry) => isBehind(entry, from) && Number(entry.order) <= upTo);
      const found = await readAll({ kv, runs, log }, from, upTo);
      assert.deepEqual(found.map(textOf), expected.map(textOf), `seed ${seed}`);
    }
    for (const run of runs) await dropRun(indexed.table, run, signal);
  }
  assert.deepEqual(await store.entries(changePagePrefix("servers")), []);
});

Deno.test("a reader whose pages are merged under its hands begins anew from where it is", async () => {
  await using store = await TempStore.create();
  await using indexed = await IndexedTable.open(store.path);
  const { table } = indexed;
  const kv = table.store.reader;
  const entries = someEntries(seededRandom(1), 3_000);
  const old = await writeRun(table, 1, [entries], signal);
  const fresh = await writeRun(table, 2, [entries], signal);
  const hints: PageHints = new Map();
  const first = await readSlice(
    () => ({ kv, table: "servers", runs: [old], log: [] }),
    null,
    999,
    hints,
  );
  await dropRun(table, old, signal);
  let asked = 0;
  const snapshot = () => ({ kv, table: "servers", runs: [asked++ === 0 ? old : fresh], log: [] });
  const place = first.entries.at(-1) ?? null;
  const { entries: next } = await readSlice(snapshot, place, 999, hints);
  assert.equal(asked, 2);
  assert.ok(next.length > 0 && next.every((entry) => isBehind(entry, place)));
  assert.deepEqual(next[0], entries[first.entries.length]);
  const gone = () => ({ kv, table: "servers", runs: [old], log: [] });
  await assert.rejects(readSlice(gone, null, 999, new Map()), PageGone);
});

Deno.test("what a crash left of runs goes, and what the state names stays", async () => {
  await using store = await TempStore.create();
  await using indexed = await IndexedTable.open(store.path);
  const { table } = indexed;
  const entries = someEntries(seededRandom(2), 4_000);
  const kept = await writeRun(table, 3, [entries], signal);
  await writeRun(table, 2, [entries], signal);
  await writeRun(table, 7, [entries], signal);
  // Its last page was written behind the end that the state knows of.
  const known = { ...kept, pages: kept.pages - 1 };
  await dropLeftovers(table, [known], signal);
  const left = await store.entries(changePagePrefix("servers"));
  assert.deepEqual(
    left.map(({ key }) => key.slice(-2)),
    Array.from({ length: known.pages }, (_, page) => [3, page]),
  );
});
