/**
 * Bad servers, through the whole replicator: what is complete is kept, what is wrong is said, and
 * as soon as the origin is well again the table is equal to it.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { TableStatus } from "../../src/replica/status.ts";
import { HandClock } from "../support/clock.ts";
import { HastyClock } from "../support/fast_clock.ts";
import {
  badChunk,
  type Behaviour,
  chunked,
  closeDelimited,
  drop,
  endless,
  gzipped,
  html,
  lengthy,
  MisbehavingOrigin,
  needsAuthorization,
  records,
  redirect,
  silent,
  status,
  trickling,
} from "../support/misbehaving_origin.ts";
import { assertTable } from "../support/oracle.ts";
import { startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";

const FIRST = '{"id":1,"updated_at":1}\n{"id":2,"updated_at":2}\n';
const SECOND = '{"id":3,"updated_at":3}\n{"id":1,"updated_at":4,"deleted_at":4}\n';
const LIVE = [{ id: 2, updated_at: 2 }, { id: 3, updated_at: 3 }];

interface Fault {
  readonly name: string;
  readonly behaviour: Behaviour;
  /** Kind of the error that is reported; null where it is no error. */
  readonly kind: string | null;
  /** Whether the fault brings the first rows all the same. */
  readonly keeps: boolean;
}

const FAULTS: readonly Fault[] = [
  { name: "resets without an answer", behaviour: drop("reset"), kind: "connect", keeps: false },
  { name: "closes without an answer", behaviour: drop(), kind: "connect", keeps: false },
  {
    name: "breaks off in the middle of a record",
    behaviour: chunked([FIRST, SECOND.slice(0, 10)], { end: "reset" }),
    kind: "broken-body",
    keeps: true,
  },
  {
    name: "ends cleanly in the middle of a record",
    behaviour: chunked([FIRST, SECOND.slice(0, 10)]),
    kind: "broken-body",
    keeps: true,
  },
  {
    name: "promises a longer body",
    behaviour: lengthy(FIRST, { lie: 7 }),
    kind: "broken-body",
    keeps: true,
  },
  {
    name: "promises a shorter body",
    behaviour: lengthy(FIRST + SECOND, { lie: -50 }),
    kind: "broken-body",
    keeps: true,
  },
  {
    name: "sends a bad chunk size",
    behaviour: badChunk([FIRST]),
    kind: "broken-body",
    keeps: true,
  },
  {
    name: "cuts its gzip",
    // All but the last half of the checksum.
    behaviour: gzipped(FIRST, -6),
    kind: "broken-body",
    keeps: true,
  },
  { name: "says 500", behaviour: status(500), kind: "status", keeps: false },
  { name: "says 429", behaviour: status(429), kind: "status", keeps: false },
  { name: "says 408", behaviour: status(408), kind: "status", keeps: false },
  { name: "says 404", behaviour: status(404), kind: "status", keeps: false },
  { name: "redirects for ever", behaviour: redirect(), kind: "redirect", keeps: false },
  { name: "sends a page as HTML", behaviour: html(), kind: "not-records", keeps: false },
  {
    name: "sends a page as JSON",
    behaviour: html("application/json"),
    kind: "not-records",
    keeps: false,
  },
  {
    name: "sends a hundred lines of nonsense",
    behaviour: records("nonsense\n".repeat(100)),
    kind: "not-records",
    keeps: false,
  },
  { name: "trickles", behaviour: trickling(FIRST), kind: null, keeps: true },
  {
    name: "speaks HTTP/1.0",
    behaviour: closeDelimited(FIRST, { version: "1.0" }),
    kind: null,
    keeps: true,
  },
  { name: "ends with its connection", behaviour: closeDelimited(FIRST), kind: null, keeps: true },
  {
    name: "sends everything twice, in no order",
    behaviour: records(FIRST.split("\n").toReversed().join("\n") + "\n" + FIRST),
    kind: null,
    keeps: true,
  },
  { name: "has nothing new", behaviour: status(204), kind: null, keeps: false },
];

