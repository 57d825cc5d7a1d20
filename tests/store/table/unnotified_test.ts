import assert from "node:assert/strict";
import { Unnotified } from "../../../src/store/table/unnotified.ts";

/** Which orders are notified again, by an answer that was asked for from 5. */
function again(unnotified: Unnotified, isPromised: boolean): number[] {
  return [3, 5, 7, 9, 11].filter((order) => unnotified.has(order, 5, isPromised));
}

Deno.test("rows that a process may have stored as it ended are notified when they come again", () => {
  const unnotified = new Unnotified(9);
  assert.deepEqual(again(unnotified, false), [7, 9]);
  assert.deepEqual(again(unnotified, true), [5, 7, 9], "one at the cursor may have come late");
  unnotified.caughtUp(8);
  assert.deepEqual(again(unnotified, false), [7, 9]);
  unnotified.caughtUp(9);
  assert.deepEqual(again(unnotified, true), []);
  assert.deepEqual(again(new Unnotified(null), true), []);
});

Deno.test("after a failed commit so are rows below the cursor", () => {
  const unnotified = new Unnotified(null);
  unnotified.failed(9);
  assert.deepEqual(again(unnotified, false), [3, 5, 7, 9]);
});

Deno.test("a window whose commits were abandoned may have stored rows, one that ended has notified", () => {
  const unnotified = new Unnotified(null);
  unnotified.begin(9);
  unnotified.ended();
  unnotified.begin(9);
  assert.deepEqual(again(unnotified, false), []);
  unnotified.begin(9);
  assert.deepEqual(again(unnotified, false), [7, 9]);
});
