import assert from "node:assert/strict";
import { dirname } from "node:path";
import { parseJson } from "../../src/protocol/json_text.ts";
import { TableReader } from "../../src/store/read/table_reader.ts";
import { Operation } from "../../src/store/kv/operation.ts";
import { History } from "../../src/store/table/history.ts";
import { assertTable, rowsIn } from "../support/oracle.ts";
import { status } from "../support/misbehaving_origin.ts";
import { replicateOnce, startReplica } from "../support/replicas.ts";
import { PagedOrigin } from "../support/paged_origin.ts";
import { numbered, SortedOrigin, type SortedRow } from "../support/sorted_origin.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

const WANTED = "the test wants it";

Deno.test("a resync that was cut, and then an empty origin: held, and no row is removed", async () => {
  await using origin = await SortedOrigin.start(numbered(1000));
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.until(({ live, rows }) => live && rows === 1000, "filled");
  origin.cuts = [600];
  const asked = origin.asked.length;
  replica.replica.requestResync(WANTED);
  await waitFor(() => origin.asked.length > asked, "asked again");
  origin.rows = [];
  const held = await replica.until(({ state }) => state === "held", "held");
  assert.deepEqual([held.sweep?.wouldRemove, held.sweep?.of], [1000, 1000]);
  assert.match(held.reason ?? "", /empty/);
  assert.equal((await rowsIn(await store.open(), "servers")).size, 1000);
});

Deno.test("an origin that has its rows again after an empty answer is compared, not swept", async () => {
  await using origin = await SortedOrigin.start(numbered(100));
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path, shrinkLimit: 1 });
  await replica.until(({ live, rows }) => live && rows === 100, "filled");
  const rows = origin.rows;
  origin.rows = [];
  replica.replica.requestResync(WANTED);
  const held = await replica.until(({ state }) => state === "held", "held");
  assert.equal(held.cursor, "100", "the cursor of before lives on");
  origin.rows = rows;
  await replica.until(({ live, sweep }) => live && sweep === null, "compared");
  assert.equal(replica.status.rows, 100);
});

Deno.test("a cut resync over a rewound origin begins again, also in the next process", async () => {
  await using origin = await SortedOrigin.start(numbered(1000));
  await using store = await TempStore.create();
  {
    await using replica = await startReplica(origin.url, { kv: store.path });
    await replica.until(({ live, rows }) => live && rows === 1000, "filled");
    origin.cuts = [600];
    const asked = origin.asked.length;
    replica.replica.requestResync(WANTED);
    await waitFor(() => origin.asked.length > asked && origin.cuts.length === 0, "cut");
  }
  origin.rows = numbered(300, { version: 2 });
  const once = { kv: store.path, resync: true };
  await assert.rejects(replicateOnce(origin.url, once), /held.*700 of 1000 rows/);
  assert.equal((await rowsIn(await store.open(), "servers")).size, 1000);
  await replicateOnce(origin.url, { ...once, shrinkLimit: 0.9 });
  await assertTable(await store.open(), [...origin.rows]);
});

Deno.test("rows that change at their old order while a resync is cut are not missed", async () => {
  await using origin = await SortedOrigin.start(numbered(1000));
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.until(({ live, rows }) => live && rows === 1000, "filled");
  origin.cuts = [600];
  origin.instead = () => {
    // The first answer is on its way: what comes after it is other content of the same orders.
    if (origin.cuts.length === 0) origin.rows = numbered(1000, { version: 2 });
    return null;
  };
  replica.replica.requestResync(WANTED);
  await waitFor(() => origin.cuts.length === 0, "cut");
  await replica.until(({ live, sweep }) => live && sweep === null, "resynced");
  await replica.stop();
  await assertTable(await store.open(), numbered(1000, { version: 2 }));
});

Deno.test("a lagging replica that answers after a cut takes no row away", async () => {
  await using origin = await SortedOrigin.start(numbered(1000));
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.until(({ live, rows }) => live && rows === 1000, "filled");
  // The row was moved to the end: the lagging replica still has it at its old order.
  const moved = { ...numbered(1)[0], updated_at: 1001 } as const;
  const fresh = [...numbered(1000).slice(1), { ...moved, id: 1, deleted_at: null }];
  origin.rows = fresh;
  await replica.until(({ cursor }) => cursor === "1001", "moved");
  origin.cuts = [600];
  origin.instead = () => {
    if (origin.cuts.length === 0) origin.rows = numbered(900);
    return null;
  };
  replica.replica.requestResync(WANTED);
  // The first whole chain is the lagging one's: what lies above it is not decided yet.
  await replica.until(({ sweep }) => sweep?.state === "wanted" || sweep === null, "read once");
  origin.instead = null;
  origin.rows = fresh;
  await replica.until(({ live, sweep }) => live && sweep === null, "resynced");
  await replica.stop();
  await assertTable(await store.open(), fresh);
});

