import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "../../../src/base/clock.ts";
import { cursorKey, LAYOUT_VERSION, layoutKey } from "../../../src/store/kv/keys.ts";
import type { TableMeta } from "../../../src/store/kv/stored_values.ts";
import { storeFault } from "../../../src/store/kv/store_error.ts";
import { openStore, storeFile } from "../../../src/store/kv/open_store.ts";
import { TableReader } from "../../../src/store/read/table_reader.ts";
import { assertTable } from "../../support/oracle.ts";
import { MisbehavingOrigin, records } from "../../support/misbehaving_origin.ts";
import { startTestOrigin } from "../../support/reference_origin.ts";
import { replicateOnce, startReplica } from "../../support/replicas.ts";
import { TempFolder, TempStore } from "../../support/temp_store.ts";

Deno.test("a fresh file that another process is setting up is waited for", async () => {
  await using folder = await TempFolder.create();
  const path = folder.file("replica.kv");
  const other = new DatabaseSync(path);
  other.exec("BEGIN EXCLUSIVE");
  const opening = openStore(path);
  // SQLite lets it wait for nobody: it fails at once, or tries again.
  const waited = systemClock.sleep(200).then(() => "waits");
  assert.equal(await Promise.race([opening, waited]), "waits");
  other.exec("COMMIT");
  other.close();
  (await opening).close();
});

Deno.test("a store is a file, or replica.kv in a folder, made with the folders above it", async () => {
  await using folder = await TempFolder.create();
  assert.equal(storeFile(folder.path), folder.file("replica.kv"));
  assert.equal(storeFile(`${folder.path}/new/`), folder.file("new/replica.kv"));
  assert.equal(storeFile(folder.file("a/b.kv")), folder.file("a/b.kv"));
  assert.equal(storeFile(":memory:"), ":memory:");
  assert.equal(storeFile("https://u:p@example.com/kv?t=secret"), "https://example.com/kv");
  const store = await openStore(folder.file("a/b/c.kv"));
  assert.ok((store.size() ?? 0) > 0);
  store.close();
  store.close();
});

Deno.test("a store that a newer version wrote is refused", async () => {
  await using temp = await TempStore.create();
  (await openStore(temp.path)).close();
  const kv = await temp.open();
  assert.equal((await kv.get(layoutKey)).value, LAYOUT_VERSION);
  await kv.set(layoutKey, LAYOUT_VERSION + 1);
  await assert.rejects(openStore(temp.path), {
    kind: "foreign-store",
    message: new RegExp(`${temp.path}.*newer version \\(layout ${LAYOUT_VERSION + 1}`),
  });
});

Deno.test("a store of an older layout is migrated in place, and goes on from its cursor", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }, { id: 2 }], finite: true });
  await using temp = await TempStore.create();
  await replicateOnce(origin.url, { kv: temp.path });
  const kv = await temp.open();
  const cursor = cursorKey("servers");
  const { floor: _floor, changes: _changes, ...older } = (await kv.get<TableMeta>(cursor)).value ??
    assert.fail("nothing was replicated");
  await kv.atomic().set(cursor, older).set(layoutKey, 1).commit();
  const asked = origin.requests.length;
  origin.table.put({ id: 3 });
  await replicateOnce(origin.url, { kv: temp.path });
  assert.equal((await kv.get(layoutKey)).value, LAYOUT_VERSION);
  // The end of an answer is asked about once more, at the cursor that it led to.
  assert.deepEqual(
    origin.requests.slice(asked).map(({ since, rows }) => [since, rows]),
    [["1001", 2], ["1002", 1]],
    "the row at the cursor and the new one, then the new one alone",
  );
  const { value: meta } = await kv.get<TableMeta>(cursor);
  assert.equal(meta?.floor, null);
  assert.equal(meta?.changes, 1);
  await assertTable(kv, origin.table.liveRows());
});

Deno.test("a store that is no database, or a damaged one, is refused with its path", async () => {
  await using folder = await TempFolder.create();
  const path = folder.file("foreign.kv");
  await Deno.writeTextFile(path, "this is my diary, not a database\n".repeat(1000));
  await assert.rejects(openStore(path), {
    kind: "store",
    message: new RegExp(path),
    hint: /move it away .* or name another with --kv/,
  });
  assert.ok((await Deno.readTextFile(path)).startsWith("this is my diary"), "it is left alone");
});

