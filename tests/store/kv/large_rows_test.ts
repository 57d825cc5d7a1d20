import assert from "node:assert/strict";
import type { JsonObject } from "../../../src/protocol/record.ts";
import { directoryOf } from "../../../src/store/kv/large_rows.ts";
import { MAX_VALUE_BYTES } from "../../../src/store/kv/limits.ts";
import { TableReader } from "../../../src/store/read/table_reader.ts";
import { CommitHook } from "../../support/commit_hook.ts";
import { assertTable, rowsIn } from "../../support/oracle.ts";
import { startTestOrigin } from "../../support/reference_origin.ts";
import { startReplica } from "../../support/replicas.ts";
import { TempStore } from "../../support/temp_store.ts";

const PARTS: Deno.KvKey = ["lockstep", "servers", "part"];

const large = (id: number, length: number, n = 0): JsonObject => ({
  id,
  n,
  text: "x".repeat(length),
});

/** Parts of large rows in the store, by the version that they belong to. */
async function versions(kv: Deno.Kv): Promise<Set<unknown>> {
  const found = new Set<unknown>();
  for await (const { key } of kv.list({ prefix: PARTS })) found.add(key[4]);
  return found;
}

Deno.test("a row is kept in parts exactly where one value can't hold it, and read whole", async () => {
  const lengths = [1_000, 29_000, 60_000, 65_400, 65_450, 65_480, 65_600, 120_000, 1_000_000];
  await using origin = startTestOrigin({
    finite: true,
    rows: lengths.map((length, id) => large(id, length)),
  });
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.live();
  const kv = await store.open();
  for (const [id, length] of lengths.entries()) {
    const { value } = await kv.get<JsonObject>(["servers", id]);
    const isWhole = directoryOf(value) === null;
    // The limit is the value's, with a few bytes of headroom.
    if (isWhole) assert.ok(length < MAX_VALUE_BYTES);
    else assert.ok(length > MAX_VALUE_BYTES - 200, `${length} needs no parts`);
    const row = await new TableReader(kv, "servers").get([id]);
    assert.equal(String(row?.value["text"]).length, length);
  }
  await replica.stop();
  await assertTable(kv, origin.table.liveRows());
});

Deno.test("large rows that change, shrink, or go, take their parts with them while live", async () => {
  for (const finite of [true, false]) {
    await using origin = startTestOrigin({
      finite,
      rows: [1, 2, 3, 4].map((id) => large(id, 150_000)),
    });
    await using store = await TempStore.create();
    await using replica = await startReplica(origin.url, { kv: store.path });
    await replica.until(({ live, rowsExact }) => live && rowsExact, "live");
    const kv = await store.open();
    assert.equal((await versions(kv)).size, 4);
    for (let n = 1; n <= 5; n++) origin.table.put(large(1, 150_000, n));
    origin.table.put(large(2, 10));
    origin.table.remove(3);
    await replica.until(({ cursor }) => cursor === "1010", "changed");
    for (let n = 6; n <= 9; n++) {
      origin.table.put(large(1, 150_000, n));
      await replica.until(({ cursor }) => cursor === String(1005 + n), "changed again");
    }
    // One more commit, behind which the last ones' parts are gone.
    origin.table.put(large(5, 10));
    await replica.until(({ cursor }) => cursor === "1015", "done");
    await replica.stop();
    assert.equal((await versions(kv)).size, 2, "those of 1 and 4");
    await assertTable(kv, origin.table.liveRows());
  }
});

Deno.test("parts that a crash left without a row are collected at the next start", async () => {
  await using origin = startTestOrigin({ finite: true, rows: [large(1, 400_000), large(2, 10)] });
  await using store = await TempStore.create();
  let isBroken = false;
  {
    // Layout, the store's name, lease, parts: the operation with the directory is the one that fails.
    using _hook = new CommitHook((number) => {
      if (number <= 4) return;
      isBroken = true;
      throw new Error("disk I/O error");
    });
    await using replica = await startReplica(origin.url, { kv: store.path });
    await replica.until(({ errors }) => isBroken && errors.length > 0, "broken");
  }
  const kv = await store.open();
  assert.equal((await versions(kv)).size, 1, "an orphan");
  assert.equal((await rowsIn(kv, "servers")).size, 0, "half a row is no row");
  origin.table.put(large(1, 100));
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.live();
  await replica.stop();
  assert.equal((await versions(kv)).size, 0);
  await assertTable(kv, origin.table.liveRows());
});

Deno.test("a reader never sees half of a large row while it is replaced again and again", async () => {
  await using origin = startTestOrigin({ rows: [large(1, 200_000)] });
  await using store = await TempStore.create();
  await using replica = await startReplica(origin.url, { kv: store.path });
  await replica.live();
  const kv = await store.open();
  const reader = new TableReader(kv, "servers");
  let last = 1000;
  for (let n = 1; n <= 40; n++) {
    origin.table.put({ id: 1, n, text: String(n % 10).repeat(200_000) });
    last++;
    for (let looks = 0; looks < 3; looks++) {
      const row = await reader.get([1]);
      const text = String(row?.value["text"]);
      assert.equal(text.length, 200_000);
      const number = Number(row?.value["n"]);
      const digit = number === 0 ? "x" : String(number % 10);
      assert.equal(text, digit.repeat(200_000), "of one version");
      const [listed] = await Array.fromAsync(reader.list());
      assert.equal(String(listed?.value["text"]).length, 200_000);
    }
  }
  await replica.reached(last);
});
