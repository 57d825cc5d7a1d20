import assert from "node:assert/strict";
import { basename } from "node:path";
import { writeTable } from "../../../src/replica/hooks/write_file.ts";
import { TableReader } from "../../../src/store/read/table_reader.ts";
import { startTestOrigin } from "../../support/reference_origin.ts";
import { startReplica } from "../../support/replicas.ts";
import { TempFolder, TempStore } from "../../support/temp_store.ts";
import { waitFor } from "../../support/wait_for.ts";
import { mountMemory, testUnless, whyNoMounts } from "../../support/tools.ts";

/** Every row of the file; throws where it isn't whole. */
async function rowsOf(path: string): Promise<{ id: number; text: string }[]> {
  const text = await Deno.readTextFile(path);
  assert.ok(text === "" || text.endsWith("\n"), "cut in the middle of a line");
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
}

async function namesIn(path: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).sort();
}

async function fill(kv: Deno.Kv, rows: number, text: string): Promise<TableReader> {
  for (let id = 0; id < rows; id += 50) {
    const operation = kv.atomic();
    for (let i = id; i < id + 50; i++) operation.set(["servers", i], { id: i, text });
    await operation.commit();
  }
  return new TableReader(kv, "servers");
}

const never = new AbortController().signal;

Deno.test("a file keeps its mode, and a link stays a link", async () => {
  await using folder = await TempFolder.create();
  using kv = await Deno.openKv(":memory:");
  const reader = await fill(kv, 50, "x");
  const [file, link] = [folder.file("real"), folder.file("link")];
  await Deno.writeTextFile(file, "old", { mode: 0o640 });
  await Deno.chmod(file, 0o640);
  await Deno.symlink(file, link);
  await writeTable(reader, link, never);
  assert.equal((await rowsOf(file)).length, 50);
  assert.equal(((await Deno.stat(file)).mode ?? 0) & 0o777, 0o640);
  assert.equal((await Deno.lstat(link)).isSymlink, true);
  assert.deepEqual(await namesIn(folder.path), ["link", "real"]);
});

Deno.test("a link that lies where a file is being made is not followed", async () => {
  await using folder = await TempFolder.create();
  using kv = await Deno.openKv(":memory:");
  const reader = await fill(kv, 50, "x");
  const [file, victim] = [folder.file("file"), folder.file("victim")];
  await Deno.writeTextFile(victim, "untouched");
  await Deno.symlink(victim, folder.file(`.${basename(file)}.lockstep-tmp`));
  await writeTable(reader, file, never);
  assert.equal(await Deno.readTextFile(victim), "untouched");
  assert.equal((await Deno.lstat(file)).isFile, true);
});

Deno.test("what can't be written is named, and nothing is left of it", async () => {
  await using folder = await TempFolder.create();
  using kv = await Deno.openKv(":memory:");
  const reader = await fill(kv, 50, "x");
  await assert.rejects(
    writeTable(reader, folder.file("no/such/folder"), never),
    /no\/such\/folder/,
  );
  await assert.rejects(writeTable(reader, folder.path, never), /no regular file/);
  const aborted = AbortSignal.abort(new Error("stopped"));
  await assert.rejects(writeTable(reader, folder.file("file"), aborted), /stopped/);
  assert.deepEqual(await namesIn(folder.path), []);
});

testUnless(
  await whyNoMounts(),
  "on a full disk the old file stays whole, and the next change finds room",
  async () => {
    await using folder = await TempFolder.create();
    await using _disk = await mountMemory(folder.path, `size=${512 * 1024}`);
    await using store = await TempStore.create();
    await using origin = startTestOrigin({ rows: [{ id: 1, text: "x" }] });
    const [file, log] = [folder.file("servers.ndjson"), store.folder.file("log")];
    await using replica = await startReplica(origin.url, {
      kv: store.path,
      write: file,
      onChange: `cat >> ${log}`,
      onChangeWaitMs: 1,
    });
    await replica.until(({ hooks }) => hooks.every((hook) => hook.lastSuccess !== null), "success");
    const before = await rowsOf(file);
    for (let id = 2; id <= 20; id++) origin.table.put({ id, text: "y".repeat(40_000) });
    await replica.until(({ hooks }) => hooks[0]?.error !== null, "the disk is full");
    const { hooks, live } = replica.status;
    assert.match(hooks[0]?.error ?? "", /servers\.ndjson could not be written: .*[Nn]o space/);
    assert.equal(live, true);
    assert.equal((await rowsOf(file)).length <= 20, true);
    assert.ok((await rowsOf(file)).length >= before.length);
    // Unless it is being tried again just now, for the last of the changes.
    await waitFor(
      async () => (await namesIn(folder.path)).join() === "servers.ndjson",
      "nothing is left beside the file",
    );

    let last = 0;
    for (let id = 2; id <= 19; id++) last = Number(origin.table.remove(id).updated_at);
    await replica.reached(last);
    await replica.until(({ hooks }) => hooks.every((hook) => !hook.pending), "room");
    assert.deepEqual((await rowsOf(file)).map(({ id }) => id), [1, 20]);
    // The command waited for the file, with all that it had to tell.
    const told = new Set((await Deno.readTextFile(log)).split("\n"));
    assert.ok(told.has('{"table":"servers","key":[19],"kind":"delete"}'));
    assert.equal(replica.status.hooks[1]?.lastFailure, null);
  },
);

Deno.test("a process killed while it writes leaves the file whole, and its leftover is cleaned", async () => {
  await using store = await TempStore.create();
  const rows = Array.from({ length: 4_000 }, (_, id) => ({ id, text: "x".repeat(1_000) }));
  await using origin = startTestOrigin({ rows });
  const folder = store.folder.path;
  const file = store.folder.file("servers.ndjson");
  const leftover = ".servers.ndjson.lockstep-tmp";
  const options = { url: origin.url, kv: store.path, write: file, onChangeWaitMs: 1 };
  const program = new URL("../../library/replicate_program.ts", import.meta.url).pathname;
  const config = new URL("../../../deno.json", import.meta.url).pathname;
  let interrupted = 0;
  for (let run = 0; run < 6; run++) {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", `--config=${config}`, program, JSON.stringify(options)],
      stdout: "null",
    }).spawn();
    try {
      // Every second time it is let finish once, so that there is something to be replaced.
      if (run % 2 === 0) {
        await waitFor(async () => (await namesIn(folder)).includes(leftover), "tmp");
      } else {
        await waitFor(() => Deno.stat(file).catch(() => null), "the file");
        origin.table.put({ id: 5, text: `changed in run ${run}` });
        await waitFor(async () => (await namesIn(folder)).includes(leftover), "tmp");
      }
    } finally {
      child.kill("SIGKILL");
      await child.status;
    }
    const names = await namesIn(folder);
    if (names.includes(leftover)) interrupted++;
    if (names.includes("servers.ndjson")) assert.equal((await rowsOf(file)).length, 4_000);
    origin.table.put({ id: 6, text: `changed after run ${run}` });
  }
  assert.ok(interrupted > 0, "no write was interrupted");
  await using replica = await startReplica(origin.url, {
    kv: store.path,
    write: file,
    onChangeWaitMs: 1,
  });
  await replica.until(({ hooks, live }) => live && hooks[0]?.pending === false, "written");
  assert.equal((await rowsOf(file)).length, 4_000);
  assert.equal((await rowsOf(file)).find(({ id }) => id === 6)?.text, "changed after run 5");
  assert.equal((await namesIn(folder)).includes(leftover), false);
});