Deno.test("rows above all that the origin has are removed when a second chain lacks them, too", async () => {
  await using origin = await SortedOrigin.start(numbered(10));
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.until(({ live, rows }) => live && rows === 10, "filled");
  origin.rows = numbered(9).slice(1);
  const before = origin.asked.filter((since) => since === "0").length;
  replica.replica.requestResync(WANTED);
  await replica.until(({ live, sweep, rows }) => live && sweep === null && rows === 8, "swept");
  assert.equal(origin.asked.filter((since) => since === "0").length, before + 2);
  await replica.stop();
  await assertTable(await store.open(), [...origin.rows]);
});

Deno.test("after three cuts a resync goes on from its cursor, says so, and removes nothing", async () => {
  await using origin = await SortedOrigin.start(numbered(1000));
  await using store = await TempStore.create();
  await replicateOnce(origin.url, { kv: store.path });
  origin.rows = numbered(999, { version: 2 });
  origin.cuts = [300, 600, 900];
  const asked = origin.asked.length;
  await assert.rejects(
    replicateOnce(origin.url, { kv: store.path, resync: true }),
    /compared in parts: nothing was removed/,
  );
  assert.deepEqual(origin.asked.slice(asked, asked + 4), ["0", "0", "0", "900"]);
  const kv = await store.open();
  const rows = await rowsIn(kv, "servers");
  assert.equal(rows.size, 1000);
  assert.equal([...rows.values()].filter((row) => row["version"] === 2).length, 999);
  assert.equal((await new TableReader(kv, "servers").meta())?.resync, null);
});

Deno.test("a resync that is asked for in mid-answer begins at once, however long the poll", async () => {
  await using origin = await SortedOrigin.start(numbered(10));
  await using store = await TempStore.create();
  let ask = () => {};
  await using replica = await startReplica(origin.url, {
    kv: store.path,
    pollMs: 600_000,
    onCommit: () => ask(),
  });
  ask = () => {
    ask = () => {};
    replica.replica.requestResync(WANTED);
  };
  await replica.until(({ live, sweep, history }) => {
    return live && sweep === null && history.some(({ kind }) => kind === "resync");
  }, "resynced");
});

Deno.test("a second request starts a resync over, with its three cuts", async () => {
  await using origin = await SortedOrigin.start(numbered(100));
  await using store = await TempStore.create();
  await replicateOnce(origin.url, { kv: store.path });
  origin.rows = numbered(99).slice(1);
  for (const _ of [1, 2]) {
    origin.cuts = [10, 20];
    await assert.rejects(
      replicateOnce(origin.url, { kv: store.path, resync: true, attempts: 2 }),
      /broke|cut|closed|body/,
    );
  }
  origin.cuts = [30, 40];
  await replicateOnce(origin.url, { kv: store.path, resync: true });
  await assertTable(await store.open(), [...origin.rows]);
});

Deno.test("a row that a sweep removed is alive again when the origin sends it as it was", async () => {
  await using origin = await SortedOrigin.start(numbered(20));
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path, overlap: "100" });
  await replica.until(({ live, rows }) => live && rows === 20, "filled");
  origin.rows = numbered(20).filter(({ id }) => id !== 3);
  replica.replica.requestResync(WANTED);
  await replica.until(({ live, sweep, rows }) => live && sweep === null && rows === 19, "swept");
  origin.rows = numbered(20);
  await replica.until(({ rows }) => rows === 20, "alive");
  await replica.stop();
  await assertTable(await store.open(), numbered(20));
});

