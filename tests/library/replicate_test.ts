import assert from "node:assert/strict";
import {
  type CommitEvent,
  type JsonObject,
  LockstepError,
  openReplica,
  replicate,
} from "../../src/mod.ts";
import { chunked, MisbehavingOrigin, records, silent } from "../support/misbehaving_origin.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

function isUsage(error: unknown): boolean {
  return error instanceof LockstepError && error.kind === "usage";
}

Deno.test("one table needs a URL and a store, and ends with its block", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1, ip: "192.0.2.1" }] });
  let ended = false;
  {
    await using replicator = await replicate({ url: origin.url, kv: ":memory:" });
    void replicator.done.then(() => ended = true);
    const servers = replicator.table();
    assert.equal(servers, replicator.table("servers"));
    await waitFor(() => servers.status().live, "live");
    assert.equal((await servers.get(1))?.value.ip, "192.0.2.1");
    assert.equal((await servers.get([1]))?.value.ip, "192.0.2.1");
    assert.equal(await servers.get("1"), null);
    assert.equal((await Array.fromAsync(servers.list())).length, 1);
    assert.throws(() => replicator.table("groups"), isUsage);
    assert.equal(ended, false);
  }
  assert.equal(ended, true);
});

Deno.test("an AbortSignal stops all tables", async () => {
  await using a = startTestOrigin({ name: "a" });
  await using b = startTestOrigin({ name: "b" });
  const stop = new AbortController();
  const sources = [{ url: a.url }, { url: b.url, table: "other" }];
  const replicator = await replicate({ sources, kv: ":memory:", signal: stop.signal });
  assert.throws(() => replicator.table(), isUsage);
  stop.abort();
  await replicator.done;
  assert.deepEqual(replicator.status().tables.map(({ table, state }) => [table, state]), [
    ["a", "stopped"],
    ["other", "stopped"],
  ]);
});

Deno.test("options that don't go together are refused", async () => {
  const url = "http://127.0.0.1:9/servers";
  await assert.rejects(replicate({ kv: ":memory:" }), isUsage);
  await assert.rejects(replicate({ kv: ":memory:", table: "servers" }), isUsage);
  await assert.rejects(replicate({ kv: ":memory:", url, sources: [{ url }] }), isUsage);
  await assert.rejects(openReplica({ kv: ":memory:", table: "servers" }), isUsage);
});

Deno.test("one bad origin never holds the others up", async () => {
  await using good = startTestOrigin({ name: "good", rows: [{ id: 1 }], finite: true });
  await using stalling = await MisbehavingOrigin.start(silent());
  await using breaking = await MisbehavingOrigin.start(
    chunked(['{"id":1,"updated_at":1}\n', '{"id":2,"updated_at":2}\n'], { at: 30, end: "reset" }),
  );
  const gone = startTestOrigin({ name: "refusing" });
  const refusing = gone.url;
  await gone.stop();
  await using store = await TempStore.create();
  await using replicator = await replicate({
    kv: store.path,
    pollMs: 1,
    sources: [
      { url: `${stalling.url}/stalling` },
      { url: refusing },
      { url: `${breaking.url}/breaking` },
      { url: good.url },
    ],
  });
  const table = replicator.table("good");
  await waitFor(() => table.status().live, "the good one is live");
  for (let id = 2; id < 12; id++) {
    good.table.put({ id });
    await waitFor(() => table.get(id), `row ${id}`);
  }
  const states = () => replicator.status().tables.map(({ state }) => state);
  await waitFor(() => states().join() === "connecting,waiting,waiting,live", "the bad ones retry");
  assert.equal((await replicator.table("breaking").get(1))?.value.updated_at, 1);
});

Deno.test("a transform decides what is stored", async () => {
  await using origin = startTestOrigin({
    rows: [
      { id: 1, ip: "192.0.2.1", password: "secret-1" },
      { id: 2, ip: "192.0.2.2", password: "secret-2", hidden: true },
      { id: 3, ip: "192.0.2.3", password: "secret-3" },
    ],
    finite: true,
  });
  await using store = await TempStore.create();
  const events: CommitEvent[] = [];
  await using replica = await startReplica(origin.url, {
    kv: store.path,
    transform: ({ password: _, ...record }) => record.hidden ? undefined : record,
    onCommit: (event) => void events.push(event),
  });
  await replica.live();
  const stored = await Array.fromAsync(replica.replica.list());
  assert.deepEqual(stored.map(({ value }) => value.ip), ["192.0.2.1", "192.0.2.3"]);
  // Left out later, it goes; and neither way does what was taken out come back.
  origin.table.put({ id: 1, ip: "192.0.2.1", password: "secret-4", hidden: true });
  const { updated_at: order } = origin.table.remove(3);
  await replica.reached(Number(order));
  assert.equal(replica.status.rows, 0);
  assert.equal((await Array.fromAsync(replica.replica.list())).length, 0);
  assert.doesNotMatch(Deno.inspect(events, { depth: 9 }), /secret/);
  assert.doesNotMatch(Deno.inspect(await store.entries(), { depth: 9 }), /secret/);
  const last = events.at(-1)?.changes.at(-1);
  assert.deepEqual(last, {
    kind: "delete",
    key: [3],
    order,
    value: { id: 3, updated_at: order, deleted_at: order },
  });
});

