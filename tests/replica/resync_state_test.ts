import assert from "node:assert/strict";
import {
  holdReason,
  MOST_CUTS,
  nextResync,
  restoredResync,
  type ResyncEvent,
  type SweepLimits,
  type WholeChain,
} from "../../src/replica/resync_state.ts";
import type { ResyncMark } from "../../src/store/kv/stored_values.ts";

const LIMITS: SweepLimits = { shrinkLimit: 0.5, minRows: 0 };

function whole(change: Partial<WholeChain> = {}, certain = 2, late = 0, of = 10): WholeChain {
  const missing = { certain, late, of };
  return { missing, isProven: true, records: 8, unreadable: 0, greatest: 8, ...change };
}

const REASON = { reason: "asked" };
const WANTED: ResyncMark = { ...REASON, phase: "wanted", cuts: 0, chain: 1, allowed: null };
const READING: ResyncMark = {
  ...REASON,
  phase: "reading",
  began: "b",
  before: 5,
  cuts: 0,
  chain: 1,
  allowed: null,
};
const PARTS: ResyncMark = { ...REASON, phase: "parts", began: "b" };
const HELD: ResyncMark = {
  ...REASON,
  phase: "held",
  began: "b",
  why: "large",
  wouldRemove: 7,
  of: 10,
  greatest: 8,
};
const REMOVING: ResyncMark = {
  ...REASON,
  phase: "removing",
  began: "b",
  wouldRemove: 2,
  of: 10,
  late: 0,
  greatest: 8,
};

const STATES = {
  none: null,
  wanted: WANTED,
  reading: READING,
  lastReading: { ...READING, cuts: MOST_CUTS - 1 },
  parts: PARTS,
  held: HELD,
  heldUnproven: { ...HELD, why: "unproven" },
  removing: REMOVING,
  removingSome: { ...REMOVING, late: 3 },
} satisfies Record<string, ResyncMark | null>;

const EVENTS = {
  request: { is: "request", reason: "again" },
  begun: { is: "begun", began: "c", before: 9 },
  cut: { is: "cut" },
  endedSmall: { is: "ended", chain: whole(), limits: LIMITS },
  endedLarge: { is: "ended", chain: whole({}, 4, 3), limits: LIMITS },
  endedEmpty: { is: "ended", chain: whole({ records: 0, greatest: null }, 0, 10), limits: LIMITS },
  approved: { is: "approved" },
  removed: { is: "removed" },
  unsaved: { is: "unsaved" },
} satisfies Record<string, ResyncEvent>;

const AGAIN: ResyncMark = { ...WANTED, reason: "again" };
const BEGUN: ResyncMark = { ...READING, began: "c", before: 9 };
const SMALL: ResyncMark = { ...REMOVING };
const LARGE: ResyncMark = { ...HELD };
const EMPTY: ResyncMark = { ...HELD, why: "empty", wouldRemove: 10, greatest: null };
const UNSAVED: ResyncMark = { ...HELD, why: "unsaved", wouldRemove: 2 };

/** What each event makes of each state; absent where it changes nothing. */
const TABLE: Record<
  keyof typeof STATES,
  Record<keyof typeof EVENTS, ResyncMark | null | "same">
