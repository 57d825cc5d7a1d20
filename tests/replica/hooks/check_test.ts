import assert from "node:assert/strict";
import { startTestOrigin } from "../../support/reference_origin.ts";
import { startReplica } from "../../support/replicas.ts";
import { TempFolder } from "../../support/temp_store.ts";
import { HandClock } from "../../support/clock.ts";
import { WrittenFile } from "../../../src/replica/hooks/written_file.ts";
import { TableReader } from "../../../src/store/read/table_reader.ts";
import { rowKey } from "../../../src/store/kv/keys.ts";

Deno.test("a file that a check refuses doesn't replace the last good one, and it is said why", async () => {
  await using folder = await TempFolder.create();
  await using origin = startTestOrigin({ rows: [{ id: 1, ok: true }] });
  const write = folder.file("servers.ndjson");
  await using replica = await startReplica(origin.url, {
    kv: folder.file("kv"),
    write,
    check: 'grep -q ok "$LOCKSTEP_FILE" && ! grep bad "$LOCKSTEP_FILE" >&2',
    onChangeWaitMs: 1,
  });
  await replica.until(({ hooks }) => hooks[0]?.lastSuccess !== null, "the first");
  const good = await Deno.readTextFile(write);
  origin.table.put({ id: 2, bad: true });
  await replica.until(({ hooks }) => hooks[0]?.error !== null, "refused");
  assert.match(
    replica.status.hooks[0]?.error ?? "",
    /--check refused it: exit status 1: .*"bad":true/,
  );
  assert.equal(await Deno.readTextFile(write), good);
  origin.table.put({ id: 2, ok: true });
  await replica.until(({ hooks }) => hooks[0]?.error === null, "accepted");
  assert.notEqual(await Deno.readTextFile(write), good);
});

Deno.test("lines for a command carry the row of a put, and what is gone is a delete", async () => {
  await using folder = await TempFolder.create();
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  const log = folder.file("log");
  await using replica = await startReplica(origin.url, {
    kv: folder.file("kv"),
    onChange: `cat >> ${log}`,
    onChangeWaitMs: 1,
  });
  const success = () => replica.status.hooks[0]?.lastSuccess ?? null;
  await replica.until(({ hooks }) => hooks[0]?.pending === false && success() !== null, "told");
  origin.table.put({ id: 2, big: 2n ** 60n });
  await replica.until(({ rows }) => rows === 2, "put");
  origin.table.remove(1);
  await replica.until(({ rows, hooks }) => rows === 1 && hooks[0]?.pending === false, "told more");
  const lines = (await Deno.readTextFile(log)).trim().split("\n");
  assert.ok(lines.some((line) => line.includes(`"key":[2],"kind":"put","value":{`)), lines.join());
  assert.ok(lines.some((line) => line.includes(`"big":${2n ** 60n}`)));
  assert.ok(lines.includes('{"table":"servers","key":[1],"kind":"delete"}'), lines.join());
});

Deno.test("a file that is written whole pauses for as long as it cost, ten minutes at most", async () => {
  await using folder = await TempFolder.create();
  using kv = await Deno.openKv(":memory:");
  for (let id = 0; id < 2_000; id++) {
    await kv.set(rowKey("servers", [id]), { id, x: "y".repeat(99) });
  }
  const clock = new HandClock();
  const file = new WrittenFile(folder.file("file"), {
    reader: new TableReader(kv, "servers"),
    clock,
    shape: { table: "servers", key: ["id"], orderBy: "updated_at" },
    isUncounted: false,
    position: () => ({ cursor: null, changes: 1 }),
    check: () => Promise.resolve(),
  });
  assert.equal(file.pauseMs, 0);
  await file.write(new AbortController().signal);
  assert.ok(file.pauseMs > 0 && file.pauseMs <= 600_000, `${file.pauseMs} ms`);
  await clock.advance(600_000);
  assert.equal(file.pauseMs, 0);
});
