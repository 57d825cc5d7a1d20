import assert from "node:assert/strict";
import type { JsonObject } from "../../src/protocol/record.ts";
import { CommitHook } from "../support/commit_hook.ts";
import { chunked, MisbehavingOrigin, records } from "../support/misbehaving_origin.ts";
import { assertTable, rowsIn } from "../support/oracle.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";

/** Rows whose keys come in descending order: gathered in one window of several operations. */
function scattered(count: number): JsonObject[] {
  return Array.from({ length: count }, (_, i) => ({ id: count - i, ip: "10.0.0.1" }));
}

/** Runs a replica until its n-th commit fails, and every later one. */
async function failAt(commit: number, url: string, kv: string): Promise<void> {
  let broken = false;
  using hook = new CommitHook((number) => {
    if (number < commit) return;
    broken = true;
    throw new Error("disk I/O error");
  });
  await using replica = await startReplica(url, { kv });
  await replica.until(() => broken, `commit ${commit} of ${hook.commits}`);
  await replica.until(({ errors }) => errors.length > 0, "the failure is told");
  assert.match(replica.status.reason ?? "", /replica\.kv failed: disk I\/O error/);
}

for (const finite of [true, false]) {
  const how = finite ? "finite" : "endless";
  Deno.test(`a row of a first fill that was cut off is no ghost when the origin deletes it (${how})`, async () => {
    for (const commit of [4, 5, 6]) {
      await using origin = startTestOrigin({ finite, rows: scattered(3500) });
      await using store = await TempStore.create();
      await failAt(commit, origin.url, store.path);
      const kv = await store.open();
      const stored = (await rowsIn(kv, "servers")).size;
      assert.ok(stored < 3500, `${stored} rows`);
      // The lowest keys were written first.
      for (let id = 1; id <= 500; id++) origin.table.remove(id);
      await using replica = await startReplica(origin.url, { kv: store.path });
      await replica.until(
        ({ live, rows, rowsExact }) => live && rowsExact && rows === 3000,
        "live",
      );
      await replica.stop();
      await assertTable(kv, origin.table.liveRows());
    }
  });
}

Deno.test("nor where the origin sends its rows in no order", async () => {
  const all = Array.from({ length: 3500 }, (_, i) => ({
    id: i + 1,
    updated_at: 1000 + (i * 7) % 3500,
    deleted_at: null,
  }));
  const lines = (rows: readonly object[]) => rows.map((row) => JSON.stringify(row) + "\n").join("");
  await using origin = await MisbehavingOrigin.start(records(lines(all)));
  await using store = await TempStore.create();
  await failAt(4, `${origin.url}/servers`, store.path);
  // Asked from 0, it leaves its deletions out.
  origin.next(records(lines(all.slice(100))));
  await using replica = await startReplica(`${origin.url}/servers`, { kv: store.path });
  await replica.until(({ live, sweep }) => live && sweep === null, "live");
  await replica.stop();
  await assertTable(await store.open(), all.slice(100));
});

Deno.test("a broken first answer is continued where it broke", async () => {
  await using origin = await MisbehavingOrigin.start(
    chunked(['{"id":1,"updated_at":5}\n{"id":2,"updated_at":7}\n{"id":3,"upd'], { end: "reset" }),
    records('{"id":2,"updated_at":7}\n{"id":1,"updated_at":8,"deleted_at":8}\n'),
  );
  await using store = await TempStore.create();
  await using replica = await startReplica(`${origin.url}/servers`, { kv: store.path });
  await replica.reached(8);
  assert.equal(origin.requests[1]?.path, "/servers/7");
  await replica.stop();
  await assertTable(await store.open(), [{ id: 2, updated_at: 7 }]);
});

Deno.test("a first fill is resumed without being sent again", async () => {
  await using origin = startTestOrigin({ finite: true, rows: scattered(5000).toReversed() });
  await using store = await TempStore.create();
  {
    await using replica = await startReplica(origin.url, { kv: store.path });
    await replica.live();
  }
  const sent = origin.rowsSent;
  for (let id = 1; id <= 10; id++) origin.table.put({ id, ip: "new" });
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.reached(6009);
  await replica.stop();
  // The rows at the cursor come again with every poll.
  assert.ok(origin.rowsSent - sent < 50, `${origin.rowsSent - sent} rows`);
  await assertTable(await store.open(), origin.table.liveRows());
});

Deno.test("of two commits on their way the first may fail and the second not: nothing is lost", async () => {
  for (const failing of [4, 5, 6]) {
    await using origin = startTestOrigin({ finite: true, rows: scattered(3500) });
    await using store = await TempStore.create();
    const overtaken = Promise.withResolvers<void>();
    let hasFailed = false;
    using _hook = new CommitHook(
      async (number) => {
        if (number !== failing) return;
        // Late enough for the one behind it to be durable.
        await overtaken.promise;
        hasFailed = true;
        throw new Error("disk I/O error");
      },
      (number) => {
        if (number === failing + 1) overtaken.resolve();
      },
    );
    await using replica = await startReplica(origin.url, { kv: store.path, once: true });
    await replica.replicator.done;
    assert.ok(hasFailed);
    assert.equal(replica.status.errors[0]?.kind, "store");
    await assertTable(await store.open(), origin.table.liveRows());
  }
});
