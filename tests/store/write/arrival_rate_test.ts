import assert from "node:assert/strict";
import { ArrivalRate } from "../../../src/store/write/arrival_rate.ts";

Deno.test("a stream is quiet for as long as nothing has come", () => {
  const rate = new ArrivalRate();
  rate.begin(0, 1_000);
  rate.note(10, 1_010);
  assert.equal(rate.quietMs(1_030), 20);
});

Deno.test("silence from before the pace was taken says nothing of the stream", () => {
  const rate = new ArrivalRate();
  rate.begin(0, 0);
  rate.note(10, 10);
  rate.begin(0, 1_000);
  assert.equal(rate.quietMs(1_019), 19);
});

Deno.test("a quarter of a second tells the pace, and each look at it begins a new one", () => {
  const rate = new ArrivalRate();
  rate.begin(100, 0);
  rate.note(5_000, 10);
  assert.equal(rate.takeRecentRows(249), null);
  assert.equal(rate.takeRecentRows(250), 5_100);
  assert.equal(rate.takeRecentRows(499), null);
  assert.equal(rate.takeRecentRows(500), 0);
});
