import assert from "node:assert/strict";
import fc from "fast-check";
import {
  Backoff,
  BACKOFF_MAX_MS,
  BACKOFF_MIN_MS,
  HEALTHY_AFTER_MS,
  POLL_MIN_MS,
  RETRY_AFTER_MAX_MS,
} from "../../src/base/backoff.ts";
import type { Clock } from "../../src/base/clock.ts";

/** Time that the simulation itself moves; the jitter is given. */
class SimulatedClock implements Clock {
  time = 0;
  readonly random: () => number;
  constructor(random: () => number) {
    this.random = random;
  }
  now(): number {
    throw new Error("a span is no matter of the wall clock");
  }
  monotonic(): number {
    return this.time;
  }
  sleep(): Promise<void> {
    throw new Error("a pure simulation doesn't sleep");
  }
}

/** What a server does with one request: how long it takes, and the pause that follows from it. */
type Server = (clock: SimulatedClock, backoff: Backoff, request: number) => number;

/** Requests in each minute of an hour against a server, jittered as given. */
function requestsPerMinute(server: Server, random: () => number): number[] {
  const clock = new SimulatedClock(random);
  const backoff = new Backoff(clock);
  const minutes: number[] = Array(60).fill(0);
  for (let request = 0; clock.time < 3_600_000; request++) {
    const minute = Math.floor(clock.time / 60_000);
    minutes[minute] = (minutes[minute] ?? 0) + 1;
    clock.time += server(clock, backoff, request);
  }
  return minutes;
}

const refuses: Server = (_clock, backoff) => backoff.failed({ retry: "soon" });
const acceptsAndDrops: Server = (_clock, backoff) => {
  backoff.answered();
  return backoff.failed({ retry: "soon" });
};
const dropsAfterAWhile: Server = (clock, backoff) => {
  backoff.answered();
  clock.time += HEALTHY_AFTER_MS - 1;
  return backoff.failed({ retry: "soon" });
};
const endsAtOnce = (pollMs: number): Server => (_clock, backoff) => backoff.ended(pollMs);
const alternates: Server = (_clock, backoff, request) =>
  request % 2 === 0 ? backoff.ended(0) : acceptsAndDrops(_clock, backoff, request);
const forbids: Server = (_clock, backoff) => backoff.failed({ retry: "slow" });
const saysGone: Server = (_clock, backoff) => backoff.failed({ retry: "resync" });
const limits: Server = (_clock, backoff) =>
  backoff.failed({ retry: "soon", retryAfterMs: 120_000 });

/** Jitter at its worst for the server, in the middle, and as it is. */
const WORST = () => 0;
function seeded(seed: number): () => number {
  return () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed / 2 ** 31;
  };
}

Deno.test("no server gets more than two requests a second, even with the jitter at its worst", () => {
  const bound = 60_000 / BACKOFF_MIN_MS;
  for (const server of [refuses, acceptsAndDrops, dropsAfterAWhile, forbids, saysGone, limits]) {
    for (const count of requestsPerMinute(server, WORST)) assert.ok(count <= bound, `${count}`);
  }
});

Deno.test("a server that keeps failing gets about five requests a minute after the first minute", () => {
  for (const server of [refuses, acceptsAndDrops, dropsAfterAWhile, saysGone]) {
    const [first = 0, ...later] = requestsPerMinute(server, seeded(7));
    assert.ok(first <= 20, `${first} in the first minute`);
    const mean = later.reduce((sum, count) => sum + count, 0) / later.length;
    assert.ok(mean <= 6, `${mean} a minute on average`);
    for (const count of later) assert.ok(count <= 15, `${count} in one minute`);
  }
});

Deno.test("a failure that wants a person is retried at most four times a minute", () => {
  for (const random of [WORST, seeded(3)]) {
    for (const count of requestsPerMinute(forbids, random)) assert.ok(count <= 4, `${count}`);
  }
});