Deno.test("a transform that loses key or order is told so", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }], finite: true });
  const cases: [(record: JsonObject) => JsonObject, RegExp][] = [
    [({ id: _, ...record }) => record, /changed the field id of the record with the key \[1\]/],
    [(record) => ({ ...record, updated_at: 5 }), /changed the field updated_at/],
    [(record) => ({ ...record, deleted_at: 5 }), /deleted_at/],
  ];
  for (const [transform, message] of cases) {
    const replicator = await replicate({ url: origin.url, kv: ":memory:", transform });
    await assert.rejects(replicator.done, (error) => isUsage(error) && message.test(String(error)));
  }
});

Deno.test("a record for which a transform throws is quarantined, and the others go on", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }, { id: 2 }, { id: 3 }], finite: true });
  await using replica = await startReplica(origin.url, {
    kv: ":memory:",
    transform: (record) => {
      if (record.id === 2) throw new Error("no");
      return record;
    },
  });
  await replica.live();
  const stored = await Array.fromAsync(replica.replica.list());
  assert.deepEqual(stored.map(({ key }) => key), [[1], [3]]);
  const [entry] = await Array.fromAsync(replica.replica.reader.quarantine());
  assert.equal(entry?.reason, "transform failed");
});

Deno.test("the cursor waits for onCommit", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await using store = await TempStore.create();
  const kv = await store.open();
  const told: CommitEvent[] = [];
  let gate = Promise.withResolvers<void>();
  await using replica = await startReplica(origin.url, {
    kv: store.path,
    onCommit: async (event) => {
      told.push(event);
      await gate.promise;
    },
  });
  const cursor = async () =>
    (await kv.get<{ cursor: unknown }>(["lockstep", "servers", "cursor"])).value?.cursor;
  await waitFor(() => told.length === 1, "told");
  // The row can be read, and the cursor is still where it was.
  assert.equal((await kv.get<JsonObject>(["servers", 1])).value?.id, 1);
  assert.equal(await cursor(), null);
  gate.resolve();
  await waitFor(async () => await cursor() === 1000, "the cursor");
  gate = Promise.withResolvers();
  origin.table.put({ id: 2 });
  await waitFor(() => told.length === 2, "told again");
  assert.deepEqual(told[1]?.changes.map(({ key }) => key), [[2]]);
  assert.equal(await cursor(), 1000);
  gate.resolve();
  await replica.reached(1001);
});

Deno.test("what onCommit throws at is told again, and the reason is shown", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }, { id: 2 }], finite: true });
  await using store = await TempStore.create();
  const told: unknown[] = [];
  let failures = 2;
  await using replica = await startReplica(origin.url, {
    kv: store.path,
    onCommit: ({ changes }) => {
      told.push(changes.map(({ kind, key }) => [kind, ...key]));
      if (failures-- > 0) throw new Error("the index is down");
    },
  });
  const { reason, hint } = await replica.until(({ reason }) => reason !== null, "it failed");
  assert.equal(reason, "onCommit failed: the index is down");
  assert.match(hint ?? "", /onCommit/);
  await replica.live();
  const all = [["put", 1], ["put", 2]];
  assert.deepEqual(told, [all, all, all]);
  failures = 1;
  const { updated_at: order } = origin.table.remove(1);
  await replica.reached(Number(order));
  assert.deepEqual(told[3], [["delete", 1]]);
  // Whatever has the cursor's own order may come with it.
  assert.deepEqual(told[4], [["delete", 1], ["put", 2]]);
  assert.equal(told.length, 5);
});

Deno.test("what a process dies on before onCommit has returned is told again, ties too", async () => {
  const line = (id: number, order: number) =>
    JSON.stringify({ id, updated_at: order, deleted_at: null }) + "\n";
  await using store = await TempStore.create();
  await using first = await MisbehavingOrigin.start(records(line(1, 5) + line(2, 5)));
  const program = new URL("replicate_program.ts", import.meta.url).pathname;
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const run = async (url: string, dieAt: number) => {
    const options = { sources: [{ url, table: "servers" }], kv: store.path, once: true, dieAt };
    const { stdout, code, signal } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-check",
        `--config=${config}`,
        program,
        JSON.stringify({ ...options, adopt: true }),
      ],
    }).output();
    const lines = new TextDecoder().decode(stdout).split("\n").filter((text) => text !== "");
    return { told: lines.flatMap((text) => JSON.parse(text)), code, signal };
  };
  const url = `${first.url}/servers`;
  assert.equal((await run(url, 1)).signal, "SIGKILL");
  const kv = await store.open();
  assert.notEqual((await kv.get(["servers", 1])).value, null, "it was committed");
  assert.deepEqual((await run(url, 9)).told, [[1], [2]]);
  // A third row of the same order: the cursor stands there already when the process dies.
  await using more = await MisbehavingOrigin.start(records(line(1, 5) + line(2, 5) + line(3, 5)));
  const again = `${more.url}/servers`;
  assert.equal((await run(again, 1)).signal, "SIGKILL");
  assert.notEqual((await kv.get(["servers", 3])).value, null, "it was committed");
  const { told, code } = await run(again, 9);
  assert.equal(code, 0);
  assert.ok(told.some(([id]) => id === 3), `told: ${JSON.stringify(told)}`);
});

Deno.test("a subscriber that throws harms nobody", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }], finite: true });
  await using replica = await startReplica(origin.url, { kv: ":memory:" });
  let events = 0;
  replica.replica.subscribe(() => {
    throw new Error("mine");
  });
  replica.replica.subscribe(() => events++);
  await replica.live();
  const { updated_at: order } = origin.table.put({ id: 2 });
  await replica.reached(Number(order));
  assert.ok(events > 0);
  assert.deepEqual(replica.status.errors, []);
});
