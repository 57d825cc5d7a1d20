import assert from "node:assert/strict";
import fc from "fast-check";
import {
  approved,
  complete,
  corrected,
  type GuardLimits,
  type GuardState,
  noted,
  objection,
  settledAt,
} from "../../../src/store/table/guard.ts";

const LIMITS: GuardLimits = { shrinkLimit: 0.1, growLimit: 0.5, minRows: 0 };
const MINUTE = 60_000;

Deno.test("the guard decides at its exact borders", () => {
  const cases: [number, Partial<GuardLimits>, number, string | null][] = [
    [1000, {}, -100, null],
    [1000, {}, -101, "shrink"],
    [1000, {}, 500, null],
    [1000, {}, 501, "grow"],
    [1000, { growLimit: null }, 1_000_000, null],
    [1000, { shrinkLimit: 1 }, -1000, null],
    [1000, { shrinkLimit: 1, minRows: 900 }, -100, null],
    [1000, { shrinkLimit: 1, minRows: 900 }, -101, "few"],
    [10, { minRows: 20 }, 5, null],
    [1000, {}, 0, null],
    [2, {}, -2, null],
    [3, {}, -3, "shrink"],
    [2, { minRows: 2 }, -1, "few"],
    [0, { growLimit: null }, 10, null],
  ];
  for (const [settled, limits, change, why] of cases) {
    const held = objection(settledAt(settled), { ...LIMITS, ...limits }, change, 0);
    assert.equal(held?.why ?? null, why, JSON.stringify({ settled, limits, change }));
    if (held !== null) assert.deepEqual([held.net, held.of], [change, settled]);
  }
});

Deno.test("changes of ten minutes count together, and by their net", () => {
  let state = settledAt(1000);
  state = noted(state, -60, 0);
  assert.equal(objection(state, LIMITS, -41, MINUTE)?.net, -101);
  assert.equal(objection(state, LIMITS, -40, MINUTE), null);
  // What comes back makes room.
  const back = noted(state, 30, MINUTE);
  assert.equal(objection(back, LIMITS, -70, 2 * MINUTE), null);
  // After ten minutes the smaller table is what is settled.
  assert.equal(objection(state, LIMITS, -94, 10 * MINUTE), null);
  assert.deepEqual(objection(state, LIMITS, -95, 10 * MINUTE), {
    why: "shrink",
    net: -95,
    of: 940,
  });
});

Deno.test("what was approved passes, and no more; once complete, it is no change any more", () => {
  const state = approved(noted(settledAt(1000), -50, 0), -900);
  assert.equal(objection(state, LIMITS, -850, 0), null);
  assert.equal(objection(state, LIMITS, -851, 0)?.net, -901);
  const after = complete(noted(state, -850, 0), 100);
  assert.deepEqual(after, settledAt(100));
  assert.equal(objection(after, LIMITS, -11, 0)?.of, 100);
  const plain = noted(settledAt(1000), -50, 0);
  assert.equal(complete(plain, 950), plain, "without an approval nothing is forgotten");
});

Deno.test("whatever happens, settled rows and changes add up to the rows that there are", () => {
  const step = fc.record({
    change: fc.integer({ min: -40, max: 40 }),
    wait: fc.integer({ min: 0, max: 4 * MINUTE }),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    let state: GuardState = settledAt(1000);
    let rows = 1000;
    let now = 0;
    const past: { at: number; rows: number }[] = [{ at: -Infinity, rows }];
    for (const { change, wait } of steps) {
      now += wait;
      state = noted(state, change, now);
      rows += change;
      past.push({ at: now, rows });
      const sum = state.slots.reduce((total, { net }) => total + net, 0);
      assert.equal(state.settled + sum, rows);
      assert.ok(state.slots.length <= 61);
      const fixed = corrected(state, rows + 7);
      assert.equal(fixed.settled, state.settled + 7);
    }
  }));
});
