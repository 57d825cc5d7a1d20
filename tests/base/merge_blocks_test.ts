import assert from "node:assert/strict";
import fc from "fast-check";
import { mergeBlocks } from "../../src/base/merge_blocks.ts";

Deno.test("sorted sources are merged into sorted blocks, however they are cut into parts", async () => {
  const source = fc.tuple(fc.uniqueArray(fc.nat(60)), fc.integer({ min: 1, max: 7 }));
  await fc.assert(fc.asyncProperty(fc.array(source, { maxLength: 6 }), async (given) => {
    const sources = given.map(([numbers, size]) => {
      const sorted = numbers.toSorted((a, b) => a - b);
      return { next: () => Promise.resolve(sorted.splice(0, size)) };
    });
    const merged: number[] = [];
    for await (const block of mergeBlocks(sources, (a, b) => a - b)) {
      assert.ok(block.length > 0);
      const least = Math.min(...block);
      const before = merged.at(-1);
      assert.ok(before === undefined || before < least, "what is equal comes in one block");
      merged.push(...block.toSorted((a, b) => a - b));
    }
    const all = given.flatMap(([numbers]) => numbers).toSorted((a, b) => a - b);
    assert.deepEqual(merged, all);
  }));
});
