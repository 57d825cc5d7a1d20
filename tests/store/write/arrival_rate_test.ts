import assert from "node:assert/strict";
import { ArrivalRate, LARGE_QUIET_MS, QUIET_MS } from "../../../src/store/write/arrival_rate.ts";

Deno.test("a stream is quiet once nothing has come for as long as was asked", () => {
  const pace = new ArrivalRate();
  pace.begin(0, 1_000);
  pace.note(10, 1_010);
  assert.equal(pace.look(1_010 + QUIET_MS - 1, QUIET_MS).isQuiet, false);
  assert.equal(pace.look(1_010 + QUIET_MS, QUIET_MS).isQuiet, true);
  assert.equal(pace.look(1_010 + QUIET_MS, LARGE_QUIET_MS).isQuiet, false);
  assert.equal(pace.look(1_010 + LARGE_QUIET_MS, LARGE_QUIET_MS).isQuiet, true);
});

Deno.test("silence from before the pace was taken says nothing of the stream", () => {
  const pace = new ArrivalRate();
  pace.begin(0, 0);
  pace.note(10, 10);
  pace.begin(0, 1_000);
  assert.equal(pace.look(1_000 + QUIET_MS - 1, QUIET_MS).isQuiet, false);
  assert.equal(pace.look(1_000 + QUIET_MS, QUIET_MS).isQuiet, true);
});

/** Whether a stream is slow after so many rows in each hundredth of a second. */
function isSlow(rows: number, ms: number, waiting = 0): boolean {
  const pace = new ArrivalRate();
  pace.begin(waiting, 0);
  for (let now = 10; now <= ms; now += 10) pace.note(rows, now);
  return pace.look(ms, QUIET_MS).isSlow;
}

Deno.test("a stream is slow below ten thousand rows a second, over a quarter of one", () => {
  assert.equal(isSlow(99, 250), true);
  assert.equal(isSlow(100, 250), false);
  // Too early to tell.
  assert.equal(isSlow(0, 240), false);
  // Rows that wait already count as well.
  assert.equal(isSlow(99, 250, 100), false);
});

Deno.test("each look at a whole stretch begins a new one", () => {
  const pace = new ArrivalRate();
  pace.begin(0, 0);
  pace.note(5_000, 10);
  assert.equal(pace.look(250, QUIET_MS).isSlow, false);
  assert.equal(pace.look(499, QUIET_MS).isSlow, false);
  assert.equal(pace.look(500, QUIET_MS).isSlow, true);
});
