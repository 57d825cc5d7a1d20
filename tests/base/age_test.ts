import assert from "node:assert/strict";
import { ageMs, instant, instantOf, timeOf } from "../../src/base/age.ts";
import { HandClock } from "../support/clock.ts";

const NOON = Date.UTC(2026, 0, 1, 12);
const HOUR_MS = 3_600_000;

Deno.test("an age is the greater of what the wall clock and the stopwatch say", async () => {
  for (
    const [stepMs, passedMs, age] of [
      [0, 5_000, 5_000],
      [HOUR_MS, 5_000, HOUR_MS + 5_000], // a machine that was paused, whose stopwatch stood still
      [-HOUR_MS, 5_000, 5_000], // a clock that was set back
      [-HOUR_MS, 0, 0],
      [0, 0, 0],
    ] as const
  ) {
    const clock = new HandClock(NOON);
    const then = instant(clock);
    clock.stepWall(stepMs);
    await clock.advance(passedMs);
    assert.equal(ageMs(then, clock), age, `${stepMs} ${passedMs}`);
  }
});

Deno.test("a time that was read from a store grows old with the process, whatever the clock says", async () => {
  const clock = new HandClock(NOON);
  const ahead = instantOf(NOON + HOUR_MS, clock); // written before the clock was set back
  assert.equal(ageMs(ahead, clock), 0);
  await clock.advance(7_000);
  assert.equal(ageMs(ahead, clock), 7_000);
  assert.equal(ageMs(instantOf(NOON - HOUR_MS, clock), clock), HOUR_MS + 7_000);
});

Deno.test("an instant is shown by the clock as it goes now, and doesn't waver", async () => {
  const clock = new HandClock(NOON);
  const then = instant(clock, 2_500);
  assert.equal(timeOf(then, clock), NOON - 2_500);
  await clock.advance(10_000);
  assert.equal(timeOf(then, clock), NOON - 2_500);
  clock.stepWall(HOUR_MS);
  assert.equal(timeOf(then, clock), NOON - 2_500);
  clock.stepWall(-2 * HOUR_MS);
  assert.equal(timeOf(then, clock), NOON - HOUR_MS - 3_000);
  await clock.advance(300);
  assert.equal(timeOf(then, clock), NOON - HOUR_MS - 3_000);
});
