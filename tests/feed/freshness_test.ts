import assert from "node:assert/strict";
import { beatWish } from "../../src/feed/beats.ts";
import { readiness } from "../../src/http/health.ts";
import { BeatReader } from "../../src/protocol/beat.ts";
import { beatSeconds } from "../../src/replica/last_word.ts";
import { HandClock } from "../support/clock.ts";
import { FastClock } from "../support/fast_clock.ts";
import { MisbehavingOrigin, records } from "../support/misbehaving_origin.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { replicateOnce, startReplica, type TestReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";
import { startFeed } from "./feed_replica.ts";

/** How much faster than the machine's time goes here. */
const PACE = 10;

/** What a busy machine may read late of what came in time, in seconds of that time. */
const SLACK_SECONDS = 5;

const age = (replica: TestReplica) => replica.status.ageSeconds ?? Infinity;

const isReady = (replica: TestReplica, maxStalenessMs: number) =>
  readiness(replica.replicator.status(), maxStalenessMs).ready;

Deno.test("the age of a copy travels with it: what the hub doesn't hear, no edge looks as if it had", async () => {
  const clock = new FastClock(PACE);
  const origin = startTestOrigin({ rows: [{ id: 1 }], heartbeatMs: 50 });
  await using hub = await startFeed(origin.url, { kv: ":memory:", clock, feedClock: clock });
  await hub.replica.live();
  await using middle = await startFeed(hub.url, { kv: ":memory:", clock, feedClock: clock });
  await middle.replica.live();
  await using edge = await startReplica(middle.url, { kv: ":memory:", clock });
  await edge.live();
  assert.ok(age(edge) < 16 + 15, `${age(edge)}`);
  // The origin's last word is none before this.
  const before = clock.monotonic();
  await origin[Symbol.asyncDispose]();
  const lastWord = clock.monotonic();
  await waitFor(
    () => {
      const silence = (clock.monotonic() - lastWord) / 1000;
      for (const copy of [hub.replica, middle.replica, edge]) {
        assert.ok(age(copy) >= silence - SLACK_SECONDS, `${age(copy)} after ${silence}`);
      }
      return silence > 25;
    },
    "25 s are over",
  );
  assert.ok(clock.monotonic() - before < 40_000);
  for (const copy of [hub.replica, middle.replica, edge]) {
    assert.equal(isReady(copy, 20_000), false);
    assert.equal(isReady(copy, 3_600_000), true, "usable all the same");
  }
  // Who comes late learns no better.
  await using late = await startReplica(middle.url, { kv: ":memory:", clock });
  await late.until(({ rows }) => rows === 1, "it has the row");
  assert.ok(age(late) >= 25, `${age(late)}`);
});

Deno.test("rows that a copy passes on late are no word of its origin's", async () => {
  const clock = new FastClock(PACE);
  const origin = startTestOrigin({ rows: [{ id: 1 }], heartbeatMs: 50 });
  await using a = await TempStore.create();
  await using b = await TempStore.create();
  await using hub = await startFeed(origin.url, { kv: a.path, clock, feedClock: clock });
  await hub.replica.live();
  // The middle stops; the hub goes on, and then loses its origin.
  await replicateOnce(`${hub.url}/?finite=1&since={since}`, { kv: b.path, clock });
  for (let id = 2; id < 2000; id++) origin.table.put({ id });
  await hub.replica.reached(String(origin.table.head));
  await origin[Symbol.asyncDispose]();
  const lastWord = clock.monotonic();
  await clock.sleep(20_000);
  await using middle = await startFeed(hub.url, {
    kv: b.path,
    clock,
    feedClock: clock,
    adopt: true,
  });
  await using edge = await startReplica(middle.url, { kv: ":memory:", clock });
  await edge.until(({ rows }) => rows === 1999, "it has every row");
  for (const copy of [middle.replica, edge]) {
    const silence = (clock.monotonic() - lastWord) / 1000;
    assert.ok(age(copy) >= silence - SLACK_SECONDS, `${age(copy)} after ${silence}`);
  }
});

