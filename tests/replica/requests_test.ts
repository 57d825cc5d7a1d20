/**
 * No hot loop: whatever the server does, its requests stay under a bound, on a clock that moves by
 * hand and with the shortest waits that chance can draw.
 *
 * @module
 */

import assert from "node:assert/strict";
import { HandClock } from "../support/clock.ts";
import {
  type Behaviour,
  chunked,
  closeDelimited,
  drop,
  html,
  MisbehavingOrigin,
  records,
  redirect,
  status,
} from "../support/misbehaving_origin.ts";
import { startReplica, type TestReplica } from "../support/replicas.ts";
import { waitFor } from "../support/wait_for.ts";

const MINUTE_MS = 60_000;
const ROW = '{"id":1,"updated_at":5}\n';

/** Attempts that are over. */
function attempts(replica: TestReplica): number {
  const { reconnects, nextAttempt } = replica.status;
  const over = Object.values(reconnects).reduce((sum, count) => sum + count, 0);
  return over + (nextAttempt === null ? 0 : 1);
}

/** Lets virtual minutes pass, never while an attempt is under way; returns the attempts. */
async function attemptsWithin(minutes: number, replica: TestReplica, clock: HandClock) {
  const end = clock.now() + minutes * MINUTE_MS;
  let seen = 0;
  while (clock.now() < end) {
    // The next attempt begins within the step that wakes it, or not at all.
    await waitFor(() => attempts(replica) > seen, "the attempt is over");
    seen = attempts(replica);
    const { nextAttempt } = replica.status;
    const wait = nextAttempt === null
      ? (await clock.whenSleeping(2), clock.nextIn ?? 0)
      : Date.parse(nextAttempt) - clock.now();
    await clock.advance(Math.max(1, wait));
  }
  return seen;
}

interface Pattern {
  readonly name: string;
  readonly behaviour: Behaviour;
  /** Attempts a minute at most. */
  readonly perMinute: number;
}

const PATTERNS: readonly Pattern[] = [
  { name: "accepts and drops", behaviour: drop(), perMinute: 120 },
  { name: "accepts and resets", behaviour: drop("reset"), perMinute: 120 },
  { name: "breaks off after a row", behaviour: chunked([ROW], { end: "reset" }), perMinute: 120 },
  { name: "says 503", behaviour: status(503), perMinute: 120 },
  { name: "says 401", behaviour: status(401), perMinute: 4 },
  { name: "says 404", behaviour: status(404), perMinute: 4 },
  { name: "says 410 for ever", behaviour: status(410), perMinute: 120 },
  { name: "sends a page", behaviour: html(), perMinute: 4 },
  { name: "redirects to itself", behaviour: redirect(), perMinute: 4 },
  { name: "ends at once", behaviour: records(""), perMinute: 600 },
  { name: "says 204", behaviour: status(204), perMinute: 600 },
  { name: "sends the same row again", behaviour: records(ROW), perMinute: 600 },
  { name: "sends it and closes", behaviour: closeDelimited(ROW), perMinute: 600 },
];

for (const { name, behaviour, perMinute } of PATTERNS) {
  Deno.test(`a server that ${name} gets no more than ${perMinute} requests a minute`, async () => {
    await using origin = await MisbehavingOrigin.start(behaviour);
    const clock = new HandClock(undefined, () => 0);
    await using replica = await startReplica(`${origin.url}/servers`, {
      kv: ":memory:",
      clock,
      pollMs: 0,
    });
    const minutes = perMinute > 120 ? 0.5 : perMinute > 4 ? 2 : 10;
    const made = await attemptsWithin(minutes, replica, clock);
    assert.ok(made <= perMinute * minutes + 1, `${made} in ${minutes} min`);
    assert.ok(made >= 2, "it goes on asking");
  });
}

Deno.test("a server that isn't there gets no more than 120 connections a minute", async () => {
  const origin = await MisbehavingOrigin.start();
  await origin.close();
  const clock = new HandClock(undefined, () => 0);
  await using replica = await startReplica(`${origin.url}/servers`, { kv: ":memory:", clock });
  const made = await attemptsWithin(2, replica, clock);
  assert.ok(made >= 2 && made <= 241, `${made}`);
  assert.equal(replica.status.state, "waiting");
});

Deno.test("Retry-After is a floor, in both of its forms, and no more than an hour", async () => {
  const start = Date.UTC(2026, 0, 1);
  const date = (ms: number) => new Date(start + ms).toUTCString();
  for (
    const [code, after, seconds] of [
      [429, "120", 120],
      [503, "120", 120],
      [503, date(300_000), 300],
      [429, "86400", 3600],
    ] as const
  ) {
    await using origin = await MisbehavingOrigin.start(
      status(code, { "retry-after": after, date: date(0) }),
      records(ROW),
    );
    const clock = new HandClock(start, () => 0);
    await using replica = await startReplica(`${origin.url}/servers`, { kv: ":memory:", clock });
    const { nextAttempt } = await replica.until(
      ({ nextAttempt }) => nextAttempt !== null,
      "refused",
    );
    const wait = Date.parse(nextAttempt ?? "") - clock.now();
    assert.ok(wait >= seconds * 1000 && wait <= seconds * 1000 + 1000, `${after}: ${wait}`);
    assert.equal(origin.requests.length, 1);
    await clock.advance(wait);
    await replica.live();
  }
});

Deno.test("replicas that lost the same origin at once come back spread out", async () => {
  const origin = await MisbehavingOrigin.start();
  await origin.close();
  const times = new Set<string>();
  for (let i = 0; i < 8; i++) {
    const clock = new HandClock(Date.UTC(2026, 0, 1), () => i / 8);
    await using replica = await startReplica(`${origin.url}/servers`, { kv: ":memory:", clock });
    const { nextAttempt } = await replica.until(({ nextAttempt }) => nextAttempt !== null, "lost");
    times.add(nextAttempt ?? "");
  }
  assert.equal(times.size, 8);
});
