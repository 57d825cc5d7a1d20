import assert from "node:assert/strict";
import fc from "fast-check";
import { compareOrder } from "../../../src/protocol/cursor.ts";
import { HighWater } from "../../../src/store/write/high_water.ts";
import type { Row } from "../../../src/protocol/record.ts";
import { makeRow } from "../../support/arbitraries.ts";

/** Windows of rows with unique keys each, as the sink hands them to the frontier. */
const windows = fc.array(
  fc.uniqueArray(fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 6 })), {
    selector: ([key]) => key,
    maxLength: 12,
  }),
  { maxLength: 12 },
);

function commit(frontier: HighWater, rows: readonly Row[], slice: number): void {
  const orders = rows.map(({ order }) => Number(order));
  frontier.begin(rows.length === 0 ? null : Math.max(...orders));
  for (let at = 0; at < rows.length; at += slice) frontier.note(rows.slice(at, at + slice));
  frontier.end();
}

Deno.test("a row is never taken for new where its key is stored at the same order or above", () => {
  const property = fc.property(windows, fc.nat(4), fc.nat(3), (windows, slice, known) => {
    // Rows up to `known` were stored before this process.
    const stored = new Map<number, number>();
    for (let key = 0; known > 0 && key < 30; key += 3) stored.set(key, known);
    const frontier = new HighWater(known === 0 ? null : known, known === 0);
    for (const window of windows) {
      const rows = window.map(([key, order]) => makeRow([key], order));
      for (const row of rows) {
        const key = Number(row.key[0]);
        const before = stored.get(key);
        if (before !== undefined && compareOrder(before, row.order) >= 0) {
          assert.equal(frontier.isAhead(row), false, `${key} at ${row.order} over ${before}`);
        }
      }
      commit(frontier, rows, slice + 1);
      for (const row of rows) {
        const key = Number(row.key[0]);
        stored.set(key, Math.max(stored.get(key) ?? 0, Number(row.order)));
      }
    }
  });
  fc.assert(property, { numRuns: 1000 });
});

for (const size of [1_000, 8_000]) {
  Deno.test(`thousands of ties are told apart without being read, and none is mistaken (${size} a window)`, () => {
    const frontier = new HighWater(null, true);
    const ties = Array.from({ length: 24_000 }, (_, n) => makeRow([`key ${n}`], 5));
    for (let at = 0; at < ties.length; at += size) commit(frontier, ties.slice(at, at + size), 300);
    assert.ok(ties.every((row) => !frontier.isAhead(row)), "each of them is known");
    const others = Array.from({ length: 10_000 }, (_, n) => makeRow([`other ${n}`], 5));
    const ahead = others.filter((row) => frontier.isAhead(row)).length;
    assert.ok(ahead > 9_500, `${ahead} of 10,000 new ties are known to be new`);
    assert.equal(frontier.isAhead(makeRow(["key 1"], 6)), true);
    assert.equal(frontier.isAhead(makeRow(["new"], 4)), false);
  });
}

Deno.test("ties of an order that began before this process are read", () => {
  const frontier = new HighWater(5, false);
  assert.equal(frontier.isAhead(makeRow([1], 5)), false);
  commit(frontier, [makeRow([2], 5)], 1);
  assert.equal(frontier.isAhead(makeRow([3], 5)), false);
  commit(frontier, [makeRow([2], 6)], 1);
  assert.equal(frontier.isAhead(makeRow([3], 6)), true);
  assert.equal(frontier.isAhead(makeRow([2], 6)), false);
});

Deno.test("keys extend a table only as long as each lies above all before it", () => {
  const frontier = new HighWater(null, true);
  const extend = (...keys: number[]) => frontier.extendsKeys(keys.map((key) => makeRow([key], 1)));
  assert.equal(extend(1, 2, 3), true);
  assert.equal(extend(4), true);
  assert.equal(extend(4, 5), false, "4 was there");
  assert.equal(extend(9), false, "once out of order, nothing is known any more");
  assert.equal(new HighWater(null, false).extendsKeys([makeRow([1], 1)]), false, "rows are there");
});
