/**
 * Answers that stay open: live is what is known, and a silence is a guess.
 *
 * @module
 */

import assert from "node:assert/strict";
import { stringifyJson } from "../../src/protocol/json_text.ts";
import type { JsonObject } from "../../src/protocol/record.ts";
import { FastClock } from "../support/fast_clock.ts";
import { type Behaviour, chunk, type Conversation, head } from "../support/misbehaving_origin.ts";
import { MisbehavingOrigin } from "../support/misbehaving_origin.ts";
import { assertTable } from "../support/oracle.ts";
import { replicateOnce, startReplica } from "../support/replicas.ts";
import { TempFolder, TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

/** Time that runs twenty times as fast: what the origin calls a second takes 50 ms. */
const FACTOR = 20;
const clock = (factor = FACTOR) => new FastClock(factor);

/** Where how long a pause is makes the difference, a busy machine must not stretch it by much. */
const SLOW = 4;

/** What passes at the origin while the replica's clock goes on so far. */
const pause = (ms: number, factor = FACTOR) =>
  new Promise((resolve) => setTimeout(resolve, ms / factor));

const text = (list: readonly JsonObject[]) => list.map((row) => stringifyJson(row) + "\n").join("");

function rows(count: number, order = (n: number): number | string => n): JsonObject[] {
  return Array.from(
    { length: count },
    (_, i) => ({ id: i, updated_at: order(i), deleted_at: null }),
  );
}

/** An answer that stays open, written by `write`; the connection is held until it is closed. */
function open(
  write: (conversation: Conversation, since: string) => Promise<void>,
  headers: Readonly<Record<string, string>> = {},
): Behaviour {
  return async (conversation) => {
    const type = { "transfer-encoding": "chunked", "content-type": "application/x-ndjson" };
    await conversation.send(head(200, { ...type, ...headers }));
    const since = decodeURIComponent(conversation.request.path.split("/").at(-1) ?? "");
    await write(conversation, since);
    await conversation.stall();
  };
}

/** Records from the cursor on, by number or by text. */
function from(all: readonly JsonObject[], since: string): readonly JsonObject[] {
  const isNumber = typeof all[0]?.["updated_at"] === "number";
  return all.filter(({ updated_at: order }) =>
    since === "0" || (isNumber ? Number(order) >= Number(since) : String(order) >= since)
  );
}

for (
  const [name, order] of Object.entries({
    "a counter that is later than now, read as a time": (n: number) => 2_000_000_000 + n,
    "a time of a clock that is two minutes ahead": (n: number) =>
      new Date(Date.now() + 120_000 + n * 100).toISOString(),
    "a time of another zone": (n: number) =>
      new Date(Date.now() + 2 * 3_600_000 + n * 100).toISOString().slice(0, -1),
  })
) {
  Deno.test(`an order that is ${name} doesn't make a table live before its time`, async () => {
    const all = rows(200, order);
    const answer = open(async (conversation, since) => {
      for (const row of from(all, since)) {
        await conversation.send(chunk(text([row])));
        await pause(100);
      }
    }, { date: new Date().toUTCString() });
    await using origin = await MisbehavingOrigin.start(answer);
    await using store = await TempStore.create();
    await replicateOnce(`${origin.url}/servers`, { kv: store.path, clock: clock() });
    await assertTable(await store.open(), all);
  });
}

Deno.test("a record that is written while its answer is open makes a table live", async () => {
  const answer = open(async (conversation) => {
    let id = 0;
    while (!conversation.closed) {
      const updated_at = new Date().toISOString();
      await conversation.send(chunk(text([{ id: id++, updated_at, deleted_at: null }])));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }, { date: new Date().toUTCString() });
  await using origin = await MisbehavingOrigin.start(answer);
  await replicateOnce(`${origin.url}/servers`, { kv: ":memory:" });
  assert.equal(origin.requests.length, 1, "that is known, and not asked about again");
});

Deno.test("blanks of any kind are no records: a table is live all the same", async () => {
  for (const blank of ["\n", "\r\n", " ", "\r\n\r\n"]) {
    const answer = open(async (conversation) => {
      await conversation.send(chunk(text(rows(3))));
      while (!conversation.closed) {
        await pause(300);
        await conversation.send(chunk(blank));
      }
    });
    await using origin = await MisbehavingOrigin.start(answer);
    await replicateOnce(`${origin.url}/servers`, { kv: ":memory:", clock: clock() });
  }
});

const beating = (first: readonly JsonObject[]) =>
  open(async (conversation) => {
    if (first.length > 0) await conversation.send(chunk(text(first)));
    for (let time = 0; !conversation.closed; time++) {
      await conversation.send(chunk(`{"type":"heartbeat","time":${time}}\n`));
      await pause(400);
    }
  });

Deno.test("heartbeats that are objects are set aside once, and the table is live", async () => {
  await using origin = await MisbehavingOrigin.start(beating(rows(3)));
  await using store = await TempStore.create();
  const options = { kv: store.path, clock: clock() };
  for (const _ of ["first run", "second run"]) {
    await using replica = await startReplica(`${origin.url}/servers`, options);
    const { quarantined } = await replica.live();
    assert.equal(quarantined, 1);
    const { bytes } = replica.status;
    await replica.until((status) => status.bytes > bytes + 100, "more heartbeats");
    assert.equal(replica.status.quarantined, 1);
    assert.equal(replica.status.state, "live");
  }
});

Deno.test("an empty table that gets nothing but heartbeats waits, and says for what", async () => {
  let isFilled = false;
  const answer = open(async (conversation) => {
    for (let time = 0; !conversation.closed; time++) {
      if (isFilled) return await conversation.send(chunk(text(rows(2))));
      await conversation.send(chunk(`{"type":"heartbeat","time":${time}}\n`));
      await pause(400);
    }
  });
  await using origin = await MisbehavingOrigin.start(answer);
  await using replica = await startReplica(`${origin.url}/servers`, {
    kv: ":memory:",
    clock: clock(),
  });
  const { reason, live, lastContact } = await replica.until(
    ({ state }) => state === "waiting",
    "waiting",
  );
  assert.match(reason ?? "", /has sent no record yet, only: no field "id" \(--key\).*type, time/);
  assert.deepEqual([live, lastContact], [false, null]);
  const { bytes } = replica.status;
  await replica.until((status) => status.bytes > bytes + 200, "more of them");
  assert.equal(replica.status.state, "waiting", "neither live nor failing");
  isFilled = true;
  await replica.live();
  assert.deepEqual([replica.status.rows, replica.status.reason], [2, null]);
});

Deno.test("an endless answer without a byte is live after a while, and ends a single run", async () => {
  await using origin = await MisbehavingOrigin.start(open(() => Promise.resolve()));
  const options = { kv: ":memory:", clock: clock(), idleTimeoutMs: 60_000 };
  await replicateOnce(`${origin.url}/servers`, options);
  assert.equal(origin.requests.length, 2, "asked once more before it is believed");
});

Deno.test("a pause within a record is no end", async () => {
  const all = rows(1002);
  const bytes = text(all);
  const answer = open(async (conversation) => {
    await conversation.send(chunk(bytes.slice(0, 60)));
    await pause(4_000);
    await conversation.send(chunk(bytes.slice(60)));
  });
  await using origin = await MisbehavingOrigin.start(answer);
  await using store = await TempStore.create();
  await replicateOnce(`${origin.url}/servers`, { kv: store.path, clock: clock() });
  await assertTable(await store.open(), all);
});

Deno.test("a pause between records doesn't end a single run, nor several", async () => {
  const all = rows(200);
  for (const pauses of [[5], [5, 9, 30, 31]]) {
    const answer = open(async (conversation, since) => {
      for (const row of from(all, since)) {
        if (pauses.includes(Number(row["id"]))) await pause(1_800, SLOW);
        await conversation.send(chunk(text([row])));
      }
    });
    await using origin = await MisbehavingOrigin.start(answer);
    await using store = await TempStore.create();
    await replicateOnce(`${origin.url}/servers`, { kv: store.path, clock: clock(SLOW) });
    await assertTable(await store.open(), all);
  }
});

Deno.test("a silence alone starts no first --write: the origin is asked once more", async () => {
  const all = rows(20);
  const answer = open(async (conversation, since) => {
    const wanted = from(all, since);
    await conversation.send(chunk(text(wanted.slice(0, 5))));
    await pause(2_500);
    await conversation.send(chunk(text(wanted.slice(5))));
  });
  await using origin = await MisbehavingOrigin.start(answer);
  await using folder = await TempFolder.create();
  const file = folder.file("servers.json");
  await using replica = await startReplica(`${origin.url}/servers`, {
    kv: ":memory:",
    clock: clock(),
    write: { servers: file },
    onChangeWaitMs: 0,
  });
  const first = await waitFor(() => Deno.readTextFile(file).catch(() => null), "written");
  assert.equal(JSON.parse(first).length, 20, "the first file is of the whole table");
  assert.ok(origin.requests.length >= 2);
  assert.equal(replica.status.live, true);
});

Deno.test("an announced head is a fact: a table below it isn't live, and is said to be held up", async () => {
  const all = rows(2001);
  let upTo = 1715;
  const answer = open(async (conversation, since) => {
    const wanted = from(all, since).filter(({ updated_at }) => Number(updated_at) <= upTo);
    await conversation.send(chunk(text(wanted)));
    while (!conversation.closed) {
      await conversation.send(chunk("\n"));
      await pause(5_000);
    }
  }, { "lockstep-head": "2000" });
  await using origin = await MisbehavingOrigin.start(answer);
  await using store = await TempStore.create();
  const options = { kv: store.path, clock: clock() };
  await assert.rejects(replicateOnce(`${origin.url}/servers`, { ...options, once: true }), {
    kind: "behind-head",
    message: /announced 2000, stays at 1715: buffered or filtered in between/,
  });
  assert.deepEqual(origin.requests.map(({ path }) => path), ["/servers/0", "/servers/1715"]);
  await using replica = await startReplica(`${origin.url}/servers`, options);
  const { live, hint } = await replica.until(({ state }) => state === "failing", "failing");
  assert.equal(live, false);
  assert.match(hint ?? "", /proxy_buffering off/);
  upTo = 2000;
  await replica.reached(2000);
  await replica.stop();
  await assertTable(await store.open(), all);
});