Deno.test("a server that ends cleanly at once is asked no more often than the poll pause says", () => {
  for (const count of requestsPerMinute(endsAtOnce(1000), WORST)) assert.ok(count <= 60);
  const floor = 60_000 / POLL_MIN_MS;
  for (const count of requestsPerMinute(endsAtOnce(0), WORST)) assert.ok(count <= floor);
});

Deno.test("a server that fails every second time doesn't get its failures forgotten", () => {
  const [, ...later] = requestsPerMinute(alternates, seeded(11));
  for (const count of later) assert.ok(count <= 30, `${count}`);
});

Deno.test("a Retry-After is waited for in full, with the jitter on top, up to an hour", () => {
  for (const count of requestsPerMinute(limits, WORST)) assert.ok(count <= 1);
  fc.assert(fc.property(
    fc.nat(10 * RETRY_AFTER_MAX_MS),
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    (retryAfterMs, draw) => {
      const wait = new Backoff(new SimulatedClock(() => draw)).failed({
        retry: "soon",
        retryAfterMs,
      });
      const floor = Math.min(retryAfterMs, RETRY_AFTER_MAX_MS);
      assert.ok(wait >= floor + BACKOFF_MIN_MS && wait <= floor + BACKOFF_MAX_MS);
    },
  ));
});

Deno.test("waits grow from half a second to thirty and stay between them", () => {
  for (const draw of [0, 0.5, 0.999_999]) {
    const backoff = new Backoff(new SimulatedClock(() => draw));
    const waits = Array.from({ length: 2000 }, () => backoff.failed({ retry: "soon" }));
    for (const wait of waits) assert.ok(wait >= BACKOFF_MIN_MS && wait <= BACKOFF_MAX_MS);
    const first = waits[0] ?? 0;
    assert.ok(first <= 2 * BACKOFF_MIN_MS);
    if (draw > 0.9) assert.ok((waits.at(-1) ?? 0) > 0.9 * BACKOFF_MAX_MS);
  }
});

Deno.test("a stretch of health forgets the failures, a shorter one doesn't", () => {
  const clock = new SimulatedClock(() => 0.5);
  const backoff = new Backoff(clock);
  for (let i = 0; i < 9; i++) backoff.failed({ retry: "soon" });
  backoff.answered();
  clock.time += HEALTHY_AFTER_MS - 1;
  backoff.failed({ retry: "soon" });
  assert.equal(backoff.failures, 10);
  backoff.answered();
  clock.time += HEALTHY_AFTER_MS;
  backoff.failed({ retry: "soon" });
  assert.equal(backoff.failures, 1);
});

Deno.test("polls that end cleanly add up to a stretch of health", () => {
  const clock = new SimulatedClock(() => 0.5);
  const backoff = new Backoff(clock);
  for (let i = 0; i < 5; i++) backoff.failed({ retry: "soon" });
  for (let i = 0; i < 11; i++) clock.time += backoff.ended(1000);
  backoff.failed({ retry: "soon" });
  assert.equal(backoff.failures, 1);
});

Deno.test("time without an answer is no health: a server that is slow to fail backs off all the same", () => {
  const clock = new SimulatedClock(() => 0.5);
  const backoff = new Backoff(clock);
  for (let i = 0; i < 4; i++) {
    clock.time += 10 * HEALTHY_AFTER_MS;
    backoff.failed({ retry: "soon" });
  }
  assert.equal(backoff.failures, 4);
});

Deno.test("a thousand replicas that lost the same origin come back spread out", () => {
  const random = seeded(5);
  const returns = Array.from({ length: 1000 }, () => {
    const backoff = new Backoff(new SimulatedClock(random));
    for (let i = 0; i < 5; i++) backoff.failed({ retry: "soon" });
    return backoff.failed({ retry: "soon" });
  });
  const perSecond = new Map<number, number>();
  for (const wait of returns) {
    const second = Math.floor(wait / 1000);
    perSecond.set(second, (perSecond.get(second) ?? 0) + 1);
  }
  assert.ok(Math.max(...perSecond.values()) < 80, "no second takes more than 8 % of them");
});
