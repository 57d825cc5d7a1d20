import assert from "node:assert/strict";
import { listTables } from "../../../src/store/table/list_tables.ts";
import {
  beatKey,
  cursorKey,
  layoutKey,
  leaseKey,
  tombstoneKey,
} from "../../../src/store/kv/keys.ts";
import { LEASE_MS } from "../../../src/store/table/lease.ts";
import { TempStore } from "../../support/temp_store.ts";

Deno.test("every table of a store is found, whatever it is called and whatever lies between", async () => {
  await using store = await TempStore.create();
  const kv = await store.open();
  const names = ["", "a", "a\0", "ab", "layout", "ж"];
  await kv.set(layoutKey, 2);
  // Rows, and what the store keeps of no table.
  await kv.set(["a", 1], { id: 1 });
  await kv.set([...layoutKey.slice(0, 1), 7, "x"], 1);
  for (const name of names) {
    await kv.set(cursorKey(name), { rows: 1 });
    for (let key = 0; key < 20; key++) await kv.set(tombstoneKey(name, [key]), {});
  }
  const found = await listTables({ reader: kv, path: store.path }, 0);
  assert.deepEqual(found.map(({ table }) => table), names);
});

Deno.test("a table is held by who has given a sign of life lately, and by nobody else", async () => {
  await using store = await TempStore.create();
  const kv = await store.open();
  for (const [table, beat] of [["dead", "1"], ["held", "1"], ["other", "2"]] as const) {
    await kv.set(leaseKey(table), { id: "1" });
    await kv.set(cursorKey(table), { rows: 1 });
    await kv.set(beatKey(table), { id: beat, time: table === "dead" ? 0 : LEASE_MS });
  }
  const found = await listTables({ reader: kv, path: store.path }, LEASE_MS);
  assert.deepEqual(found.map(({ holder }) => holder?.id ?? null), [null, "1", null]);
});
