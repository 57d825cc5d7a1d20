/**
 * Several processes on one store, and a disk that is full: with real processes and a real disk.
 *
 * @module
 */

import assert from "node:assert/strict";
import { lockPath } from "../../src/store/table/table_lock.ts";
import type { CrashOptions } from "../support/crash_runner.ts";
import { FastClock } from "../support/fast_clock.ts";
import { assertTable, rowsIn } from "../support/oracle.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { replicateOnce, startReplica } from "../support/replicas.ts";
import { TempFolder, TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";
import { mountMemory, runTool, testUnless, whyNoMounts } from "../support/tools.ts";

const RUNNER = new URL("../support/crash_runner.ts", import.meta.url).pathname;
const READER = new URL("../support/reading_process.ts", import.meta.url).pathname;

function spawn(script: string, options: unknown): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", script, JSON.stringify(options)],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** A replicator in a process of its own, once it has the table. */
async function startWriter(options: Omit<CrashOptions, "killAt">): Promise<Deno.ChildProcess> {
  const child = spawn(RUNNER, { killAt: 0, once: false, ...options });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  if (value === undefined) throw new Error(await new Response(child.stderr).text());
  reader.releaseLock();
  return child;
}

async function end(child: Deno.ChildProcess, signal: Deno.Signal): Promise<Deno.CommandStatus> {
  child.kill(signal);
  await child.stdout.cancel();
  await child.stderr.cancel();
  return await child.status;
}

const rows = (count: number) => Array.from({ length: count }, (_, id) => ({ id, n: 0 }));

Deno.test("a second process on a table is refused, naming the first; a killed one is taken over at once", async () => {
  await using origin = startTestOrigin({ rows: rows(100) });
  await using store = await TempStore.create();
  const writer = await startWriter({ url: origin.url, kv: store.path });
  const clock = new FastClock(50);
  await assert.rejects(startReplica(origin.url, { kv: store.path, clock }), {
    kind: "lease-held",
    message: new RegExp(`written by process ${writer.pid} on ${Deno.hostname()} since 20`),
  });
  const second = await spawn(RUNNER, { url: origin.url, kv: store.path, killAt: 0, pace: 50 })
    .output();
  assert.equal(second.code, 1);
  assert.match(new TextDecoder().decode(second.stderr), new RegExp(`process ${writer.pid}`));
  await end(writer, "SIGKILL");
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.live();
  await replica.stop();
  await assertTable(await store.open(), origin.table.liveRows());
});

Deno.test("SIGTERM ends a writer with status 0, with what it had committed, and frees the table", async () => {
  await using origin = startTestOrigin({ rows: rows(100) });
  await using store = await TempStore.create();
  const writer = await startWriter({ url: origin.url, kv: store.path });
  const kv = await store.open();
  await waitFor(async () => (await rowsIn(kv, "servers")).size === 100, "all rows");
  const { code, signal } = await end(writer, "SIGTERM");
  assert.deepEqual([code, signal], [0, null]);
  assert.equal((await kv.get(["lockstep", "servers", "lease"])).value, null);
});

Deno.test("a process that was stopped and replaced can't write over its successor when it goes on", async () => {
  await using origin = startTestOrigin({ rows: rows(100) });
  await using store = await TempStore.create();
  // No file that could be locked: the lease alone counts.
  await Deno.mkdir(lockPath(store.path, "servers"));
  const writer = await startWriter({ url: origin.url, kv: store.path });
  const kv = await store.open();
  await waitFor(async () => (await rowsIn(kv, "servers")).size === 100, "all rows");
  writer.kill("SIGSTOP");
  // What it will find in its socket when it goes on.
  for (let id = 0; id < 50; id++) origin.table.put({ id, n: 1 });
  // Time that runs faster: the lease of the one that is stopped is over within a second.
  const clock = new FastClock();
  const successor = await waitFor(
    () => startReplica(origin.url, { kv: store.path, clock }).catch(() => null),
    "the lease runs out",
  );
  await using _successor = successor;
  for (let id = 0; id < 50; id++) origin.table.put({ id, n: 2 });
  await successor.reached(1_199);
  const before = await rowsIn(kv, "servers");
  writer.kill("SIGCONT");
  const output = await new Response(writer.stderr).text();
  const { code } = await writer.status;
  await writer.stdout.cancel();
  assert.equal(code, 1);
  assert.match(output, /was taken over by another process/);
  assert.deepEqual(await rowsIn(kv, "servers"), before);
  origin.table.put({ id: 1_000 });
  await successor.reached(1_200);
  await successor.stop();
  await assertTable(kv, origin.table.liveRows());
});

Deno.test("processes that list the table while it is written see whole rows, and don't disturb the writer", async () => {
  await using origin = startTestOrigin({ rows: rows(3_000) });
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.live();
  const readers = [1, 2].map(() => spawn(READER, { kv: store.path, table: "servers", until: 40 }));
  for (let n = 1; n <= 40; n++) {
    // In one operation each: a reader's page may show one state or the next, and no third.
    for (let id = 0; id < 100; id++) origin.table.put({ id, n });
    await replica.until(({ cursor }) => cursor === String(4_000 + n * 100 - 1), `round ${n}`);
  }
  for (const reader of readers) {
    const { code, stdout, stderr } = await reader.output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    assert.match(new TextDecoder().decode(stdout), /^listed [1-9]/);
  }
  assert.deepEqual(replica.status.errors, []);
  await replica.stop();
  await assertTable(await store.open(), origin.table.liveRows());
});

Deno.test("two processes fill two tables of one store at the same time, and neither fails for it", async () => {
  await using a = startTestOrigin({ name: "a", rows: rows(20_000) });
  await using b = startTestOrigin({ name: "b", rows: rows(20_000) });
  await using store = await TempStore.create();
  // The other one begins, and takes its lease, while this one's commits are under way.
  await using replica = await startReplica(a.url, { kv: store.path, table: "a" });
  const other = await startWriter({ url: b.url, kv: store.path, table: "b" });
  const kv = await store.open();
  // Each of these is a commit or more, while the other fills its table.
  let isFilled = false;
  const filled = waitFor(async () => (await rowsIn(kv, "b")).size === 20_000, "the other is filled")
    .then(() => isFilled = true);
  for (let n = 1; !isFilled; n++) {
    for (let id = 0; id < 500; id++) a.table.put({ id, n });
    await replica.reached(20_999 + 500 * n);
  }
  await filled;
  assert.deepEqual(replica.status.errors, []);
  await replica.stop();
  const { code } = await end(other, "SIGTERM");
  assert.equal(code, 0);
  await assertTable(kv, a.table.liveRows(), { table: "a" });
  await assertTable(kv, b.table.liveRows(), { table: "b" });
});

const noMounts = await whyNoMounts();

testUnless(
  noMounts,
  "a full disk is said with its path, costs nothing, and once it is freed all goes on",
  async () => {
    await using folder = await TempFolder.create();
    await using _disk = await mountMemory(folder.path, "size=6m");
    await using origin = startTestOrigin({ rows: rows(200) });
    const path = folder.file("replica.kv");
    const ballast = folder.file("ballast");
    await using replica = await startReplica(origin.url, { kv: path, clock: new FastClock() });
    await replica.live();
    await Deno.writeFile(ballast, new Uint8Array(2 ** 20));
    for (let id = 0; id < 100; id++) origin.table.put({ id: 1_000 + id, text: "x".repeat(50_000) });
    const { errors, hint } = await replica.until(({ errors }) => errors.length > 0, "full");
    assert.equal(errors[0]?.kind, "store-full", errors[0]?.message);
    assert.match(errors[0]?.message ?? "", new RegExp(path));
    assert.match(hint ?? errors[0]?.hint ?? "", /free space/);
    const left = (await rowsInFile(path)).size;
    assert.ok(left >= 200, `${left} rows are still there`);
    // The origin needs less, and somebody frees some.
    for (let id = 0; id < 100; id++) origin.table.put({ id: 1_000 + id, text: "small" });
    await Deno.remove(ballast);
    await replica.until(({ live, cursor }) => live && cursor === "1399", "it goes on by itself");
    await replica.stop();
    using kv = await Deno.openKv(path);
    await assertTable(kv, origin.table.liveRows());
  },
);

async function rowsInFile(path: string) {
  using kv = await Deno.openKv(path);
  return await rowsIn(kv, "servers");
}

testUnless(noMounts, "a store that may only be read is said with its path", async () => {
  await using folder = await TempFolder.create();
  await using _disk = await mountMemory(folder.path, "size=6m");
  await using origin = startTestOrigin({ finite: true, rows: rows(100) });
  const path = folder.file("replica.kv");
  await replicateOnce(origin.url, { kv: path });
  assert.equal((await runTool("mount", ["-o", "remount,ro", folder.path])).code, 0);
  await assert.rejects(startReplica(origin.url, { kv: path }), {
    kind: "store",
    message: new RegExp(path),
    hint: /writable/,
  });
});

Deno.test("a file that may not grow is no loss either: what was committed stays, and a restart goes on", async () => {
  await using origin = startTestOrigin({ finite: true, rows: rows(200) });
  await using store = await TempStore.create();
  await replicateOnce(origin.url, { kv: store.path });
  for (let id = 0; id < 100; id++) origin.table.put({ id: 1_000 + id, text: "x".repeat(50_000) });
  const options = { url: origin.url, kv: store.path, killAt: 0, attempts: 1 };
  const limited = await new Deno.Command("sh", {
    // Blocks of 512 bytes: two megabytes a file. SIGXFSZ is ignored, so that writing fails instead.
    args: [
      "-c",
      'trap "" XFSZ; ulimit -f 4096; exec "$@"',
      "sh",
      Deno.execPath(),
      ...["run", "-A", "--no-check", "--quiet", RUNNER, JSON.stringify(options)],
    ],
    stderr: "piped",
    stdout: "piped",
  }).output();
  assert.equal(limited.code, 1);
  assert.match(new TextDecoder().decode(limited.stderr), new RegExp(store.path));
  assert.ok((await rowsInFile(store.path)).size >= 200);
  await replicateOnce(origin.url, { kv: store.path });
  await assertTable(await store.open(), origin.table.liveRows());
});

Deno.test("a store that is damaged under a running replica is told, and the rows are not made up", async () => {
  await using origin = startTestOrigin({ finite: true, rows: rows(100) });
  await using store = await TempStore.create();
  await replicateOnce(origin.url, { kv: store.path });
  await Deno.writeFile(store.path, new Uint8Array(2 ** 16).fill(7));
  await assert.rejects(startReplica(origin.url, { kv: store.path }), {
    kind: "store",
    message: new RegExp(store.path),
  });
});
