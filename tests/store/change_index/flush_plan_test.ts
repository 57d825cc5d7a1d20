import assert from "node:assert/strict";
import fc from "fast-check";
import { compareEntries, sortEntries, unpackPage } from "../../../src/store/change_index/entry.ts";
import { LOGGED_ENTRIES, planRuns } from "../../../src/store/change_index/flush_plan.ts";
import { runsToMerge } from "../../../src/store/change_index/compaction.ts";
import type { ChangeRun } from "../../../src/store/change_index/manifest_state.ts";
import { changePageKey } from "../../../src/store/kv/keys.ts";
import { textOf } from "./entries.ts";

/** The end of the run that grows. */
const GROWING = {
  run: { id: 4, pages: 3, entries: 1_000 },
  last: { order: 500, key: [7] },
};

Deno.test("every entry goes to the log or to one page of one run, in order", () => {
  const sizes = fc.tuple(fc.nat(2_500), fc.nat(2_500), fc.boolean());
  fc.assert(
    fc.property(sizes, ([below, above, grows]) => {
      const entries = sortEntries([
        ...Array.from({ length: below }, (_, i) => ({ order: i % 400, key: [i] })),
        ...Array.from({ length: above }, (_, i) => ({ order: 501 + i, key: [i] })),
      ]);
      let created = 10;
      const { pages, runs, late } = planRuns(
        "servers",
        entries,
        grows ? GROWING : null,
        () => created++,
      );
      const values = [...pages];
      const paged = values.flatMap(({ value }) => unpackPage(value));
      assert.deepEqual([...late, ...paged].map(textOf), entries.map(textOf));
      assert.ok(late.length <= LOGGED_ENTRIES, "the log takes a few only");
      const keys = runs.flatMap((run) =>
        Array.from({ length: run.pages }, (_, i) => changePageKey("servers", run.id, run.first + i))
      );
      assert.deepEqual(values.map(({ key }) => key), keys);
      for (const run of runs) {
        assert.equal(compareEntries(run.last, entries[run.to - 1] ?? run.last), 0);
        const isBehind = run.from === entries.length ||
          compareEntries(entries[run.from] ?? run.last, GROWING.last) > 0;
        if (grows && run.grows) {
          assert.deepEqual([run.id, run.first, isBehind], [4, 3, true], "it joins the run");
        }
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("few runs are let be, and of many the small ones are merged", () => {
  const run = (entries: number, id: number): ChangeRun => ({ id, pages: 1, entries });
  assert.deepEqual(runsToMerge([1, 1, 1, 1, 1, 1].map(run)), []);
  const chosen = runsToMerge([1_000_000, 10, 20, 10, 30, 50, 40].map(run));
  assert.deepEqual(chosen.map(({ entries }) => entries), [10, 10, 20, 30, 40, 50]);
  fc.assert(fc.property(fc.array(fc.nat(1_000), { maxLength: 20 }), (sizes) => {
    const merged = runsToMerge(sizes.map(run));
    assert.equal(merged.length > 0, sizes.length > 6);
    assert.ok(merged.length !== 1, "one alone is none to merge");
  }));
});
