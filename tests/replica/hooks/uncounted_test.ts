import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { cursorKey, rowKey } from "../../../src/store/kv/keys.ts";
import type { TableMeta } from "../../../src/store/kv/stored_values.ts";
import { startTestOrigin } from "../../support/reference_origin.ts";
import { startReplica } from "../../support/replicas.ts";
import { TempFolder } from "../../support/temp_store.ts";

Deno.test("rows that a crash left uncounted reach the file and the command at the next start", async () => {
  await using folder = await TempFolder.create();
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  const [kv, write, log] = [folder.file("kv"), folder.file("t.db"), folder.file("log")];
  const options = { kv, write, onChange: `cat >> ${log}`, onChangeWaitMs: 1 };
  {
    await using replica = await startReplica(origin.url, options);
    await replica.until(
      ({ hooks }) => hooks.every(({ pending, lastSuccess }) => !pending && lastSuccess !== null),
      "written",
    );
  }
  // As a process leaves it that dies between a window's rows and its cursor.
  origin.table.put({ id: 2 });
  const row = [...origin.table.liveRows()].find(({ id }) => id === 2);
  assert.ok(row !== undefined);
  {
    using store = await Deno.openKv(kv);
    const meta = (await store.get<TableMeta>(cursorKey("servers"))).value;
    assert.ok(meta !== null);
    await store.set(cursorKey("servers"), { ...meta, high: row["updated_at"] });
    await store.set(rowKey("servers", [2]), row);
  }
  await Deno.remove(log);
  await using replica = await startReplica(origin.url, options);
  await replica.until(
    ({ hooks, live }) => live && hooks.every(({ pending }) => !pending),
    "written again",
  );
  const database = new DatabaseSync(write, { readOnly: true });
  const found = database.prepare("SELECT count(*) AS n FROM servers").get();
  database.close();
  assert.equal(found?.["n"], 2);
  assert.match(await Deno.readTextFile(log), /"all":true/);
});
