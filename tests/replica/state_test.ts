import assert from "node:assert/strict";
import { isLive, type LoopState, type StateEvent, transition } from "../../src/replica/state.ts";

/** Every state and every event: the compiler asks for each cell. */
const EXPECTED: Record<LoopState, Record<StateEvent, LoopState>> = {
  starting: {
    connect: "connecting",
    answered: "catching-up",
    "caught-up": "live",
    held: "held",
    released: "starting",
    behind: "starting",
    failed: "waiting",
    refused: "failing",
    stop: "stopped",
  },
  connecting: {
    connect: "connecting",
    answered: "catching-up",
    "caught-up": "live",
    held: "held",
    released: "connecting",
    behind: "connecting",
    failed: "waiting",
    refused: "failing",
    stop: "stopped",
  },
  "catching-up": {
    connect: "catching-up",
    answered: "catching-up",
    "caught-up": "live",
    held: "held",
    released: "catching-up",
    behind: "catching-up",
    failed: "waiting",
    refused: "failing",
    stop: "stopped",
  },
  live: {
    connect: "live",
    answered: "live",
    "caught-up": "live",
    held: "held",
    released: "live",
    behind: "catching-up",
    failed: "waiting",
    refused: "failing",
    stop: "stopped",
  },
  held: {
    connect: "held",
    answered: "held",
    "caught-up": "held",
    held: "held",
    released: "live",
    behind: "catching-up",
    failed: "waiting",
    refused: "failing",
    stop: "stopped",
  },
  waiting: {
    connect: "waiting",
    answered: "catching-up",
    "caught-up": "live",
    held: "held",
    released: "waiting",
    behind: "waiting",
    failed: "waiting",
    refused: "failing",
    stop: "stopped",
  },
  failing: {
    connect: "failing",
    answered: "catching-up",
    "caught-up": "live",
    held: "held",
    released: "failing",
    behind: "failing",
    failed: "waiting",
    refused: "failing",
    stop: "stopped",
  },
  stopped: {
    connect: "stopped",
    answered: "stopped",
    "caught-up": "stopped",
    held: "stopped",
    released: "stopped",
    behind: "stopped",
    failed: "stopped",
    refused: "stopped",
    stop: "stopped",
  },
};

Deno.test("every event leads from every state to where it should", () => {
  for (const [state, events] of Object.entries(EXPECTED)) {
    for (const [event, next] of Object.entries(events)) {
      const found = transition(state as LoopState, event as StateEvent);
      assert.equal(found, next, `${state}, ${event}`);
    }
  }
});

Deno.test("live is what is up to date as of the last contact, and nothing else", () => {
  const live = (Object.keys(EXPECTED) as LoopState[]).filter(isLive);
  assert.deepEqual(live, ["live", "held"]);
});

Deno.test("no state is a trap but the last, and a failure is never live", () => {
  for (const state of Object.keys(EXPECTED) as LoopState[]) {
    if (state === "stopped") continue;
    const reached = new Set<LoopState>([state]);
    for (const from of reached) {
      for (const event of Object.keys(EXPECTED[from]) as StateEvent[]) {
        reached.add(transition(from, event));
      }
    }
    assert.ok(reached.has("live") && reached.has("stopped"), state);
    assert.equal(isLive(transition(state, "failed")), false);
    assert.equal(isLive(transition(state, "refused")), false);
  }
});
