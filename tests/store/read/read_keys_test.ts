import assert from "node:assert/strict";
import fc from "fast-check";
import type { Key } from "../../../src/protocol/record.ts";
import { compareKeys } from "../../../src/store/kv/key_order.ts";
import { readKeys } from "../../../src/store/read/read_keys.ts";

const PREFIX = ["servers"];

async function filled(keys: readonly Key[]): Promise<Deno.Kv> {
  const kv = await Deno.openKv(":memory:");
  for (let at = 0; at < keys.length; at += 500) {
    const operation = kv.atomic();
    for (const key of keys.slice(at, at + 500)) operation.set([...PREFIX, ...key], key);
    await operation.commit();
  }
  await kv.set(["server"], "a neighbour");
  await kv.set(["servert", 1], "another");
  return kv;
}

Deno.test("whatever is stored and asked for, each key finds its own entry and no other", async () => {
  const part = fc.oneof(
    fc.integer({ min: -30, max: 30 }),
    fc.constantFrom("", "a", "b", "\uFF61", "\u{1F600}"),
    fc.boolean(),
    fc.bigInt({ min: 2n ** 60n, max: 2n ** 60n + 20n }),
  );
  const key = fc.tuple(part, part);
  const keys = fc.uniqueArray(key, {
    maxLength: 80,
    comparator: (a, b) => compareKeys(a, b) === 0,
  });
  await fc.assert(
    fc.asyncProperty(keys, keys, fc.boolean(), async (stored, asked, isSorted) => {
      using kv = await filled(stored);
      const wanted = isSorted ? asked.toSorted(compareKeys) : asked;
      const found = await readKeys(kv, { prefix: PREFIX, keys: wanted });
      const expected = wanted.map((one) =>
        stored.some((other) => compareKeys(one, other) === 0) ? one : null
      );
      assert.deepEqual(found.map((entry) => entry?.value ?? null), expected);
    }),
    { numRuns: 200 },
  );
});

Deno.test("keys that lie far apart are read one by one, in the middle of a range too", async () => {
  const stored = Array.from({ length: 5_000 }, (_, id): Key => [id]);
  using kv = await filled(stored);
  const dense = stored.slice(100, 1_300);
  const sparse = [1_500, 2_500, 3_500, 4_500, 9_999].map((id): Key => [id]);
  const found = await readKeys(kv, { prefix: PREFIX, keys: [...dense, ...sparse] });
  assert.deepEqual(
    found.map((entry) => entry?.value ?? null),
    [...dense, ...sparse.slice(0, 4), null],
  );
});
