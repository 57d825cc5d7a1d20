import assert from "node:assert/strict";
import fc from "fast-check";
import { compareOrder, type Order } from "../../../src/protocol/cursor.ts";
import { compareKeys } from "../../../src/store/kv/key_order.ts";
import { type Bare, newestPerKey } from "../../../src/store/write/newest_per_key.ts";

function compare(a: Bare, b: Bare): number {
  return compareKeys(typeof a === "object" ? a : [a], typeof b === "object" ? b : [b]);
}

/** The positions of the winners, found by looking at each pair of rows. */
function naive(keys: readonly Bare[], orders: readonly Order[]): number[] {
  const order = (at: number) => orders[at] ?? 0;
  const key = (at: number) => keys[at] ?? 0;
  return [...keys.keys()]
    .filter((at) =>
      !keys.some((other, i) => {
        if (i === at || compare(other, key(at)) !== 0) return false;
        const difference = compareOrder(order(i), order(at));
        return difference > 0 || (difference === 0 && i > at);
      })
    )
    .sort((a, b) => compare(key(a), key(b)));
}

/** Keys that are all alike in kind: those take the short ways. */
const keyLists: Record<string, fc.Arbitrary<Bare[]>> = {
  "small integers": fc.array(fc.nat(20)),
  "any numbers": fc.array(fc.double({ noNaN: true }).map((key) => key === 0 ? 0 : key)),
  "numbers as far apart as can be": fc.array(
    fc.constantFrom(-Number.MAX_VALUE, Number.MAX_VALUE, 0, 1, -1, 0.5, 2 ** 53, 2 ** 32),
  ),
  "texts with much in common": fc.array(
    fc.array(fc.constantFrom("a", "b", "\0", "\x7f", "\x80", "é", "\uffff", "😀"), { maxLength: 6 })
      .map((letters) => `servers-${letters.join("")}`),
  ),
  "any texts": fc.array(fc.string({ unit: "binary" })),
  "texts and numbers": fc.array(fc.constantFrom<Bare>("a", "b", 1, 2, 2n ** 60n, true)),
  "composite keys": fc.array(fc.tuple(fc.constantFrom("a", "b"), fc.nat(3))),
};

for (const [name, lists] of Object.entries(keyLists)) {
  Deno.test(`the newestPerKey of ${name} come in key order`, () => {
    const property = fc.property(lists, fc.infiniteStream(fc.nat(3)), (keys, stream) => {
      const orders = keys.map(() => Number(stream.next().value));
      const rows = {
        length: keys.length,
        keyAt: (at: number) => keys[at] ?? 0,
        orderAt: (at: number) => orders[at] ?? 0,
      };
      assert.deepEqual([...newestPerKey(rows)], naive(keys, orders));
    });
    fc.assert(property, { numRuns: 300 });
  });
}
