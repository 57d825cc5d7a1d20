import assert from "node:assert/strict";
import { TableReader } from "../../src/store/read/table_reader.ts";
import { rowsIn } from "../support/oracle.ts";
import { replicateOnce, startReplica } from "../support/replicas.ts";
import { numbered, SortedOrigin, type SortedRow } from "../support/sorted_origin.ts";
import { TempStore } from "../support/temp_store.ts";

/** Rows of which some are deleted, with orders above all before. */
function deleted(count: number, of: number): SortedRow[] {
  return numbered(of).map((row) =>
    row.id > count ? row : { ...row, updated_at: of + row.id, deleted_at: of + row.id }
  );
}

Deno.test("an ordinary answer that removes nearly everything is held before it is committed", async () => {
  for (const restarted of [false, true]) {
    await using origin = await SortedOrigin.start(numbered(1000));
    await using store = await TempStore.create();
    const options = { kv: store.path, shrinkLimit: 0.1 };
    if (restarted) await replicateOnce(origin.url, options);
    else {
      await using replica = await startReplica(origin.url, options);
      await replica.until(({ live, rows }) => live && rows === 1000, "filled");
    }
    await using replica = await startReplica(origin.url, options);
    await replica.live();
    origin.rows = deleted(999, 1000);
    const held = await replica.until(({ hold }) => hold !== null, "held");
    assert.deepEqual([held.hold?.by, held.hold?.net, held.hold?.of], ["guard", -999, 1000]);
    const kv = await store.open();
    assert.equal((await rowsIn(kv, "servers")).size, 1000, "nothing is committed");
    const shown = await replica.until(({ reason }) => reason !== null, "shown");
    assert.match(shown.reason ?? "", /remove 999 of 1000 rows/);
    assert.equal(shown.live, false);
    assert.equal(replica.replica.approveSweep(), true);
    await replica.until(({ live, rows, hold }) => live && rows === 1 && hold === null, "approved");
    assert.equal((await rowsIn(kv, "servers")).size, 1);
    assert.equal(replica.replica.approveSweep(), false);
  }
});

Deno.test("what the guard holds is held in the next process, and a run that ends says so", async () => {
  await using origin = await SortedOrigin.start(numbered(200));
  await using store = await TempStore.create();
  await replicateOnce(origin.url, { kv: store.path });
  origin.rows = deleted(150, 200);
  for (const _ of [1, 2]) {
    await assert.rejects(replicateOnce(origin.url, { kv: store.path }), /remove 150 of 200 rows/);
    const kv = await store.open();
    assert.equal((await rowsIn(kv, "servers")).size, 200);
    const meta = await new TableReader(kv, "servers").meta();
    assert.equal(meta?.hold?.by, "guard");
    kv.close();
  }
  // The origin mends it: nothing is held any more.
  origin.rows = numbered(200);
  await replicateOnce(origin.url, { kv: store.path });
  const kv = await store.open();
  assert.equal((await new TableReader(kv, "servers").meta())?.hold, null);
  const kinds = (await Array.fromAsync(new TableReader(kv, "servers").history()))
    .map(({ kind }) => kind);
  assert.deepEqual(kinds, ["release", "held"]);
});

Deno.test("a table grows and shrinks as it likes within its limits, and fills without any", async () => {
  await using origin = await SortedOrigin.start(numbered(100));
  await using store = await TempStore.create();
  const options = { kv: store.path, growLimit: 0.5, minRows: 60 };
  await using replica = await startReplica(origin.url, options);
  await replica.until(({ live, rows }) => live && rows === 100, "filled");
  origin.rows = numbered(150);
  await replica.until(({ rows }) => rows === 150, "grown");
  origin.rows = numbered(151);
  const grown = await replica.until(({ hold }) => hold !== null, "held");
  assert.match(grown.hold?.reason ?? "", /add 51 rows to 100.*--grow-limit/);
  origin.rows = numbered(150);
  await replica.until(({ live, hold }) => live && hold === null, "mended", 40_000);
});

Deno.test("fewer rows than have to remain are held, by a sweep as by ordinary changes", async () => {
  await using origin = await SortedOrigin.start(numbered(100));
  await using store = await TempStore.create();
  const options = { kv: store.path, shrinkLimit: 1, minRows: 60 };
  await replicateOnce(origin.url, options);
  origin.rows = numbered(100).slice(41);
  await assert.rejects(
    replicateOnce(origin.url, { ...options, resync: true }),
    /fewer than --min-rows/,
  );
  origin.rows = deleted(41, 100);
  const { minRows: _, ...without } = options;
  await assert.rejects(replicateOnce(origin.url, { ...options, resync: true }), /--min-rows/);
  assert.equal((await rowsIn(await store.open(), "servers")).size, 100);
  await replicateOnce(origin.url, { ...without, resync: true });
  assert.equal((await rowsIn(await store.open(), "servers")).size, 59);
});

Deno.test("a table on hold commits nothing and asks nothing, also in the next process, until released", async () => {
  await using origin = await SortedOrigin.start(numbered(10));
  await using store = await TempStore.create();
  {
    await using replica = await startReplica(origin.url, { kv: store.path });
    await replica.live();
    replica.replica.hold();
    const held = await replica.until(
      ({ hold, reason }) => hold !== null && reason !== null,
      "held",
    );
    assert.equal(held.hold?.by, "person");
    assert.match(held.reason ?? "", /on hold since/);
  }
  origin.rows = numbered(20);
  const asked = origin.asked.length;
  await assert.rejects(replicateOnce(origin.url, { kv: store.path }), /on hold since/);
  assert.equal(origin.asked.length, asked);
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.until(({ reason }) => reason !== null, "on hold");
  assert.equal(replica.status.rows, 10);
  replica.replica.release();
  await replica.until(({ live, rows, hold }) => live && rows === 20 && hold === null, "released");
  const kinds = replica.status.history.map(({ kind }) => kind);
  assert.deepEqual(kinds, ["release", "hold"]);
});
