import assert from "node:assert/strict";
import { QUARANTINE_KEPT } from "../../../src/store/table/quarantine.ts";
import { TableReader } from "../../../src/store/read/table_reader.ts";
import { CommitHook } from "../../support/commit_hook.ts";
import { MisbehavingOrigin, records } from "../../support/misbehaving_origin.ts";
import { replicateOnce, startReplica } from "../../support/replicas.ts";
import { TempStore } from "../../support/temp_store.ts";

const GOOD = '{"id":1,"updated_at":1}\n';
const bad = (count: number) => Array.from({ length: count }, (_, n) => `{"bad":${n}}\n`).join("");

Deno.test("the quarantine keeps the newest thousand, and counts them all for ever", async () => {
  const count = QUARANTINE_KEPT + 500;
  await using origin = await MisbehavingOrigin.start(records(GOOD + bad(count)));
  await using store = await TempStore.create();
  const replica = await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  assert.equal(replica.status.quarantined, count);
  assert.deepEqual(replica.status.quarantinedBy, { "no key": count });
  const kv = await store.open();
  const reader = new TableReader(kv, "servers");
  const entries = await Array.fromAsync(reader.quarantine());
  assert.equal(entries.length, QUARANTINE_KEPT);
  assert.equal(entries[0]?.number, count, "newest first");
  assert.equal(entries[0]?.text, `{"bad":${count - 1}}`);
  assert.equal(entries.at(-1)?.number, count - QUARANTINE_KEPT + 1);
  assert.equal((await reader.meta())?.quarantined, count);
});

Deno.test("texts of the greatest length, in the widest characters, fit the store", async () => {
  const long = Array.from({ length: 60 }, (_, n) => `{"t":"${n}${"ж".repeat(20_000)}"}\n`).join("");
  await using origin = await MisbehavingOrigin.start(records(GOOD + long));
  await using store = await TempStore.create();
  const replica = await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  assert.deepEqual(replica.status.errors, []);
  const entries = await Array.fromAsync(
    new TableReader(await store.open(), "servers").quarantine(),
  );
  assert.equal(entries.length, 60);
  assert.ok(entries.every(({ text }) => text.length === 16_384));
});

Deno.test("a bad line whose commit failed is kept when it comes again", async () => {
  await using origin = await MisbehavingOrigin.start(records(GOOD + bad(3)));
  await using store = await TempStore.create();
  let isFailing = true;
  using _hook = new CommitHook((number) => {
    // The layout, the store's id and the lease go through, the first batch fails.
    if (number > 3 && isFailing) {
      isFailing = false;
      throw new Error("disk I/O error");
    }
  });
  await using replica = await startReplica(`${origin.url}/servers`, { kv: store.path });
  await replica.until(({ live, quarantined }) => live && quarantined === 3, "kept");
  assert.equal(isFailing, false);
  await replica.stop();
  const entries = await Array.fromAsync(
    new TableReader(await store.open(), "servers").quarantine(),
  );
  assert.deepEqual(entries.map(({ number }) => number), [3, 2, 1]);
});
