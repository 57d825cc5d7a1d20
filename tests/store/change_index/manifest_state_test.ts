import assert from "node:assert/strict";
import fc from "fast-check";
import { compareOrder, maxOrder, type Order } from "../../../src/protocol/cursor.ts";
import {
  type ChangeState,
  emptyState,
  floorOf,
  resyncBegins,
  resyncEnds,
  retell,
  withTombstones,
} from "../../../src/store/change_index/manifest_state.ts";

const TTL_MS = 1_600;

Deno.test("no deletion is forgotten before its time, and the floor says which were", () => {
  const deletions = fc.array(
    fc.record({ order: fc.integer({ min: 1, max: 50 }), afterMs: fc.nat(400) }),
    { maxLength: 40 },
  );
  fc.assert(fc.property(deletions, (given) => {
    let state = emptyState(true);
    let now = 0;
    const kept: { order: number; expiresAt: number }[] = [];
    let floor: Order | null = null;
    for (const { order, afterMs } of given) {
      now += afterMs;
      const deletion = { order, expiresAt: now + TTL_MS };
      state = withTombstones(state, deletion, now, TTL_MS);
      kept.push(deletion);
      assert.ok(state.buried.length <= 18, `${state.buried.length} groups`);
      const next = floorOf(state, now);
      assert.equal(maxOrder(floor, next), next, "the floor never sinks");
      floor = next;
      for (const past of kept.filter(({ expiresAt }) => expiresAt <= now)) {
        assert.ok(next !== null && compareOrder(past.order, next) <= 0, "it may be forgotten");
      }
    }
    const last = Math.max(0, ...given.map(({ order }) => order));
    assert.equal(floorOf(state, now + 2 * TTL_MS), given.length === 0 ? null : last);
  }));
});

/** Which followers have to start over, by what happened while the cursor was taken back. */
const CASES: Readonly<
  Record<string, {
    readonly given: Partial<ChangeState>;
    readonly cursor: Order | null;
    readonly isRenewed: boolean;
    readonly floor: Order | null;
  }>
> = {
  "nothing below the old cursor has changed": {
    given: { served: 9 },
    cursor: 12,
    isRenewed: false,
    floor: null,
  },
  "the origin is where it was": { given: { served: 9 }, cursor: 9, isRenewed: false, floor: null },
  "something below it has changed": {
    given: { served: 9, retold: true },
    cursor: 12,
    isRenewed: true,
    floor: 9,
  },
  "the origin was rewound": { given: { served: 9 }, cursor: 5, isRenewed: true, floor: 5 },
  "the origin is empty": { given: { served: 9 }, cursor: null, isRenewed: true, floor: null },
  "nobody had come anywhere": { given: {}, cursor: 5, isRenewed: false, floor: null },
};

Deno.test("followers start over exactly where asking from where they are would miss something", () => {
  for (const [name, { given, cursor, isRenewed, floor }] of Object.entries(CASES)) {
    const state = { ...emptyState(true), ...given };
    const ended = resyncEnds(state, cursor);
    assert.equal(ended.generation !== state.generation, isRenewed, name);
    assert.equal(ended.served, null, name);
    assert.equal(ended.retold, false, name);
    assert.equal(ended.floor, floor, name);
    assert.equal(ended.past ?? null, isRenewed ? given.served ?? null : null, name);
  }
});

Deno.test("a resync that begins twice remembers the farthest that followers came", () => {
  const once = resyncBegins(emptyState(true), 9);
  assert.equal(resyncBegins(once, 4).served, 9);
  assert.equal(resyncBegins(once, 12).served, 12);
});

Deno.test("after a change to what followers have, they start over at once", () => {
  const state = { ...emptyState(true), served: 9, retold: true, past: 4, floor: 2 };
  const told = retell(state);
  assert.deepEqual([told.past, told.floor, told.served, told.retold], [9, 9, null, false]);
  assert.notEqual(told.generation, state.generation);
});

Deno.test("after a rewind, deletions above the origin's end are forgotten with those at it", () => {
  const state = { ...emptyState(true), served: 9, buried: [{ order: 8, expiresAt: 100 }] };
  assert.deepEqual(resyncEnds(state, 5).buried, [{ order: 5, expiresAt: 100 }]);
  assert.deepEqual(resyncEnds(state, 8).buried, [{ order: 8, expiresAt: 100 }]);
});