Deno.test("a resync begins where the first fill began, and the old cursor outlives its refusal", async () => {
  await using origin = await SortedOrigin.start(numbered(50));
  await using store = await TempStore.create();
  const refused = status(400, {}, "no such time");
  origin.instead = (since) => since === "0" ? refused : null;
  await replicateOnce(origin.url, { kv: store.path, since: "10" });
  const kv = await store.open();
  const reader = new TableReader(kv, "servers");
  assert.equal((await reader.meta())?.cursor, 50);
  // The origin refuses everything: nothing of the copy is given up for it.
  origin.instead = () => refused;
  await assert.rejects(replicateOnce(origin.url, { kv: store.path, resync: true }), /400/);
  assert.equal((await reader.meta())?.cursor, 50);
  origin.instead = (since) => since === "0" ? refused : null;
  origin.rows = numbered(50).filter(({ id }) => id !== 20);
  await replicateOnce(origin.url, { kv: store.path });
  assert.ok(!origin.asked.includes("0"));
  await assertTable(kv, origin.rows.slice(9));
});

Deno.test("a resync from a later cursor judges no row below it", async () => {
  await using origin = await SortedOrigin.start(numbered(50));
  await using store = await TempStore.create();
  await replicateOnce(origin.url, { kv: store.path });
  origin.rows = numbered(50).filter(({ id }) => id !== 5 && id !== 45);
  await replicateOnce(origin.url, { kv: store.path, since: "40", resync: true });
  assert.deepEqual(origin.asked.slice(-2), ["40", "50"]);
  await assertTable(await store.open(), numbered(50).filter(({ id }) => id !== 45));
});

Deno.test("until a resync has brought something, the store says the cursor of before it", async () => {
  await using origin = await SortedOrigin.start(numbered(50));
  await using store = await TempStore.create();
  await replicateOnce(origin.url, { kv: store.path });
  origin.cuts = [0];
  await assert.rejects(
    replicateOnce(origin.url, { kv: store.path, resync: true, attempts: 1 }),
  );
  assert.equal((await new TableReader(await store.open(), "servers").meta())?.cursor, 50);
});

