import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { SqliteFile } from "../../../src/replica/hooks/sqlite_file.ts";
import { startTestOrigin } from "../../support/reference_origin.ts";
import { startReplica } from "../../support/replicas.ts";
import { TempFolder } from "../../support/temp_store.ts";
import { runTool, testUnless, whyNoMounts } from "../../support/tools.ts";
import { waitFor } from "../../support/wait_for.ts";

function rowsIn(path: string, sql = 'SELECT * FROM "servers" ORDER BY lockstep_key') {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const statement = database.prepare(sql);
    statement.setReadBigInts(true);
    return statement.all().map((row) => ({ ...row }));
  } finally {
    database.close();
  }
}

async function untilWritten(replica: Awaited<ReturnType<typeof startReplica>>) {
  await replica.until(({ hooks, live }) => live && hooks[0]?.pending === false, "written");
}

Deno.test("a database is kept up to date in place, exact in keys and numbers", async () => {
  await using folder = await TempFolder.create();
  await using origin = startTestOrigin({
    rows: [{ id: 1, n: 1.5 }, { id: "1", big: 2n ** 64n - 1n }, { id: 2n ** 64n }],
  });
  const write = folder.file("servers.sqlite");
  const options = { kv: folder.file("kv"), write, onChangeWaitMs: 1 };
  {
    await using replica = await startReplica(origin.url, options);
    await untilWritten(replica);
    const first = rowsIn(write);
    assert.deepEqual(first.map((row) => [row["lockstep_key"], row["id"]]), [
      ['["1"]', "1"],
      [`[${2n ** 64n}]`, String(2n ** 64n)],
      ["[1]", 1n],
    ]);
    assert.match(String(first[0]?.["record"]), /"big":18446744073709551615/);
    const { ino } = await Deno.stat(write);
    origin.table.put({ id: 1, n: 2 });
    origin.table.remove("1");
    await replica.until(({ rows }) => rows === 2, "removed");
    await waitFor(() => rowsIn(write).length === 2, "two rows");
    assert.equal((await Deno.stat(write)).ino, ino);
    assert.deepEqual(rowsIn(write).map((row) => row["id"]), [String(2n ** 64n), 1n]);
    const state = rowsIn(write, "SELECT cursor FROM lockstep_state");
    assert.equal(state[0]?.["cursor"], replica.status.cursor);
  }
  // What was missed, or done by others: all is compared, and only differences are written.
  const database = new DatabaseSync(write);
  database.exec(`DELETE FROM servers WHERE id = 1; UPDATE lockstep_state SET changes = 0`);
  database.close();
  origin.table.put({ id: 7 });
  await using replica = await startReplica(origin.url, options);
  await replica.until(({ rows }) => rows === 3, "new");
  await waitFor(() => rowsIn(write).length === 3, "three rows");
  assert.deepEqual(rowsIn(write).map((row) => row["id"]), [String(2n ** 64n), 1n, 7n]);
});

Deno.test("what is no database, another program's, or damaged is refused with a line, and left alone", async () => {
  await using folder = await TempFolder.create();
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  const write = folder.file("servers.db");
  const cases: readonly (readonly [make: () => void, reason: RegExp])[] = [
    [() => Deno.writeTextFileSync(write, "hello ".repeat(1_000)), /not a database/],
    [() => {
      using database = new DatabaseSync(write);
      database.exec("CREATE TABLE mine (a)");
    }, /database of another program/],
  ];
  for (const [make, reason] of cases) {
    await Deno.remove(write).catch(() => {});
    make();
    const before = await Deno.readFile(write);
    await using replica = await startReplica(origin.url, {
      kv: folder.file("kv"),
      write,
      onChangeWaitMs: 1,
    });
    await replica.until(({ hooks }) => hooks[0]?.error !== null, "refused");
    assert.match(replica.status.hooks[0]?.error ?? "", reason);
    assert.match(replica.status.hooks[0]?.error ?? "", /servers\.db could not be written/);
    assert.deepEqual(await Deno.readFile(write), before);
  }
});

testUnless(
  await whyNoMounts(),
  "a single file that was bound into a container is refused with a line",
  async () => {
    await using folder = await TempFolder.create();
    await Deno.writeTextFile(folder.file("outside"), "");
    await Deno.writeTextFile(folder.file("inside.db"), "");
    const { code } = await runTool("mount", [
      ...["--bind", folder.file("outside"), folder.file("inside.db")],
    ]);
    assert.equal(code, 0);
    try {
      await assert.rejects(
        SqliteFile.open(folder.file("inside.db"), { table: "t", key: ["id"], orderBy: "o" }),
        /single file bound into a container: bind its folder/,
      );
    } finally {
      await runTool("umount", [folder.file("inside.db")]);
    }
    assert.deepEqual([...Deno.readDirSync(folder.path)].length, 2);
  },
);