> = {
  none: {
    request: AGAIN,
    begun: "same",
    cut: "same",
    endedSmall: "same",
    endedLarge: "same",
    endedEmpty: "same",
    approved: "same",
    removed: "same",
    unsaved: "same",
  },
  wanted: {
    request: AGAIN,
    begun: BEGUN,
    cut: "same",
    endedSmall: "same",
    endedLarge: "same",
    endedEmpty: "same",
    approved: "same",
    removed: "same",
    unsaved: "same",
  },
  reading: {
    request: AGAIN,
    begun: "same",
    cut: { ...WANTED, cuts: 1 },
    endedSmall: SMALL,
    endedLarge: LARGE,
    endedEmpty: EMPTY,
    approved: "same",
    removed: "same",
    unsaved: "same",
  },
  lastReading: {
    request: AGAIN,
    begun: "same",
    cut: PARTS,
    endedSmall: SMALL,
    endedLarge: LARGE,
    endedEmpty: EMPTY,
    approved: "same",
    removed: "same",
    unsaved: "same",
  },
  parts: {
    request: AGAIN,
    begun: "same",
    cut: "same",
    endedSmall: null,
    endedLarge: null,
    endedEmpty: null,
    approved: "same",
    removed: "same",
    unsaved: "same",
  },
  held: {
    request: AGAIN,
    begun: "same",
    cut: "same",
    endedSmall: "same",
    endedLarge: "same",
    endedEmpty: "same",
    approved: { ...WANTED, allowed: 7 },
    removed: "same",
    unsaved: "same",
  },
  heldUnproven: {
    request: AGAIN,
    begun: "same",
    cut: "same",
    endedSmall: SMALL,
    endedLarge: LARGE,
    endedEmpty: EMPTY,
    approved: { ...WANTED, allowed: 7 },
    removed: "same",
    unsaved: "same",
  },
  removing: {
    request: AGAIN,
    begun: "same",
    cut: { ...WANTED, allowed: 2 },
    endedSmall: "same",
    endedLarge: "same",
    endedEmpty: "same",
    approved: "same",
    removed: null,
    unsaved: UNSAVED,
  },
  removingSome: {
    request: AGAIN,
    begun: "same",
    cut: { ...WANTED, allowed: 5 },
    endedSmall: "same",
    endedLarge: "same",
    endedEmpty: "same",
    approved: "same",
    removed: { ...WANTED, chain: 2, allowed: 3 },
    unsaved: UNSAVED,
  },
};

Deno.test("every event of a resync has its place in every state", () => {
  for (const [state, row] of Object.entries(TABLE)) {
    for (const [event, next] of Object.entries(row)) {
      const before = STATES[state as keyof typeof STATES];
      const found = nextResync(before, EVENTS[event as keyof typeof EVENTS]);
      assert.deepEqual(found, next === "same" ? before : next, `${event} while ${state}`);
    }
  }
});

Deno.test("a sweep goes on unasked only where a proven, readable answer lacks few rows", () => {
  const cases: [WholeChain, number | null, string | null][] = [
    [whole(), null, null],
    [whole({}, 5), null, null],
    [whole({}, 6), null, "large"],
    [whole({}, 3, 3), null, "large"],
    [whole({ isProven: false }), null, "unproven"],
    [whole({ isProven: false }, 0), null, null],
    [whole({ records: 0 }, 0, 1), null, "empty"],
    [whole({ records: 0 }, 0, 0, 0), null, null],
    [whole({ unreadable: 1 }), null, "unreadable"],
    [whole({ unreadable: 1 }, 0), null, null],
    [whole({ records: 0 }, 0, 10), 10, null],
    [whole({ records: 0 }, 0, 10), 9, "empty"],
    [whole({ isProven: false }, 7), 7, null],
    [whole({}, 7, 1), 7, "large"],
  ];
  for (const [chain, allowed, why] of cases) {
    assert.equal(holdReason(chain, LIMITS, allowed), why, JSON.stringify({ chain, allowed }));
  }
  assert.equal(holdReason(whole({}, 10), { shrinkLimit: 1, minRows: 0 }, null), "large", "all");
  assert.equal(holdReason(whole(), { shrinkLimit: 1, minRows: 9 }, null), "few");
  assert.equal(holdReason(whole(), { shrinkLimit: 1, minRows: 8 }, null), null);
});

Deno.test("a resync that an earlier version has begun begins anew", () => {
  const old = (phase: string) =>
    ({ began: "b", reason: "asked", phase, wouldRemove: 3, of: 10 }) as unknown as ResyncMark;
  assert.equal(restoredResync(null), null);
  assert.deepEqual(restoredResync(old("reading")), WANTED);
  assert.deepEqual(restoredResync(old("removing")), { ...WANTED, allowed: 3 });
  const held = restoredResync(old("held"));
  assert.ok(held?.phase === "held" && held.why === "large" && held.greatest === null);
  for (const mark of [WANTED, READING, PARTS, HELD, REMOVING]) {
    assert.equal(restoredResync(mark), mark);
  }
});
