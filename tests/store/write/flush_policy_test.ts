import assert from "node:assert/strict";
import fc from "fast-check";
import {
  FLUSH_LIMITS,
  type FlushFigures,
  type FlushState,
  nextFlush,
} from "../../../src/store/write/flush_policy.ts";

/** Nothing to do, and nothing known. */
const IDLE: FlushFigures = {
  isEmpty: true,
  pendingRows: 0,
  isFull: false,
  isPacked: false,
  isSpilled: false,
  isGathered: false,
  isSettled: true,
  isBarrierWaiting: false,
  isCounting: false,
  quietMs: 0,
  recentRows: null,
};

const ROWS = { isEmpty: false, pendingRows: 10 };

/** What happens, as figures. */
const EVENTS = {
  nothing: {},
  rows: ROWS,
  full: { ...ROWS, isFull: true },
  spilled: { ...ROWS, isSpilled: true },
  quiet: { ...ROWS, quietMs: FLUSH_LIMITS.quietMs },
  packedQuiet: { ...ROWS, isPacked: true, quietMs: FLUSH_LIMITS.quietMs },
  longQuiet: { ...ROWS, isPacked: true, quietMs: FLUSH_LIMITS.packedQuietMs },
  slow: { ...ROWS, recentRows: FLUSH_LIMITS.slowRows - 1 },
  fast: { ...ROWS, recentRows: FLUSH_LIMITS.slowRows },
  unsettled: { isSettled: false },
  gathered: { ...ROWS, isGathered: true, isSettled: false },
  many: { ...ROWS, pendingRows: FLUSH_LIMITS.behindRows },
  barrier: { isBarrierWaiting: true },
  barrierAndRows: { ...ROWS, isBarrierWaiting: true },
  barrierUnsettled: { isBarrierWaiting: true, isSettled: false },
  counting: { isCounting: true },
} satisfies Record<string, Partial<FlushFigures>>;

type Event = keyof typeof EVENTS;

const WAIT = `filling: wait ${FLUSH_LIMITS.quietMs}`;
const FOLLOW = "following: commit followed";

/** What a state that drains does with everything but what it drains: it is over. */
const OVER: Record<Event, string> = {
  nothing: WAIT,
  rows: WAIT,
  full: WAIT,
  spilled: WAIT,
  quiet: WAIT,
  packedQuiet: WAIT,
  longQuiet: WAIT,
  slow: WAIT,
  fast: WAIT,
  unsettled: "draining: settle",
  gathered: "draining: commit gathered",
  many: WAIT,
  barrier: WAIT,
  barrierAndRows: WAIT,
  barrierUnsettled: "draining: settle",
  counting: WAIT,
};

const FOLLOWING: Record<Event, string> = {
  nothing: "following: wait",
  rows: FOLLOW,
  full: FOLLOW,
  spilled: FOLLOW,
  quiet: FOLLOW,
  packedQuiet: "filling: behind",
  longQuiet: "filling: behind",
  slow: FOLLOW,
  fast: FOLLOW,
  unsettled: "following: settle",
  gathered: FOLLOW,
  many: "filling: behind",
  barrier: "following: barrier",
  barrierAndRows: FOLLOW,
  barrierUnsettled: "following: settle",
  counting: "following: count",
};

/** For every state and event: the state that follows, and what is done. */
const TABLE: Record<FlushState, Record<Event, string>> = {
  filling: {
    nothing: WAIT,
    rows: WAIT,
    full: "filling: commit gathered",
    spilled: "filling: commit gathered",
    quiet: "draining: commit gathered",
    packedQuiet: WAIT,
    longQuiet: "draining: commit gathered",
    slow: "slowing: commit gathered",
    fast: WAIT,
    unsettled: WAIT,
    gathered: WAIT,
    many: WAIT,
    barrier: "filling: barrier",
    barrierAndRows: "filling: commit gathered",
    barrierUnsettled: "filling: settle",
    counting: WAIT,
  },
  draining: OVER,
  slowing: {
    ...FOLLOWING,
    unsettled: "slowing: settle",
    gathered: "slowing: commit gathered",
    barrierUnsettled: "slowing: settle",
  },
  following: FOLLOWING,
  closed: {
    nothing: "closed: wait",
    rows: "closed: wait",
    full: "closed: wait",
    spilled: "closed: wait",
    quiet: "closed: wait",
    packedQuiet: "closed: wait",
    longQuiet: "closed: wait",
    slow: "closed: wait",
    fast: "closed: wait",
    unsettled: "closed: wait",
    gathered: "closed: wait",
    many: "closed: wait",
    barrier: "closed: barrier",
    barrierAndRows: "closed: barrier",
    barrierUnsettled: "closed: barrier",
    counting: "closed: wait",
  },
};

function told(state: FlushState, figures: FlushFigures): string {
  const { state: next, action } = nextFlush(state, figures);
  const detail = action.kind === "commit"
    ? ` ${action.manner}`
    : action.kind === "wait" && action.waitMs !== null
    ? ` ${action.waitMs}`
    : "";
  return `${next}: ${action.kind}${detail}`;
}

Deno.test("every state and event has one answer, and it is the one of the table", () => {
  for (const [state, row] of Object.entries(TABLE)) {
    for (const [event, expected] of Object.entries(row)) {
      const figures = { ...IDLE, ...EVENTS[event as Event] };
      assert.equal(told(state as FlushState, figures), expected, `${state}, ${event}`);
    }
  }
});

Deno.test("whatever is pending, and however it came to that, a barrier is run in the end", () => {
  const state = fc.constantFrom<FlushState>(
    "filling",
    "draining",
    "slowing",
    "following",
    "closed",
  );
  const figures = fc.record({
    isEmpty: fc.boolean(),
    pendingRows: fc.nat(20_000),
    isFull: fc.boolean(),
    isPacked: fc.boolean(),
    isSpilled: fc.boolean(),
    isGathered: fc.boolean(),
    isSettled: fc.boolean(),
    isCounting: fc.boolean(),
    quietMs: fc.nat(1_000),
    recentRows: fc.option(fc.nat(10_000)),
  });
  fc.assert(
    fc.property(state, figures, (start, given) => {
      let at: FlushState = start;
      let now: FlushFigures = { ...given, isBarrierWaiting: true };
      for (let steps = 0; steps < 10; steps++) {
        const { state: next, action } = nextFlush(at, now);
        at = next;
        if (action.kind === "barrier") return;
        assert.ok(action.kind !== "wait" || action.waitMs !== null, "nobody would wake it");
        if (action.kind === "commit") {
          now = { ...now, isEmpty: true, pendingRows: 0, isSettled: false, isGathered: false };
        }
        if (action.kind === "settle") now = { ...now, isSettled: true };
      }
      assert.fail("the barrier was never run");
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("what is pending while nobody says more is committed in the end", () => {
  const state = fc.constantFrom<FlushState>("filling", "draining", "slowing", "following");
  fc.assert(fc.property(state, fc.boolean(), fc.nat(20_000), (start, isPacked, pendingRows) => {
    let at: FlushState = start;
    let quietMs = 0;
    for (let steps = 0; steps < 30; steps++) {
      const figures = { ...IDLE, isEmpty: false, pendingRows, isPacked, quietMs };
      const { state: next, action } = nextFlush(at, figures);
      at = next;
      if (action.kind === "commit") return;
      if (action.kind !== "wait") continue;
      assert.ok(action.waitMs !== null, "nobody would wake it");
      quietMs += action.waitMs;
    }
    assert.fail("never committed");
  }));
});
