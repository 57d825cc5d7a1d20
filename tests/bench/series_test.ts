import assert from "node:assert/strict";
import { median, pairedRatio, percentile } from "../../scripts/bench/series.ts";

Deno.test("a median is the middle value, or the mean of the two in the middle", () => {
  assert.equal(median([30, 1, 2]), 2);
  assert.equal(median([4, 1, 10, 2]), 3);
  assert.equal(median([7]), 7);
  // Sorted as numbers, not as texts.
  assert.equal(median([9, 10, 100]), 10);
  assert.equal(median([]), NaN);
});

Deno.test("a median leaves the values in the order of the runs", () => {
  const values = [3, 1, 2];
  median(values);
  percentile(values, 0.5);
  assert.deepEqual(values, [3, 1, 2]);
});

Deno.test("a percentile is one of the values: the nearest rank", () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  assert.equal(percentile(values, 0.5), 50);
  assert.equal(percentile(values, 0.99), 99);
  assert.equal(percentile(values, 1), 100);
  assert.equal(percentile(values, 0), 1);
  // Of few values, the last percent is the greatest one.
  assert.equal(percentile([5, 1, 3], 0.99), 5);
  assert.equal(percentile([], 0.99), NaN);
});

Deno.test("a paired ratio compares each run with the same run of the other", () => {
  // The machine was ten times slower in the last run, for both: the ratio doesn't see it.
  assert.equal(pairedRatio([100, 100, 10], [200, 200, 20]), 0.5);
  // The median of 2, 1 and 4, which is not the ratio of the medians.
  assert.equal(pairedRatio([2, 10, 4], [1, 10, 1]), 2);
});

Deno.test("a paired ratio leaves out runs that the other has none of, or nothing in", () => {
  assert.equal(pairedRatio([3, 5, 7], [1]), 3);
  assert.equal(pairedRatio([3, 5], [0, 1]), 5);
  assert.equal(pairedRatio([3], [NaN]), NaN);
  assert.equal(pairedRatio([3], []), NaN);
});
