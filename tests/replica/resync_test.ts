import assert from "node:assert/strict";
import { stringifyJson } from "../../src/protocol/json_text.ts";
import type { JsonObject } from "../../src/protocol/record.ts";
import { TableReader } from "../../src/store/read/table_reader.ts";
import { MisbehavingOrigin, records, status } from "../support/misbehaving_origin.ts";
import { assertTable, rowsIn } from "../support/oracle.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { replicateOnce, startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

function rows(count: number, from = 1): JsonObject[] {
  return Array.from({ length: count }, (_, i) => ({ id: from + i, ip: `10.0.0.${i % 256}` }));
}

const text = (list: readonly JsonObject[]) => list.map((row) => stringifyJson(row) + "\n").join("");

/** Five rows as an origin of one's own sends them. */
const FIVE = [1, 2, 3, 4, 5].map((id) => ({ id, updated_at: 1000 + id, deleted_at: null }));

Deno.test("a resync removes what the origin forgot, and nothing else, while rows stay readable", async () => {
  await using origin = startTestOrigin({ finite: true, rows: rows(300) });
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.live();
  for (let id = 1; id <= 100; id++) origin.table.forget(id);
  const kept = new Set(origin.table.liveRows().map(({ id }) => `[${id}]`));
  let watching = true;
  let looks = 0;
  const watch = (async () => {
    const kv = await store.open();
    while (watching) {
      const seen = await rowsIn(kv, "servers");
      for (const name of kept) assert.ok(seen.has(name), `${name} was hidden`);
      looks++;
    }
  })();
  replica.replica.requestResync("the test wants it");
  await replica.until(({ rows, sweep }) => rows === 200 && sweep === null, "resynced");
  watching = false;
  await watch;
  assert.ok(looks > 0);
  await replica.stop();
  await assertTable(await store.open(), origin.table.liveRows());
});

Deno.test("410 starts a resync", async () => {
  await using origin = await MisbehavingOrigin.start(
    records(text(FIVE)),
    status(410),
    records(text(FIVE.slice(0, 4))),
  );
  await using store = await TempStore.create();
  await using replica = await startReplica(`${origin.url}/servers`, { kv: store.path });
  await replica.until(({ rows, sweep }) => rows === 4 && sweep === null, "resynced");
  assert.deepEqual(origin.requests.slice(0, 3).map(({ path }) => path), [
    "/servers/0",
    "/servers/1005",
    "/servers/0",
  ]);
  await replica.stop();
  await assertTable(await store.open(), FIVE.slice(0, 4));
});

Deno.test("an empty answer to a resync is held, nothing is removed, and one approval removes it", async () => {
  await using origin = await MisbehavingOrigin.start(records(text(FIVE)));
  await using store = await TempStore.create();
  await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  origin.next(records(""));
  await using replica = await startReplica(`${origin.url}/servers`, {
    kv: store.path,
    resync: true,
  });
  const held = await replica.until(({ state }) => state === "held", "held");
  assert.deepEqual([held.sweep?.wouldRemove, held.sweep?.of, held.live], [5, 5, true]);
  assert.match(held.reason ?? "", /5 of 5/);
  const kv = await store.open();
  assert.equal((await rowsIn(kv, "servers")).size, 5);
  assert.equal(replica.replica.approveSweep(), true);
  await replica.until(({ rows, sweep }) => rows === 0 && sweep === null, "swept");
  assert.equal((await rowsIn(kv, "servers")).size, 0);
  assert.equal(replica.replica.approveSweep(), false, "nothing is held any more");
});

Deno.test("a held sweep outlives a restart", async () => {
  await using origin = await MisbehavingOrigin.start(records(text(FIVE)));
  await using store = await TempStore.create();
  await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  origin.next(records(text(FIVE.slice(3))));
  {
    await using replica = await startReplica(`${origin.url}/servers`, {
      kv: store.path,
      resync: true,
    });
    await replica.until(({ state }) => state === "held", "held");
  }
  await using again = await startReplica(`${origin.url}/servers`, { kv: store.path });
  await again.until(({ state }) => state === "held", "held still");
  assert.equal(again.replica.approveSweep(), true);
  await again.until(({ rows }) => rows === 2, "swept");
  await again.stop();
  await assertTable(await store.open(), FIVE.slice(3));
});

Deno.test("the shrink limit decides at its exact border", async () => {
  for (const [keep, limit, isHeld] of [[3, 0.4, false], [2, 0.4, true], [2, 0.6, false]] as const) {
    await using origin = await MisbehavingOrigin.start(records(text(FIVE)));
    await using store = await TempStore.create();
    await replicateOnce(`${origin.url}/servers`, { kv: store.path });
    origin.next(records(text(FIVE.slice(5 - keep))));
    await using replica = await startReplica(`${origin.url}/servers`, {
      kv: store.path,
      resync: true,
      shrinkLimit: limit,
    });
    await replica.until(
      ({ state, live, sweep }) => isHeld ? state === "held" : live && sweep === null,
      "decided",
    );
    assert.equal(replica.status.rows, isHeld ? 5 : keep, `keep ${keep}, limit ${limit}`);
  }
});

