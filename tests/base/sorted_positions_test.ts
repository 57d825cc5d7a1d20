import assert from "node:assert/strict";
import fc from "fast-check";
import { numberPlaces, sortedPositions } from "../../src/base/sorted_positions.ts";

const numbers = fc.array(
  fc.oneof(fc.nat(20), fc.integer(), fc.double({ noNaN: true }), fc.constantFrom(-0, 2 ** 53)),
  { maxLength: 100 },
);

Deno.test("positions are sorted by what lies there, and by themselves where that is equal", () => {
  fc.assert(fc.property(numbers, fc.boolean(), (given, isPlaced) => {
    const compare = (a: number, b: number) => {
      const [x = 0, y = 0] = [given[a], given[b]];
      return x < y ? -1 : x > y ? 1 : a - b;
    };
    const placeOf = isPlaced ? numberPlaces(given.length, (at) => given[at]) : null;
    const expected = given.map((_, at) => at).toSorted(compare);
    assert.deepEqual([...sortedPositions(given.length, placeOf, compare)], expected);
  }));
});

Deno.test("places never put a number before a lesser one, and there are none for anything else", () => {
  fc.assert(fc.property(numbers, (given) => {
    const placeOf = numberPlaces(given.length, (at) => given[at]);
    if (placeOf === null) return;
    for (const [at, number] of given.entries()) {
      for (const [other, lesser] of given.entries()) {
        if (lesser < number) assert.ok(placeOf(other) <= placeOf(at));
      }
    }
  }));
  assert.equal(numberPlaces(2, (at) => [1, "2"][at]), null);
  assert.equal(numberPlaces(2, (at) => [1n, 2][at]), null);
  assert.equal(numberPlaces(2, (at) => [-Number.MAX_VALUE, Number.MAX_VALUE][at]), null);
});
