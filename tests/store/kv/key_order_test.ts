import assert from "node:assert/strict";
import fc from "fast-check";
import type { Key } from "../../../src/protocol/record.ts";
import { compareKeys, sortableKey } from "../../../src/store/kv/key_order.ts";
import { keyArbitrary } from "../../support/arbitraries.ts";

Deno.test("keys are compared as Deno KV sorts them", async () => {
  const property = fc.asyncProperty(fc.array(keyArbitrary, { maxLength: 40 }), async (keys) => {
    using kv = await Deno.openKv(":memory:");
    for (const key of keys) await kv.set(["t", ...key], 1);
    const stored: Key[] = [];
    for await (const entry of kv.list({ prefix: ["t"] })) {
      stored.push(entry.key.slice(1) as unknown as Key);
    }
    const sorted = keys.toSorted(compareKeys);
    const unique = sorted.filter((key, i) => {
      const before = sorted[i - 1];
      return before === undefined || compareKeys(before, key) !== 0;
    });
    assert.deepEqual(stored, unique);
  });
  await fc.assert(property, { numRuns: 60 });
});

Deno.test("the order of keys is total", () => {
  fc.assert(fc.property(keyArbitrary, keyArbitrary, keyArbitrary, (a, b, c) => {
    assert.equal(Math.sign(compareKeys(a, b)), -Math.sign(compareKeys(b, a)) || 0);
    assert.equal(compareKeys(a, a), 0);
    if (compareKeys(a, b) <= 0 && compareKeys(b, c) <= 0) assert.ok(compareKeys(a, c) <= 0);
  }));
});

Deno.test("a key as a text has the order of the key, and is no other key's", () => {
  fc.assert(
    fc.property(keyArbitrary, keyArbitrary, (a, b) => {
      const [x, y] = [sortableKey(a), sortableKey(b)];
      assert.equal(x < y ? -1 : x > y ? 1 : 0, Math.sign(compareKeys(a, b)), `${x} ${y}`);
      assert.match(x, /^[\0-\xff]*$/s);
    }),
    { numRuns: 2_000 },
  );
});
