/**
 * Nothing usable is no success; a record from the future is no cursor; standing still is failing.
 *
 * @module
 */

import assert from "node:assert/strict";
import { readiness } from "../../src/http/health.ts";
import { stringifyJson } from "../../src/protocol/json_text.ts";
import type { JsonObject } from "../../src/protocol/record.ts";
import { TableReader } from "../../src/store/read/table_reader.ts";
import { CommitHook } from "../support/commit_hook.ts";
import { FastClock, HastyClock } from "../support/fast_clock.ts";
import { MisbehavingOrigin, records } from "../support/misbehaving_origin.ts";
import { assertTable } from "../support/oracle.ts";
import { replicateOnce, startReplica } from "../support/replicas.ts";
import { TempFolder, TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

const text = (list: readonly JsonObject[]) => list.map((row) => stringifyJson(row) + "\n").join("");
const THREE = [1, 2, 3].map((id) => ({ id, updated_at: id, deleted_at: null }));

const USELESS: Readonly<Record<string, readonly [body: string, reason: RegExp]>> = {
  "an error in JSON": [
    '{"success":false,"error":{"code":7}}\n',
    /no field "id" \(--key\); the record has: success, error/,
  ],
  "records without the key": [
    '{"uuid":"a","updated_at":1}\n{"uuid":"b","updated_at":2}\n',
    /no field "id" \(--key\); the record has: uuid, updated_at/,
  ],
  "records without the order": [
    '{"id":1,"updatedAt":1}\n{"id":2,"updatedAt":2}\n',
    /no field "updated_at" \(--order-by\); the record has: id, updatedAt/,
  ],
};

for (const [name, [body, reason]] of Object.entries(USELESS)) {
  Deno.test(`an answer of nothing but ${name} is a failure: not live, not ready, exit 1`, async () => {
    await using origin = await MisbehavingOrigin.start(records(body));
    await using store = await TempStore.create();
    // However often its kind was seen before.
    for (const _ of ["first", "second"]) {
      await assert.rejects(
        replicateOnce(`${origin.url}/servers`, { kv: store.path }),
        { kind: "not-records", message: reason },
      );
    }
    await using replica = await startReplica(`${origin.url}/servers`, { kv: store.path });
    const status = await replica.until(({ state }) => state === "failing", "failing");
    assert.match(status.reason ?? "", reason);
    assert.deepEqual([status.live, status.lastContact], [false, null]);
    assert.equal(readiness(replica.replicator.status()).ready, false);
  });
}

Deno.test("an origin that turns to errors while live is failing, is no contact, and fills no quarantine", async () => {
  let time = 0;
  await using origin = await MisbehavingOrigin.start(records(text(THREE)));
  await using replica = await startReplica(`${origin.url}/servers`, {
    kv: ":memory:",
    clock: new HastyClock(1_000),
    connectTimeoutMs: 3_600_000,
    idleTimeoutMs: 3_600_000,
  });
  await replica.live();
  origin.next((conversation) =>
    records(`{"error":"rate limited","time":${time++}}\n`)(conversation)
  );
  const { reason } = await replica.until(({ state }) => state === "failing", "failing");
  assert.match(reason ?? "", /the record has: error, time/);
  const { lastContact, connections } = replica.status;
  await replica.until((status) => status.connections > connections + 5, "asked again");
  assert.equal(replica.status.lastContact, lastContact);
  assert.equal(replica.status.quarantined, 1);
  origin.next(records(text(THREE)));
  await replica.live();
});

Deno.test("what is wrong with several records is told by its reasons, the most frequent first", async () => {
  const body = '{"uuid":1,"updated_at":1}\n{"id":2,"updatedAt":1}\n{"id":3,"updatedAt":1}\n';
  await using origin = await MisbehavingOrigin.start(records(body));
  await assert.rejects(
    replicateOnce(`${origin.url}/servers`, { kv: ":memory:" }),
    /no field "updated_at" .* \(2 of 3\); no field "id" .* \(1 of 3\)/,
  );
});

Deno.test("a record from the future is stored, said, and moves no cursor", async () => {
  const now = Date.now();
  const kinds: Readonly<Record<string, (ms: number) => number | string>> = {
    seconds: (ms) => Math.floor(ms / 1000),
    milliseconds: (ms) => ms,
    times: (ms) => new Date(ms).toISOString(),
  };
  for (const [kind, order] of Object.entries(kinds)) {
    const row = (id: number, ms: number) => ({ id, updated_at: order(ms), deleted_at: null });
    const first = Array.from({ length: 100 }, (_, id) => row(id, now - 1e6 + id * 1000));
    const ahead = row(1000, Date.UTC(2099, 0));
    const later = Array.from({ length: 41 }, (_, id) => row(id, now - 500_000 + id * 1000));
    const answer = (list: readonly JsonObject[]) => records(text(list));
    await using origin = await MisbehavingOrigin.start(answer([...first, ahead]));
    await using store = await TempStore.create();
    const url = `${origin.url}/servers`;
    await replicateOnce(url, { kv: store.path });
    const kv = await store.open();
    await assertTable(kv, [...first, ahead], { count: false });
    const reader = new TableReader(kv, "servers");
    const at = async () => (await reader.meta())?.cursorText;
    assert.equal(await at(), String(first.at(-1)?.updated_at), kind);
    origin.next(answer([...later, ahead]));
    await using replica = await startReplica(url, { kv: store.path });
    const { warnings, cursor } = await replica.live();
    assert.match(warnings.join(), /key 1000 is dated in the future \(.*\): it is stored/);
    assert.equal(cursor, String(later.at(-1)?.updated_at));
    const all = [...first.slice(41), ...later, ahead];
    await waitFor(async () => await at() === String(later.at(-1)?.updated_at), "moved");
    await assertTable(kv, all, { count: false });
  }
});

Deno.test("a single run fails where the file isn't written, or the command fails", async () => {
  await using origin = await MisbehavingOrigin.start(records(text(THREE)));
  await using folder = await TempFolder.create();
  await using store = await TempStore.create();
  const url = `${origin.url}/servers`;
  const options = { kv: store.path, onChangeWaitMs: 0 };
  await assert.rejects(
    replicateOnce(url, { ...options, write: { servers: folder.file("no/such/folder/x.json") } }),
    { kind: "hook", message: /^--write of servers failed: / },
  );
  await assert.rejects(replicateOnce(url, { ...options, onChange: "exit 7" }), {
    kind: "hook",
    message: /^--on-change of servers failed: .*7/,
  });
  const file = folder.file("x.json");
  await replicateOnce(url, { ...options, write: { servers: file }, onChange: "true" });
  assert.equal(JSON.parse(await Deno.readTextFile(file)).length, 3);
});

Deno.test("a function of the user's that doesn't return is named, and doesn't starve the watchdog", async () => {
  await using origin = await MisbehavingOrigin.start(records(text(THREE)));
  const gate = Promise.withResolvers<void>();
  await using replica = await startReplica(`${origin.url}/servers`, {
    kv: ":memory:",
    clock: new FastClock(200),
    connectTimeoutMs: 3_600_000,
    onCommit: () => gate.promise,
  });
  const { reason, live } = await replica.until(({ state }) => state === "failing", "failing");
  assert.match(reason ?? "", /^onCommit has not returned for more than 30s/);
  assert.equal(live, false);
  assert.equal(replica.replica.isTurning(), true);
  gate.resolve();
  await replica.live();
});

Deno.test("a table whose commits don't come back is failing, and starves the watchdog until they do", async () => {
  await using origin = await MisbehavingOrigin.start(records(text(THREE)));
  await using store = await TempStore.create();
  await using replica = await startReplica(`${origin.url}/servers`, {
    kv: store.path,
    clock: new FastClock(200),
    connectTimeoutMs: 3_600_000,
  });
  await replica.live();
  const gate = Promise.withResolvers<void>();
  using _hook = new CommitHook(() => gate.promise);
  origin.next(records(text([...THREE, { id: 4, updated_at: 4, deleted_at: null }])));
  const { reason, live } = await replica.until(({ state }) => state === "failing", "failing");
  assert.match(reason ?? "", /records of servers wait, and none was committed for 30s/);
  assert.deepEqual([live, replica.replica.isTurning()], [false, false]);
  assert.equal(readiness(replica.replicator.status()).ready, false);
  gate.resolve();
  await replica.reached(4);
  await waitFor(() => replica.replica.isTurning(), "turning again");
});
