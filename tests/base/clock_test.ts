import assert from "node:assert/strict";
import { systemClock } from "../../src/base/clock.ts";
import { HandClock } from "../support/clock.ts";

Deno.test("the hand-held clock wakes sleepers in the order in which they are due", async () => {
  const clock = new HandClock(0);
  const woken: string[] = [];
  clock.sleep(30).then(() => woken.push(`late at ${clock.now()}`));
  clock.sleep(10).then(async () => {
    woken.push(`early at ${clock.now()}`);
    await clock.sleep(5);
    woken.push(`again at ${clock.now()}`);
  });
  await clock.advance(29);
  assert.deepEqual(woken, ["early at 10", "again at 15"]);
  assert.equal(clock.now(), 29);
  assert.equal(clock.nextIn, 1);
  await clock.advanceToNext();
  assert.equal(woken.at(-1), "late at 30");
  assert.equal(clock.sleeping, 0);
});

Deno.test("waiting for sleepers ends when there are as many as asked for", async () => {
  const clock = new HandClock();
  let seen = false;
  const waiting = clock.whenSleeping(2).then(() => seen = true);
  const first = clock.sleep(1);
  await clock.advance(0);
  assert.equal(seen, false);
  const second = clock.sleep(2);
  await waiting;
  await clock.advance(2);
  await Promise.all([first, second]);
});

const clocks = { "hand-held": new HandClock(), "machine's own": systemClock };
for (const [name, clock] of Object.entries(clocks)) {
  Deno.test(`a sleep on the ${name} clock ends with its signal's reason`, async () => {
    const reason = new Error("enough");
    const abort = new AbortController();
    const slept = clock.sleep(3_600_000, abort.signal);
    abort.abort(reason);
    await assert.rejects(slept, reason);
    await assert.rejects(clock.sleep(1, abort.signal), reason);
  });
}

Deno.test("a wall clock that steps moves no stopwatch and wakes nobody", async () => {
  const clock = new HandClock(1_000_000);
  const began = clock.monotonic();
  let awake = false;
  const slept = clock.sleep(10).then(() => awake = true);
  clock.stepWall(3_600_000);
  await clock.advance(9);
  assert.equal(clock.now(), 1_000_000 + 3_600_000 + 9);
  assert.equal(clock.monotonic() - began, 9);
  assert.equal(awake, false);
  clock.stepWall(-7_200_000);
  await clock.advance(1);
  await slept;
  assert.equal(clock.now(), 1_000_000 - 3_600_000 + 10);
});