Deno.test("another program's database is refused, and left as it is", async () => {
  await using folder = await TempFolder.create();
  const path = folder.file("diary.db");
  const database = new DatabaseSync(path);
  database.exec("CREATE TABLE diary (day TEXT); INSERT INTO diary VALUES ('today')");
  database.close();
  const before = await Deno.readFile(path);
  for (const readOnly of [false, true]) {
    await assert.rejects(openStore(path, { readOnly }), {
      kind: "foreign-store",
      message: `${path} is a database of another program`,
    });
  }
  assert.deepEqual(await Deno.readFile(path), before);
  assert.deepEqual([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["diary.db"]);
});

Deno.test("a store that isn't there is not made by a reader", async () => {
  await using folder = await TempFolder.create();
  const path = folder.file("none.kv");
  await assert.rejects(openStore(path, { readOnly: true }), { kind: "store", retry: "never" });
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});

Deno.test("a path below a file is refused with the path", async () => {
  await using folder = await TempFolder.create();
  await Deno.writeTextFile(folder.file("file"), "x");
  const path = folder.file("file/replica.kv");
  await assert.rejects(openStore(path), { kind: "store", message: new RegExp(path) });
});

Deno.test("a store's failures say what to do, and whether it may pass", () => {
  const cases = [
    ["database or disk is full", "store-full", "soon", /free space/],
    ["cannot commit - no transaction is active", "store-full", "soon", /free space/],
    ["No space left on device (os error 28)", "store-full", "soon", /free space/],
    ["File too large (os error 27)", "store-full", "soon", /free space/],
    ["attempt to write a readonly database", "store", "slow", /writable/],
    ["unable to open database file", "store", "slow", /writable/],
    ["file is not a database", "store", "slow", /move it away/],
    ["database disk image is malformed", "store", "slow", /move it away/],
    ["database is locked", "store", "soon", /another process holds/],
    ["disk I/O error", "store", "soon", /look at/],
  ] as const;
  for (const [message, kind, retry, hint] of cases) {
    const fault = storeFault("/a/store", new Error(message));
    assert.deepEqual([fault.kind, fault.retry], [kind, retry], message);
    assert.equal(fault.message, `the store /a/store failed: ${message}`);
    assert.match(fault.hint, hint);
    assert.equal(storeFault("/b", fault), fault, "what has a name keeps it");
  }
});

Deno.test("a store of another origin, key or order field is refused, saying how to go on", async () => {
  await using origin = startTestOrigin({ finite: true, rows: [{ id: 1, name: "a" }] });
  await using store = await TempStore.create();
  await replicateOnce(origin.url, { kv: store.path });
  await using moved = startTestOrigin({ finite: true, table: origin.table });
  const others = [
    [moved.url, {}],
    [origin.url, { key: ["name"] }],
    [origin.url, { orderBy: "id" }],
    [`${origin.url}?a=1`, {}],
  ] as const;
  for (const [url, options] of others) {
    await assert.rejects(startReplica(url, { kv: store.path, ...options }), {
      kind: "foreign-store",
      hint: /another --table or --kv; or --adopt .*; or --resync/,
    });
  }
  assert.equal(
    (await new TableReader(await store.open(), "servers").meta())?.origin.url,
    origin.url,
  );
});

Deno.test("--adopt keeps rows and cursor under the new URL, and need be given once", async () => {
  await using origin = startTestOrigin({ finite: true, rows: [{ id: 1 }, { id: 2 }] });
  await using store = await TempStore.create();
  await replicateOnce(origin.url, { kv: store.path });
  await using moved = startTestOrigin({ finite: true, table: origin.table });
  await replicateOnce(moved.url, { kv: store.path, adopt: true });
  assert.equal(moved.requests[0]?.since, "1001");
  await replicateOnce(moved.url, { kv: store.path });
  await assert.rejects(startReplica(origin.url, { kv: store.path }), { kind: "foreign-store" });
  const other = { kv: store.path, adopt: true, orderBy: "id" };
  await assert.rejects(startReplica(moved.url, other), { kind: "foreign-store" });
  await assertTable(await store.open(), origin.table.liveRows());
});

Deno.test("credentials are no part of an origin's identity, and not of the store", async () => {
  await using origin = startTestOrigin({ finite: true, rows: [{ id: 1 }] });
  await using store = await TempStore.create();
  const as = (user: string) => origin.url.replace("//", `//${user}:hush-hush@`);
  await replicateOnce(as("one"), { kv: store.path });
  await replicateOnce(as("two"), { kv: store.path });
  assert.ok(!Deno.inspect(await store.entries(), { depth: 9 }).includes("hush"));
});

Deno.test("other programs read rows where the contract says that they are", async () => {
  await using origin = await MisbehavingOrigin.start(records(
    '{"id":123,"region":"eu","updated_at":5,"ip":"192.0.2.1"}\n' +
      '{"id":124,"region":"eu","updated_at":6,"deleted_at":6}\n',
  ));
  await using store = await TempStore.create();
  await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  await replicateOnce(`${origin.url}/servers`, {
    kv: store.path,
    table: "byRegion",
    key: ["region", "id"],
  });
  const kv = await store.open();
  assert.equal((await kv.get<{ ip: string }>(["servers", 123])).value?.ip, "192.0.2.1");
  assert.equal((await kv.get<{ ip: string }>(["byRegion", "eu", 123])).value?.ip, "192.0.2.1");
  assert.equal((await kv.get(["servers", 124])).value, null);
  const cursor = await kv.get<{ cursor: number }>(["lockstep", "servers", "cursor"]);
  assert.equal(cursor.value?.cursor, 6);
  const tombstone = await kv.get<{ order: number }>(["lockstep", "servers", "tombstone", 124]);
  assert.equal(tombstone.value?.order, 6);
  assert.equal((await kv.get(["lockstep", "servers", "lease"])).value, null, "given back");
});

Deno.test("a store keeps its id, and no other store has it", async () => {
  await using folder = await TempFolder.create();
  const idOf = async (path: string) => {
    const store = await openStore(folder.file(path));
    try {
      return await new TableReader(store.reader, "servers").storeId();
    } finally {
      store.close();
    }
  };
  const first = await idOf("one");
  assert.match(first ?? "", /^[0-9a-f]{16}$/);
  assert.equal(await idOf("one"), first);
  assert.notEqual(await idOf("two"), first);
});

Deno.test({
  name: "a new store is for its user alone, whatever the umask",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using folder = await TempFolder.create();
    const umask = Deno.umask(0o022);
    try {
      const store = await openStore(folder.file("kv"));
      await store.writer.set(["servers", 1], {});
      for (const name of ["kv", "kv-wal", "kv-shm"]) {
        assert.equal((Deno.statSync(folder.file(name)).mode ?? 0) & 0o777, 0o600, name);
      }
      store.close();
    } finally {
      Deno.umask(umask);
    }
  },
});