for (const { name, behaviour, kind, keeps } of FAULTS) {
  Deno.test(`an origin that ${name} is survived`, async () => {
    // A redirect is followed ten times.
    const requests = kind === "redirect" ? 11 : 1;
    const faults = Array<Behaviour>(requests).fill(behaviour);
    await using origin = await MisbehavingOrigin.start(...faults, silent());
    await using store = await TempStore.create();
    // Waits end early, but no connect time-out.
    const clock = new HastyClock(500);
    const timeouts = { connectTimeoutMs: 3_600_000, idleTimeoutMs: 3_600_000 };
    await using replica = await startReplica(`${origin.url}/servers`, {
      kv: store.path,
      clock,
      ...timeouts,
    });
    await origin.whenRequests(requests + 1);
    if (kind === null) assert.deepEqual(replica.status.errors, []);
    else {
      assert.equal(replica.status.errors[0]?.kind, kind);
      assert.ok((replica.status.errors[0]?.hint ?? "").length > 10);
    }
    assert.equal(replica.status.rows, keeps ? 2 : 0);
    assert.equal(replica.status.quarantined, 0);
    origin.next(records(FIRST + SECOND));
    origin.breakAll();
    await replica.reached(4);
    assert.equal(replica.status.reason, null, "no trouble any more");
    await replica.stop();
    await assertTable(await store.open(), LIVE);
  });
}

Deno.test("an origin that is deaf to the cursor and sends all again, ends equal and says so", async () => {
  await using origin = await MisbehavingOrigin.start(records(FIRST + SECOND));
  await using store = await TempStore.create();
  await using replica = await startReplica(`${origin.url}/servers`, { kv: store.path });
  const { warnings, records: counts } = await replica.until(
    ({ connections, warnings }) => connections >= 4 && warnings.length > 0,
    "asked again",
  );
  assert.match(warnings.join(), /older than asked for/);
  assert.deepEqual([counts.inserted + counts.written, counts.updated], [2, 0]);
  const { commits } = replica.status;
  const { connections } = await replica.until(({ connections }) => connections >= 8, "again");
  assert.ok(connections >= 8);
  assert.equal(replica.status.commits, commits, "what is known is not written again");
  await replica.stop();
  await assertTable(await store.open(), LIVE);
});

Deno.test("an origin that stalls after its headers, or in its body, is asked again after the idle time", async () => {
  for (const pieces of [[], [FIRST]]) {
    await using origin = await MisbehavingOrigin.start(endless(pieces), records(FIRST + SECOND));
    const clock = new HandClock(undefined, () => 0);
    await using replica = await startReplica(`${origin.url}/servers`, {
      kv: ":memory:",
      clock,
      idleTimeoutMs: 60_000,
    });
    await origin.whenRequests(1);
    await replica.until(({ connections }) => connections === 1, "answered");
    if (pieces.length > 0) await replica.until(({ bytes }) => bytes > 0, "read");
    await clock.advance(59_000);
    assert.equal(origin.requests.length, 1);
    assert.deepEqual(replica.status.errors, []);
    await clock.advance(1_500);
    const { errors } = await replica.until(({ errors }) => errors.length > 0, "noticed");
    assert.equal(errors[0]?.kind, "idle-timeout");
    await clock.advance(500);
    await replica.reached(4);
    assert.equal(origin.requests[1]?.path, pieces.length > 0 ? "/servers/2" : "/servers/0");
  }
});

Deno.test("an origin that takes the connection and says nothing is asked again", async () => {
  await using origin = await MisbehavingOrigin.start(silent(), records(FIRST));
  const clock = new HandClock(undefined, () => 0);
  await using replica = await startReplica(`${origin.url}/servers`, { kv: ":memory:", clock });
  await origin.whenRequests(1);
  await clock.advance(10_000);
  const { errors } = await replica.until(({ errors }) => errors.length > 0, "noticed");
  assert.equal(errors[0]?.kind, "connect-timeout");
  await clock.advance(500);
  await replica.reached(2);
});

