import assert from "node:assert/strict";
import fc from "fast-check";
import type { Key } from "../../../src/protocol/record.ts";
import { compareKeys, sortableKey } from "../../../src/store/kv/key_order.ts";
import { SeenKeys } from "../../../src/store/write/seen_keys.ts";
import { keyArbitrary } from "../../support/arbitraries.ts";
import { TempStore } from "../../support/temp_store.ts";

function page(keys: readonly Key[]) {
  return keys.map((key) => ({ key, name: sortableKey(key) }));
}

function sorted(keys: readonly Key[]): Key[] {
  const byName = new Map(keys.map((key) => [sortableKey(key), key]));
  return [...byName.values()].sort(compareKeys);
}

/** What the walk finds missing of the table's keys, some at a time. */
async function missing(seen: SeenKeys, table: readonly Key[], size: number): Promise<Key[]> {
  const walk = seen.walk();
  const found: Key[] = [];
  for (let from = 0; from < table.length; from += size) {
    const part = page(table.slice(from, from + size));
    for (const { key } of await walk.missing(part)) found.push(key);
  }
  return found;
}

Deno.test("exactly the keys that were not seen are missing, whether they fit in memory or not", async () => {
  await using store = await TempStore.create();
  const property = fc.asyncProperty(
    fc.array(fc.array(keyArbitrary, { maxLength: 12 }), { maxLength: 8 }),
    fc.array(keyArbitrary, { maxLength: 30 }),
    fc.integer({ min: 1, max: 9 }),
    fc.constantFrom(1, 3, 1000),
    async (batches, others, size, recentKeys) => {
      using seen = new SeenKeys(store.path, { recentKeys, mostKeys: recentKeys });
      for (const batch of batches) await seen.add(batch);
      const names = new Set(batches.flat().map(sortableKey));
      const table = sorted([...others, ...batches.flat().filter((_, i) => i % 2 === 0)]);
      const lacking = table.filter((key) => !names.has(sortableKey(key)));
      assert.deepEqual(await missing(seen, table, size), lacking);
      for (const key of table) assert.equal(await seen.has(key), names.has(sortableKey(key)));
      assert.equal(seen.isLost, false);
    },
  );
  await fc.assert(property, { numRuns: 150 });
});

Deno.test("where no file can be made, more keys than memory is for are lost, and that is said", async () => {
  using seen = new SeenKeys("/nonexistent/folder/store", { recentKeys: 10, mostKeys: 25 });
  const keys = Array.from({ length: 30 }, (_, i): Key => [i]);
  for (const key of keys.slice(0, 24)) await seen.add([key]);
  assert.equal(seen.isLost, false);
  assert.deepEqual(await missing(seen, keys, 7), keys.slice(24));
  await seen.add(keys);
  assert.equal(seen.isLost, true);
});
