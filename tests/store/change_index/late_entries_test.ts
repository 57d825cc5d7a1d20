import assert from "node:assert/strict";
import fc from "fast-check";
import { compareEntries, sortEntries } from "../../../src/store/change_index/entry.ts";
import { LateEntries } from "../../../src/store/change_index/late_entries.ts";
import { entries, textOf } from "./entries.ts";

Deno.test("a reader who was at a version learns of all that came below the cursor since", () => {
  const commits = fc.array(
    fc.record({
      cursor: fc.nat(50),
      orders: fc.array(fc.nat(60), { minLength: 1, maxLength: 300 }),
    }),
    { maxLength: 12 },
  );
  fc.assert(fc.property(commits, fc.nat(12), (given, version) => {
    const late = new LateEntries();
    const expected: string[] = [];
    let key = 0;
    for (const [i, { cursor, orders }] of given.entries()) {
      const sorted = sortEntries(orders.map((order) => ({ order, key: [key++] })));
      late.note(sorted, cursor, i + 1);
      if (i + 1 > version) {
        expected.push(...sorted.filter(({ order }) => Number(order) < cursor).map(textOf));
      }
    }
    const { entries: found, least } = late.since(version);
    const told = new Set(found.map(textOf));
    for (const text of expected) {
      const order = Number(text.split("/")[0]);
      assert.ok(told.has(text) || (least !== null && order >= Number(least)), `${text} is missed`);
    }
    assert.ok(found.length <= 1_000, "it is bounded");
    if (least === null) assert.deepEqual([...told].toSorted(), expected.toSorted());
  }));
});

Deno.test("what lies at the cursor or above it is not late", () => {
  const late = new LateEntries();
  late.note(entries("5/1", "7/1").toSorted(compareEntries), 5, 1);
  assert.deepEqual(late.since(0), { entries: [], least: null });
  late.note(entries("5/1"), null, 2);
  assert.deepEqual(late.since(0), { entries: [], least: null });
});