Deno.test("an answer that may have been cut proves nothing: its sweep is held", async () => {
  const { closeDelimited } = await import("../support/misbehaving_origin.ts");
  await using origin = await MisbehavingOrigin.start(records(text(FIVE)));
  await using store = await TempStore.create();
  await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  origin.next(closeDelimited(text(FIVE.slice(1))));
  await using replica = await startReplica(`${origin.url}/servers`, {
    kv: store.path,
    resync: true,
  });
  await replica.until(({ state }) => state === "held", "held");
  assert.equal(replica.status.rows, 5);
});

Deno.test("approving a held sweep never removes rows that the origin has sent since", async () => {
  await using origin = await MisbehavingOrigin.start(records(text(FIVE)));
  await using store = await TempStore.create();
  await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  origin.next(records(""));
  await using replica = await startReplica(`${origin.url}/servers`, {
    kv: store.path,
    resync: true,
  });
  await replica.until(({ state }) => state === "held", "held");
  const { connections } = replica.status;
  origin.next(records(text(FIVE)));
  await replica.until(
    (status) => status.connections > connections + 2,
    "the mended answer is read",
  );
  replica.replica.approveSweep();
  await replica.until(({ sweep }) => sweep === null, "released");
  await replica.stop();
  await assertTable(await store.open(), FIVE);
});

Deno.test("an endless answer that goes quiet is no proof: a resync removes nothing by it", async () => {
  await using origin = startTestOrigin({ rows: rows(20) });
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.live();
  for (let id = 1; id <= 5; id++) origin.table.forget(id);
  replica.replica.requestResync("the test wants it");
  const { sweep } = await replica.until(({ state }) => state === "held", "held");
  assert.deepEqual([sweep?.wouldRemove, sweep?.of], [5, 20]);
  assert.equal((await rowsIn(await store.open(), "servers")).size, 20);
  await replica.until(({ rows, sweep }) => {
    // Of the first clean end it may not be known whether there is more.
    origin.server.finishConnections();
    return rows === 15 && sweep === null;
  }, "swept at the clean end");
});

Deno.test("a row that is deleted at the origin during a resync doesn't come back", async () => {
  await using origin = startTestOrigin({ rows: rows(50) });
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.live();
  replica.replica.requestResync("the test wants it");
  await replica.until(({ live, connections }) => live && connections >= 2, "read again");
  for (let id = 1; id <= 10; id++) origin.table.remove(id);
  await replica.until(({ rows }) => rows === 40, "forty rows");
  await replica.until(({ sweep }) => {
    // Of the first clean end it isn't known whether there is more.
    origin.server.finishConnections();
    return sweep === null;
  }, "resynced");
  await replica.stop();
  await assertTable(await store.open(), origin.table.liveRows());
});

Deno.test("a rewound origin is noticed, and a resync follows it", async () => {
  await using origin = startTestOrigin({ finite: true, rows: rows(10) });
  await using store = await TempStore.create();
  const snapshot = origin.table.snapshot();
  for (let id = 1; id <= 4; id++) origin.table.put({ id, ip: "new" });
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.live();
  origin.table.restore(snapshot);
  const { warnings } = await replica.until(({ warnings }) => warnings.length > 0, "noticed");
  assert.match(warnings.join(), /lacks the row at the cursor/);
  const noticed = await replica.until(({ history }) => history.length > 0, "kept");
  assert.deepEqual(noticed.history.map(({ kind }) => kind), ["rewind"]);
  replica.replica.requestResync("the test wants it");
  await waitFor(() => {
    const { cursor } = replica.status;
    return cursor === "1009" && replica.status.sweep === null;
  }, "the cursor follows");
  await replica.stop();
  await assertTable(await store.open(), origin.table.liveRows());
});

Deno.test("--resync replaces another origin's rows, also where the order field differs", async () => {
  await using origin = await MisbehavingOrigin.start(records(text(FIVE)));
  await using store = await TempStore.create();
  await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  const other = [1, 2, 9].map((id) => ({ id, version: `v${id}`, deleted_at: null }));
  origin.next(records(text(other)));
  const options = { kv: store.path, orderBy: "version", shrinkLimit: 1 };
  await assert.rejects(replicateOnce(`${origin.url}/servers`, options), /is a copy of/);
  await replicateOnce(`${origin.url}/servers`, { ...options, resync: true });
  const kv = await store.open();
  assert.deepEqual([...(await rowsIn(kv, "servers")).values()], other);
  assert.equal((await new TableReader(kv, "servers").meta())?.cursor, "v9");
});

Deno.test("--resync replaces an origin whose orders have become of another kind", async () => {
  await using origin = await MisbehavingOrigin.start(records(text(FIVE)));
  await using store = await TempStore.create();
  await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  const iso = FIVE.map((row) => ({ ...row, updated_at: `2026-01-01T00:00:0${row.id}Z` }));
  origin.next(records(text(iso)));
  await replicateOnce(`${origin.url}/servers`, { kv: store.path, resync: true });
  const kv = await store.open();
  assert.deepEqual([...(await rowsIn(kv, "servers")).values()], iso);
});