Deno.test("rows that a sweep removes lie beside the store, for their owner alone, three files at most", async () => {
  await using origin = await SortedOrigin.start(numbered(100));
  await using store = await TempStore.create();
  await replicateOnce(origin.url, { kv: store.path });
  for (const gone of [1, 2, 3, 4, 5]) {
    origin.rows = numbered(100).slice(gone);
    await replicateOnce(origin.url, { kv: store.path, resync: true });
  }
  const files = [...Deno.readDirSync(dirname(store.path))].map(({ name }) => name)
    .filter((name) => name.includes(".removed-")).sort();
  assert.equal(files.length, 3, files.join());
  const removed = files.map((name) => {
    const path = `${dirname(store.path)}/${name}`;
    assert.equal((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
    return parseJson(Deno.readTextFileSync(path).trim());
  });
  assert.deepEqual(removed, numbered(5).slice(2));
});

Deno.test("the history tells of each sweep: why, how many rows, and where they are kept", async () => {
  await using origin = await SortedOrigin.start(numbered(100));
  await using store = await TempStore.create();
  await replicateOnce(origin.url, { kv: store.path });
  origin.rows = numbered(100).slice(10);
  await replicateOnce(origin.url, { kv: store.path, resync: true });
  origin.rows = [];
  await assert.rejects(replicateOnce(origin.url, { kv: store.path, resync: true }));
  const reader = new TableReader(await store.open(), "servers");
  const entries = await Array.fromAsync(reader.history());
  assert.deepEqual(
    entries.map(({ number, kind, removed }) => [number, kind, removed]),
    [[2, "held", undefined], [1, "resync", 10]],
  );
  assert.match(entries[1]?.text ?? "", /--resync was given/);
  const kept = Deno.readTextFileSync(entries[1]?.file ?? "").trim().split("\n");
  assert.equal(kept.length, 10);
  assert.match(entries[0]?.text ?? "", /90 of 90 rows: it is empty/);
});

Deno.test("the history keeps its newest hundred entries", async () => {
  await using store = await TempStore.create();
  const kv = await store.open();
  const table = {
    name: "servers",
    store: { writer: kv },
    clock: { now: () => 0 },
    operation: () => new Operation(kv, { key: ["fence"], versionstamp: stamp }),
  };
  const { versionstamp: stamp } = await kv.set(["fence"], 1);
  const history = new History(table);
  for (let i = 0; i < 60; i++) await history.add({ kind: "resync", text: `${i}` });
  const again = new History(table);
  await again.load();
  for (let i = 60; i < 130; i++) await again.add({ kind: "resync", text: `${i}` });
  const entries = await Array.fromAsync(new TableReader(kv, "servers").history());
  assert.deepEqual(
    entries.map(({ number, text }) => [number, text]),
    Array.from({ length: 100 }, (_, i) => [130 - i, `${129 - i}`]),
  );
});

Deno.test("an answer with records that can't be read may be sent for what it lacks: its sweep is held", async () => {
  await using origin = await SortedOrigin.start(numbered(10));
  await using store = await TempStore.create();
  await replicateOnce(origin.url, { kv: store.path });
  const broken = { id: 4, updated_at: null as unknown as number, deleted_at: null };
  origin.rows = numbered(10).filter(({ id }) => id !== 4);
  origin.instead = (since) => {
    const rows = origin.rows.filter(({ updated_at }) => updated_at >= Number(since));
    const text = [...rows, broken].map((row) => `${JSON.stringify(row)}\n`).join("");
    return status(200, { "content-type": "application/x-ndjson" }, text);
  };
  const once = replicateOnce(origin.url, { kv: store.path, resync: true });
  await assert.rejects(once, /1 of 10 rows, but holds records that can't be read/);
  assert.equal((await rowsIn(await store.open(), "servers")).size, 10);
});

Deno.test("a resync's percentage is its own: it never says that it is done", async () => {
  await using origin = await SortedOrigin.start(numbered(1000));
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.until(({ live, rows }) => live && rows === 1000, "filled");
  const lines = numbered(1000).map((row) => `${JSON.stringify(row)}\n`);
  let goOn = () => {};
  const gate = new Promise<void>((resolve) => goOn = resolve);
  origin.instead = (since) =>
    since !== "0" ? null : async (conversation) => {
      const head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nlockstep-head: 1000\r\n" +
        `content-length: ${lines.join("").length}\r\n\r\n`;
      await conversation.send(head + lines.slice(0, 50).join(""));
      await gate;
      await conversation.send(lines.slice(50).join(""));
    };
  replica.replica.requestResync(WANTED);
  const { progress } = await replica.until(({ progress }) => (progress ?? 0) > 0, "under way");
  assert.equal(progress, 0.05);
  goOn();
  await replica.until(({ live, sweep }) => live && sweep === null, "resynced");
});

Deno.test("a row that a deletion shifts past a linked page is not swept", async () => {
  await using origin = new PagedOrigin({ records: 10, isLinked: true });
  origin.put(...numbered(100));
  await using store = await TempStore.create();
  await replicateOnce(origin.url, { kv: store.path, table: "servers" });
  const first = origin.paths.length;
  // Between two pages the first row goes: what followed on the next page is on the one before now.
  origin.before = (request) => {
    if (request === first + 5) origin.records = origin.records.filter(({ id }) => id !== 1);
  };
  await replicateOnce(origin.url, { kv: store.path, table: "servers", resync: true });
  const kv = await store.open();
  // The row that was there as the resync began may stay until the next one.
  assert.deepEqual([...await rowsIn(kv, "servers").then((rows) => rows.values())], numbered(100));
  await replicateOnce(origin.url, { kv: store.path, table: "servers", resync: true });
  await assertTable(kv, origin.records);
});

Deno.test("pages cut by bytes lead to a sweep of what the origin lacks, and of nothing else", async () => {
  await using origin = new PagedOrigin({ bytes: 300 });
  origin.put(...numbered(200));
  await using store = await TempStore.create();
  await replicateOnce(origin.url, { kv: store.path, table: "servers" });
  origin.records = origin.records.filter(({ id }) => Number(id) % 10 !== 0);
  await replicateOnce(origin.url, { kv: store.path, table: "servers", resync: true });
  await assertTable(await store.open(), origin.records);
});

Deno.test("a resync writes what differs, and nothing else", async () => {
  await using origin = await SortedOrigin.start(numbered(5_000));
  await using store = await TempStore.create();
  await replicateOnce(origin.url, { kv: store.path });
  const kv = await store.open();
  const versions = async () => {
    const entries = await Array.fromAsync(kv.list({ prefix: ["servers"] }));
    return entries.map(({ versionstamp }) => versionstamp);
  };
  const before = await versions();
  const changed = { ...origin.rows[2_000], n: 1 } as SortedRow;
  origin.rows = origin.rows.map((row) => row.id === changed.id ? changed : row);
  const { status } = await replicateOnce(origin.url, { kv: store.path, resync: true });
  assert.equal(status.records.identical, 5_000 - 1 + 1, "the boundary comes twice");
  const after = await versions();
  assert.deepEqual(after.flatMap((stamp, i) => stamp === before[i] ? [] : [i]), [2_000]);
});
