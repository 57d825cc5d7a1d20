import assert from "node:assert/strict";
import { LockstepError } from "../../../src/protocol/errors.ts";
import type { JsonObject } from "../../../src/protocol/record.ts";
import { replicate } from "../../../src/replica/replicator.ts";
import { chunked, MisbehavingOrigin, records } from "../../support/misbehaving_origin.ts";
import { startTestOrigin, type TestOrigin } from "../../support/reference_origin.ts";
import { startReplica, type TestReplica } from "../../support/replicas.ts";
import { TempStore } from "../../support/temp_store.ts";
import { waitFor } from "../../support/wait_for.ts";

/** Every hook has succeeded with everything so far. */
function idle(replica: TestReplica): Promise<unknown> {
  return replica.until(
    ({ hooks, live }) => live && hooks.every((hook) => hook.lastSuccess !== null && !hook.pending),
    "all hooks have run",
  );
}

/** A change at the origin, once it is stored. */
async function change(
  origin: TestOrigin,
  replica: TestReplica,
  id: number,
  record: JsonObject = { ip: "10.0.0.1" },
): Promise<void> {
  const { updated_at: order } = origin.table.put({ id, ...record });
  await replica.reached(Number(order));
}

async function textOf(path: string): Promise<string | null> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return null;
  }
}

/** The lines that a command got, without their rows. */
function lines(text: string | null): unknown[] {
  return (text ?? "").split("\n").filter((line) => line !== "").map((line) => {
    const { value: _, ...told } = JSON.parse(line);
    return told;
  });
}

Deno.test("a command gets the changed keys, after the file is written", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }, { id: 2 }] });
  await using store = await TempStore.create();
  const [file, log] = [store.folder.file("servers.ndjson"), store.folder.file("log")];
  const command = `cat >> ${log}; cat "$LOCKSTEP_FILE" > ${file}.seen; echo to stdout >&2; ` +
    `echo "$LOCKSTEP_TABLE" > ${log}.table`;
  await using replica = await startReplica(origin.url, {
    kv: store.path,
    write: file,
    onChange: command,
    onChangeWaitMs: 20,
  });
  await idle(replica);
  assert.deepEqual(lines(await textOf(file)), origin.table.liveRows());
  await change(origin, replica, 3);
  await idle(replica);
  await replica.reached(Number(origin.table.remove(1).updated_at));
  await idle(replica);
  assert.deepEqual(lines(await textOf(log)), [
    { table: "servers", key: [1], kind: "put" },
    { table: "servers", key: [2], kind: "put" },
    { table: "servers", key: [3], kind: "put" },
    { table: "servers", key: [1], kind: "delete" },
  ]);
  assert.deepEqual(lines(await textOf(file)), origin.table.liveRows());
  assert.deepEqual(lines(await textOf(`${file}.seen`)), origin.table.liveRows());
  assert.equal(await textOf(`${log}.table`), "servers\n");
});

Deno.test("a file whose name ends in .json is an array, also of nothing", async () => {
  await using origin = startTestOrigin({ finite: true });
  await using store = await TempStore.create();
  const file = store.folder.file("servers.json");
  await using replica = await startReplica(origin.url, {
    kv: store.path,
    write: file,
    onChangeWaitMs: 1,
  });
  await idle(replica);
  assert.deepEqual(JSON.parse(await textOf(file) ?? ""), []);
  await change(origin, replica, 9007199254740991);
  await change(origin, replica, 2, { big: 9007199254740993n });
  await idle(replica);
  const text = await textOf(file) ?? "";
  assert.equal(JSON.parse(text).length, 2);
  assert.match(text, /"big":9007199254740993,/);
});

Deno.test("a command slower than the changes runs once at a time and misses none", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 0 }] });
  await using store = await TempStore.create();
  const { path } = store.folder;
  const command = `mkdir ${path}/lock || echo overlap >> ${path}/bad; cat >> ${path}/log; ` +
    `echo >> ${path}/runs; sleep 0.05; rmdir ${path}/lock`;
  await using replica = await startReplica(origin.url, {
    kv: store.path,
    onChange: command,
    onChangeWaitMs: 0,
  });
  await replica.live();
  for (let id = 1; id < 200; id++) await change(origin, replica, id);
  await idle(replica);
  assert.equal(await textOf(`${path}/bad`), null);
  const told = lines(await textOf(`${path}/log`)) as { key: [number] }[];
  assert.deepEqual([...new Set(told.map(({ key }) => key[0]))].sort((a, b) => a - b), [
    ...Array(200).keys(),
  ]);
  const runs = (await textOf(`${path}/runs`) ?? "").length;
  assert.ok(runs < 200, `${runs} runs for 200 changes`);
});

Deno.test("a failing command keeps its keys, shows why, and never stops the replica", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await using store = await TempStore.create();
  const [log, how] = [store.folder.file("log"), store.folder.file("how")];
  await Deno.writeTextFile(how, "exit 3");
  await using replica = await startReplica(origin.url, {
    kv: store.path,
    onChange: `. ${how}; cat >> ${log}`,
    onChangeWaitMs: 1,
  });
  await replica.until(({ hooks }) => hooks[0]?.error === "exit status 3", "it failed");
  await Deno.writeTextFile(how, "kill -9 $$");
  await change(origin, replica, 2);
  await replica.until(({ hooks }) => hooks[0]?.error === "killed by signal 9", "it was killed");
  assert.equal(replica.status.hooks[0]?.lastSuccess, null);
  assert.equal(replica.status.hooks[0]?.pending, true);
  await Deno.writeTextFile(how, "");
  await change(origin, replica, 3);
  await idle(replica);
  assert.deepEqual(lines(await textOf(log)).map((line) => (line as { key: unknown[] }).key), [
    [1],
    [2],
    [3],
  ]);
  assert.equal(replica.status.hooks[0]?.error, null);
  assert.notEqual(replica.status.hooks[0]?.lastFailure, null);
});

