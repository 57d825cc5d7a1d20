import assert from "node:assert/strict";
import fc from "fast-check";
import {
  between,
  type ChangeEntry,
  type ChangePlace,
  compareEntries,
  firstBehind,
  isBehind,
  packPages,
  sortEntries,
  unpackPage,
} from "../../../src/store/change_index/entry.ts";
import { EntryBuffer } from "../../../src/store/change_index/entry_buffer.ts";
import { entriesArbitrary, entryArbitrary } from "./entries.ts";

const placeArbitrary: fc.Arbitrary<ChangePlace | null> = fc.oneof(
  fc.constant(null),
  entryArbitrary,
  entryArbitrary.map(({ order }) => ({ order, key: null })),
);

Deno.test("entries have one order, in which each lies behind exactly what comes before it", () => {
  fc.assert(fc.property(entryArbitrary, entryArbitrary, entryArbitrary, (a, b, c) => {
    assert.equal(Math.sign(compareEntries(a, b)), -Math.sign(compareEntries(b, a)) || 0);
    assert.equal(isBehind(a, b), compareEntries(a, b) > 0);
    if (compareEntries(a, b) <= 0 && compareEntries(b, c) <= 0) {
      assert.ok(compareEntries(a, c) <= 0);
    }
  }));
});

Deno.test("a place without a key lies before all of its order", () => {
  fc.assert(fc.property(entryArbitrary, (entry) => {
    assert.ok(isBehind(entry, { order: entry.order, key: null }));
    assert.ok(isBehind(entry, null));
    assert.ok(!isBehind(entry, entry));
  }));
});

Deno.test("what lies behind a place is found in sorted entries", () => {
  fc.assert(fc.property(entriesArbitrary, placeArbitrary, (entries, place) => {
    const sorted = sortEntries([...entries]);
    const from = firstBehind(sorted, place);
    assert.deepEqual(sorted.slice(from), sorted.filter((entry) => isBehind(entry, place)));
  }));
});

Deno.test("pages give back the entries that were packed, each small enough for one value", () => {
  const crowds = fc.tuple(entriesArbitrary, fc.nat(700)).map(([entries, times]) =>
    Array.from({ length: times }, () => entries).flat().slice(0, 3_000)
  );
  fc.assert(
    fc.property(crowds, (entries) => {
      const pages = [...packPages(entries)];
      assert.deepEqual(pages.flatMap(({ page }) => unpackPage(page)), entries);
      assert.equal(pages.reduce((sum, page) => sum + page.entries, 0), entries.length);
      for (const { entries: count, bytes } of pages) {
        assert.ok(count > 0 && count <= 512);
        assert.ok(bytes <= 32_768 || count === 1);
      }
    }),
    { numRuns: 50 },
  );
});

Deno.test("a buffer of entries is sorted like a list of them, however they came", () => {
  const orders = fc.oneof(
    fc.integer({ min: 0, max: 9 }),
    fc.integer(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 60n }),
    fc.double({ noNaN: true }),
    fc.string({ maxLength: 3 }),
  );
  const keys = fc.oneof(fc.nat(50), fc.string({ maxLength: 2 }));
  const entries = fc.array(fc.record({ order: orders, key: fc.tuple(keys) }), { maxLength: 60 });
  fc.assert(fc.property(entries, fc.boolean(), (given, isByKey) => {
    const list: ChangeEntry[] = isByKey
      ? given.toSorted((a, b) => compareEntries({ ...a, order: 0 }, { ...b, order: 0 }))
      : given;
    const buffer = new EntryBuffer();
    for (const { order, key } of list) buffer.add(order, key);
    buffer.sort();
    assert.deepEqual(
      [...between(buffer, 0, buffer.length)].map(text),
      list.toSorted(compareEntries).map(text),
    );
  }));
});

function text({ order, key }: ChangeEntry): string {
  return `${typeof order} ${order} ${typeof key[0]} ${key}`;
}