Deno.test("a token that is rotated in the header file is picked up, and never shown", async () => {
  let expected = "Bearer the-new-secret";
  await using origin = await MisbehavingOrigin.start(
    needsAuthorization(() => expected, records(FIRST)),
  );
  await using store = await TempStore.create();
  const headerFile = store.folder.file("headers");
  await Deno.writeTextFile(headerFile, "Authorization: Bearer the-old-secret\n");
  await using replica = await startReplica(`${origin.url}/servers`, {
    kv: store.path,
    headerFile,
    clock: new HastyClock(500),
    connectTimeoutMs: 3_600_000,
  });
  const { reason } = await replica.until(({ state }) => state === "failing", "refused");
  assert.match(reason ?? "", /401/);
  await Deno.writeTextFile(headerFile, "Authorization: Bearer the-new-secret\n");
  await replica.reached(2);
  expected = "Bearer another";
  await replica.until(({ state }) => state === "failing", "refused again");
  const said = JSON.stringify([replica.replicator.status(), replica.replica.samples()]);
  assert.ok(!/the-(old|new)-secret/.test(said), said);
  await replica.stop();
  const stored = await store.entries();
  assert.ok(
    !/the-(old|new)-secret/.test(Deno.inspect(stored, { depth: 9, strAbbreviateSize: 1e6 })),
  );
});

Deno.test("credentials don't follow a redirect to another server", async () => {
  await using other = await MisbehavingOrigin.start(records(FIRST));
  await using origin = await MisbehavingOrigin.start(redirect(`${other.url}/elsewhere`));
  const url = `${origin.url.replace("//", "//user:secret@")}/servers`;
  await using replica = await startReplica(url, {
    kv: ":memory:",
    headers: [["x-api-key", "secret"]],
  });
  await replica.reached(2);
  assert.equal(origin.requests[0]?.headers["x-api-key"], "secret");
  assert.ok(origin.requests[0]?.headers["authorization"]?.startsWith("Basic "));
  assert.equal(other.requests[0]?.headers["x-api-key"], undefined);
  assert.equal(other.requests[0]?.headers["authorization"], undefined);
  assert.ok(!JSON.stringify(replica.replicator.status()).includes("secret"));
});

Deno.test("once gives up after so many failures in a row, and at once where a person has to act", async () => {
  const clock = new HastyClock(500);
  const timeouts = { connectTimeoutMs: 3_600_000 };
  const options = { kv: ":memory:", clock, once: true, attempts: 3, ...timeouts };
  for (const [behaviour, requests] of [[status(503), 3], [status(404), 1]] as const) {
    await using origin = await MisbehavingOrigin.start(behaviour);
    await using replica = await startReplica(`${origin.url}/servers`, options);
    await assert.rejects(replica.replicator.done, { kind: "status" });
    assert.equal(origin.requests.length, requests);
  }
});

Deno.test("once ends with an endless answer, too, when that has gone quiet", async () => {
  await using origin = await MisbehavingOrigin.start(endless([FIRST, SECOND]));
  await using store = await TempStore.create();
  await using replica = await startReplica(`${origin.url}/servers`, { kv: store.path, once: true });
  await replica.replicator.done;
  await assertTable(await store.open(), LIVE);
});

Deno.test("the states an operator sees: connecting, catching up, live, waiting, live, stopped", async () => {
  await using origin = await MisbehavingOrigin.start(
    records(FIRST),
    records(FIRST),
    status(503),
    records(FIRST + SECOND),
  );
  const clock = new HandClock(undefined, () => 0);
  await using replica = await startReplica(`${origin.url}/servers`, { kv: ":memory:", clock });
  const seen = (state: TableStatus["state"]) =>
    replica.until((status) => status.state === state, state);
  await seen("live");
  await clock.whenSleeping(2);
  await clock.advance(1000);
  const waiting = await seen("waiting");
  assert.match(waiting.reason ?? "", /503/);
  assert.equal(waiting.live, false);
  await clock.advance(500);
  await replica.reached(4);
  await replica.stop();
  assert.equal(replica.status.state, "stopped");
});