Deno.test("more keys than are remembered are told as all", async () => {
  await using origin = startTestOrigin({
    rows: Array.from({ length: 10_001 }, (_, id) => ({ id })),
  });
  await using store = await TempStore.create();
  const log = store.folder.file("log");
  await using replica = await startReplica(origin.url, {
    kv: store.path,
    onChange: `cat >> ${log}`,
    onChangeWaitMs: 1,
  });
  await idle(replica);
  assert.deepEqual(lines(await textOf(log)), [{ table: "servers", all: true }]);
});

Deno.test("nothing runs while the table is half filled", async () => {
  const row = (id: number) => JSON.stringify({ id, updated_at: id, deleted_at: null }) + "\n";
  const all = [1, 2, 3, 4].map(row);
  await using origin = await MisbehavingOrigin.start(
    chunked(all, { at: 100, end: "reset" }),
    chunked(all, { at: 140, end: "reset" }),
    records(all.join("")),
  );
  await using store = await TempStore.create();
  const [file, log] = [store.folder.file("servers.ndjson"), store.folder.file("log")];
  await using replica = await startReplica(`${origin.url}/servers`, {
    kv: store.path,
    write: file,
    onChange: `cat >> ${log}; wc -l < ${file} >> ${log}`,
    onChangeWaitMs: 0,
  });
  await idle(replica);
  assert.ok(replica.status.errors.length >= 2);
  const told = (await textOf(log) ?? "").trim().split("\n");
  assert.equal(told.at(-1)?.trim(), "4");
  assert.equal(told.length, 5, told.join("\n"));
});

Deno.test("with once, hooks run before the end", async () => {
  await using origin = startTestOrigin({ finite: true, rows: [{ id: 1 }] });
  await using store = await TempStore.create();
  const [file, log] = [store.folder.file("servers.ndjson"), store.folder.file("log")];
  for (let run = 0; run < 2; run++) {
    // A wait that never ends, were it waited for.
    const options = { kv: store.path, write: file, onChange: `cat >> ${log}`, once: true };
    const replica = await startReplica(origin.url, { ...options, onChangeWaitMs: 1e9 });
    await replica.replicator.done;
    assert.equal(lines(await textOf(file)).length, 1);
    assert.equal(lines(await textOf(log)).length, 1, "not again where nothing changed");
  }
});

Deno.test("after a restart hooks run once if the table changed since their last success", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await using store = await TempStore.create();
  const [file, log, how] = ["file", "log", "how"].map((name) => store.folder.file(name));
  const options = {
    kv: store.path,
    write: file ?? "",
    onChange: `. ${how}; cat >> ${log}`,
    onChangeWaitMs: 1,
  };
  await Deno.writeTextFile(how ?? "", "");
  {
    await using replica = await startReplica(origin.url, options);
    await idle(replica);
    await Deno.writeTextFile(how ?? "", "exit 1");
    await change(origin, replica, 2);
    await replica.until(({ hooks }) => hooks[1]?.error !== null, "it failed");
  }
  await Deno.writeTextFile(how ?? "", "");
  await Deno.remove(file ?? "");
  for (let run = 0; run < 2; run++) {
    await using replica = await startReplica(origin.url, options);
    await idle(replica);
    await change(origin, replica, 3 + run);
    await idle(replica);
    assert.equal(lines(await textOf(file ?? "")).length, 3 + run);
  }
  assert.deepEqual(lines(await textOf(log ?? "")), [
    { table: "servers", key: [1], kind: "put" },
    { table: "servers", all: true },
    { table: "servers", key: [3], kind: "put" },
    { table: "servers", key: [4], kind: "put" },
  ]);
});

Deno.test("stopping ends a running command with all that it has started", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await using store = await TempStore.create();
  const log = store.folder.file("log");
  const replica = await startReplica(origin.url, {
    kv: store.path,
    onChange: `(echo one >> ${log}; sleep 1000) | (sleep 1000; echo late >> ${log})`,
    onChangeWaitMs: 0,
  });
  await waitFor(() => textOf(log), "the command runs");
  const began = performance.now();
  await replica.stop();
  assert.ok(performance.now() - began < 500_000, "not after a thousand seconds");
  assert.equal(await textOf(log), "one\n");
});

Deno.test("two tables can't share a file, and each may have its own", async () => {
  await using a = startTestOrigin({ name: "a", rows: [{ id: 1 }], finite: true });
  await using b = startTestOrigin({ name: "b", rows: [{ id: 2 }], finite: true });
  await using store = await TempStore.create();
  const options = { kv: store.path, once: true, sources: [{ url: a.url }, { url: b.url }] };
  const isUsage = (error: unknown) => error instanceof LockstepError && error.kind === "usage";
  await assert.rejects(replicate({ ...options, write: store.folder.file("all") }), isUsage);
  await assert.rejects(replicate({ ...options, write: { c: store.folder.file("c") } }), isUsage);
  const replicator = await replicate({ ...options, write: store.folder.file("{table}.ndjson") });
  await replicator.done;
  assert.match(await textOf(store.folder.file("a.ndjson")) ?? "", /^\{"id":1,.*\}\n$/);
  assert.match(await textOf(store.folder.file("b.ndjson")) ?? "", /^\{"id":2,.*\}\n$/);
});
