import assert from "node:assert/strict";
import fc from "fast-check";
import { compareOrder } from "../../src/protocol/cursor.ts";
import type { Key, Row } from "../../src/protocol/record.ts";
import { compareKeys } from "../../src/store/key_order.ts";
import { Window } from "../../src/store/window.ts";
import { seededRandom } from "../../scripts/origin/random.ts";
import {
  batchOf,
  keyArbitrary,
  keyPartArbitrary,
  makeRow,
  shapeOf,
} from "../support/arbitraries.ts";

/** The simplest window: sorts, and keeps the winner of each key. */
function naive(rows: readonly Row[]): Row[] {
  const winners: Row[] = [];
  for (const row of rows) {
    const at = winners.findIndex((other) => compareKeys(other.key, row.key) === 0);
    const other = winners[at];
    if (other === undefined) winners.push(row);
    else if (compareOrder(row.order, other.order) >= 0) winners[at] = row;
  }
  return winners.toSorted((a, b) => compareKeys(a.key, b.key));
}

function numbers(rows: Iterable<Row>): unknown[] {
  return [...rows].map(({ value }) => value["n"]);
}

const someKeys: fc.Arbitrary<Key[]> = fc.oneof(
  // Few keys, so that they meet; of one kind, or mixed; single or composite.
  fc.array(fc.nat(9).map((n) => [n]), { maxLength: 60 }),
  fc.array(fc.tuple(keyPartArbitrary), { maxLength: 30 }),
  fc.array(fc.tuple(fc.constantFrom<string | number | bigint>("a", 1, 2n ** 53n, "b")), {
    maxLength: 40,
  }),
  fc.array(fc.tuple(fc.constantFrom("a", "b"), fc.nat(3)), { maxLength: 40 }),
  fc.array(fc.constantFrom([2 ** 32], [2 ** 32 - 1], [-1], [0.5], [0]), { maxLength: 20 }),
);

Deno.test("a window hands out the winner of each key in key order, whatever the keys", () => {
  const property = fc.property(
    someKeys,
    fc.infiniteStream(fc.nat(3)),
    fc.integer({ min: 1, max: 7 }),
    (keys, orders, size) => {
      const rows = keys.map((key, n) => makeRow(key, Number(orders.next().value), n));
      const window = new Window({ shape: shapeOf(keys[0]?.length ?? 1), canPack: true });
      for (let at = 0; at < rows.length; at += 5) window.add(batchOf(rows.slice(at, at + 5)));
      assert.equal(window.left, rows.length);
      const slices = [...window.slices(size)];
      assert.ok(slices.every((slice) => slice.length <= size));
      const expected = naive(rows);
      assert.deepEqual(numbers(slices.flat()), numbers(expected));
      assert.equal(window.superseded, rows.length - expected.length);
      assert.equal(window.left, 0);
    },
  );
  fc.assert(property, { numRuns: 500 });
});

Deno.test("a packed window hands out what one that is not packed does", () => {
  const random = seededRandom(7);
  const kinds: ((n: number) => Key)[] = [
    (n) => [n],
    (n) => [`é${n}`],
    (n) => n % 2 === 0 ? [n] : [`${n}`],
    (n) => n === 6_000 ? [2n ** 60n] : [n],
    (n) => [`a${n % 10}`, n],
  ];
  for (const keyOf of kinds) {
    const rows = Array.from({ length: 7_000 }, (_, n) => {
      const order = Math.floor(random() * 5);
      const row = makeRow(keyOf(Math.floor(random() * 5_000)), order, n, random() < 0.2);
      // Now and then a text that fills a good part of a block, or more than one.
      if (n % 500 === 250) row.value["text"] = "é".repeat(n * 50);
      return row;
    });
    const shape = shapeOf(keyOf(0).length);
    const [packed, plain] = [true, false].map((canPack) => {
      const window = new Window({ shape, canPack });
      for (let at = 0; at < rows.length; at += 1_000) {
        window.add(batchOf(rows.slice(at, at + 1_000)));
      }
      return window;
    });
    assert.deepEqual([packed?.isPacked, plain?.isPacked], [true, false]);
    const strip = (row: Row) => ({ ...row, length: 0 });
    const expected = [...plain?.slices(998) ?? []].flat().map(strip);
    assert.deepEqual([...packed?.slices(998) ?? []].flat().map(strip), expected);
    assert.equal(packed?.superseded, plain?.superseded);
  }
});

Deno.test("keys that come in order are told, and those that don't", () => {
  const property = fc.property(fc.array(keyArbitrary, { maxLength: 20 }), (keys) => {
    const window = new Window({ shape: shapeOf(1), canPack: true });
    window.add(batchOf(keys.map((key, n) => makeRow(key, n))));
    const isAscending = keys.every((key, i) => {
      const before = keys[i - 1];
      return before === undefined || compareKeys(before, key) < 0;
    });
    assert.equal(window.ascending, isAscending);
  });
  fc.assert(property);
});

Deno.test("the oldest rows are taken first, and nothing is lost between the two windows", () => {
  const property = fc.property(
    fc.array(fc.nat(20), { maxLength: 30 }),
    fc.nat(35),
    (orders, take) => {
      const rows = orders.map((order, n) => makeRow([n % 7], order, n));
      const window = new Window({ shape: shapeOf(1), canPack: true });
      window.add(batchOf(rows, [{ text: "x", reason: "not JSON" }]));
      const taken = window.take(take);
      assert.equal(taken.left, Math.min(take, rows.length));
      assert.equal(taken.left + window.left, rows.length);
      assert.equal(taken.rejects.length + window.rejects.length, 1);
      const first = rows.slice(0, take);
      const greatest = first.length === 0
        ? null
        : Math.max(...first.map(({ order }) => Number(order)));
      assert.equal(taken.maxOrder, greatest);
      assert.deepEqual(numbers([...taken.slices(99)].flat()), numbers(naive(first)));
      assert.deepEqual(numbers([...window.slices(99)].flat()), numbers(naive(rows.slice(take))));
    },
  );
  fc.assert(property);
});