Deno.test("a healthy follower of an idle feed is never stale: it asks for signs of life in time", async () => {
  // Three of its seconds are long enough for a busy machine.
  const clock = new FastClock(4);
  await using origin = startTestOrigin({ rows: [{ id: 1 }], heartbeatMs: 50 });
  await using hub = await startFeed(origin.url, { kv: ":memory:", clock, feedClock: clock });
  await hub.replica.live();
  const maxStalenessMs = 3_000;
  await using edge = await startReplica(hub.url, { kv: ":memory:", clock, maxStalenessMs });
  await edge.live();
  const end = clock.monotonic() + 20_000;
  let oldest = 0;
  await waitFor(() => {
    assert.ok(isReady(edge, maxStalenessMs), `${age(edge)}`);
    oldest = Math.max(oldest, age(edge));
    return clock.monotonic() > end;
  }, "more than a feed's own pace is over");
  assert.ok(oldest > 0.5, "the feed is idle");
});

Deno.test("a feed's answer says how old the copy is, and signs of life come as often as asked for", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }], heartbeatMs: 20 });
  const clock = new HandClock();
  await using hub = await startFeed(origin.url, { kv: ":memory:", feedClock: clock });
  await hub.replica.live();
  const cases = [
    { path: "/0", headers: {}, everyMs: 15_000, isTold: false },
    { path: "/0?beat=2", headers: {}, everyMs: 2_000, isTold: true },
    { path: "/0", headers: { "lockstep-beat": "3" }, everyMs: 3_000, isTold: true },
    { path: "/0?beat=0.01", headers: {}, everyMs: 1_000, isTold: true },
    { path: "/0?beat=9000", headers: {}, everyMs: 15_000, isTold: true },
    { path: "/0?beat=x", headers: {}, everyMs: 15_000, isTold: false },
  ] as const;
  for (const { path, headers, everyMs, isTold } of cases) {
    const answer = await fetch(hub.url + path, { headers });
    const told = Number(answer.headers.get("lockstep-age"));
    assert.ok(told >= 0 && told < 5, `${told}`);
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.endsWith("\n\n")) text += (await reader?.read())?.value ?? assert.fail(text);
    await clock.whenSleeping();
    assert.equal(clock.nextIn, everyMs, path);
    await clock.advance(everyMs);
    const { value = "" } = await reader?.read() ?? {};
    if (!isTold) assert.equal(value, "\n");
    else {
      const age = new BeatReader().push(new TextEncoder().encode(value));
      assert.ok(age !== null && age >= 100 && age < 5_000, JSON.stringify(value));
    }
    await reader?.cancel();
    await waitFor(() => hub.feeds.readers === 0, "the reader has gone");
  }
});

Deno.test("without its origin a feed gives no sign of life", async () => {
  const clock = new FastClock(100);
  const origin = startTestOrigin({ rows: [{ id: 1 }], heartbeatMs: 20 });
  await using hub = await startFeed(origin.url, { kv: ":memory:", feedClock: clock });
  await hub.replica.live();
  const answer = await fetch(`${hub.url}/0`);
  let beats = 0;
  const reading = (async () => {
    for await (const chunk of answer.body ?? []) if (chunk.every((byte) => byte === 10)) beats++;
  })().catch(() => {});
  await waitFor(() => beats > 2, "signs of life");
  await origin[Symbol.asyncDispose]();
  await hub.replica.until(({ live }) => !live, "the origin is gone");
  const before = beats;
  await clock.sleep(60_000);
  assert.ok(beats <= before + 1, `${beats - before}`);
  await hub.stop();
  await reading;
});

Deno.test("an origin that is no feed is asked at its URL as it is, and its bytes count as ever", async () => {
  await using origin = await MisbehavingOrigin.start(records('{"id":1,"updated_at":5}\n'));
  const url = `${origin.url}/servers/{since}?key=1`;
  await using _ = await replicateOnce(url, { kv: ":memory:", maxStalenessMs: 3_000 });
  const [request] = origin.requests;
  assert.match(request?.path ?? "", /^\/servers\/0\?key=1$/);
});

Deno.test("the signs of life asked for are seconds from 1 to 15", () => {
  assert.deepEqual([undefined, 500, 3_000, 7_000, 60_000, 1e9].map(beatSeconds), [
    15,
    1,
    1,
    2,
    15,
    15,
  ]);
  assert.deepEqual(beatWish(undefined), { everyMs: 15_000, tellsAge: false });
  assert.deepEqual(beatWish("2"), { everyMs: 2_000, tellsAge: true });
});
