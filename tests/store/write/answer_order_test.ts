import assert from "node:assert/strict";
import fc from "fast-check";
import {
  AnswerOrder,
  ORDER_TRANSITIONS,
  type OrderEvent,
  type OrderState,
} from "../../../src/store/write/answer_order.ts";
import { batchOf, makeRow } from "../../support/arbitraries.ts";

const never = () => false;

const TABLE: Record<OrderState, Record<OrderEvent, OrderState>> = {
  sorted: { inversion: "unsorted", complete: "complete", fellBehind: "sorted" },
  suspected: { inversion: "unsorted", complete: "complete", fellBehind: "suspected" },
  unsorted: { inversion: "unsorted", complete: "complete", fellBehind: "unsorted" },
  complete: { inversion: "complete", complete: "complete", fellBehind: "sorted" },
};

function batch(...orders: number[]) {
  return batchOf(orders.map((order, i) => makeRow([i], order)));
}

Deno.test("every state of an answer's order and every event has one successor", () => {
  assert.deepEqual(ORDER_TRANSITIONS, TABLE);
});

Deno.test("an inversion takes the cursor back to where the answer began, once", () => {
  const order = new AnswerOrder(3, false, never);
  assert.equal(order.note(batch(4, 5)), false);
  assert.equal(order.cursorAfter(3, 5), 5);
  assert.equal(order.note(batch(7, 6)), true);
  assert.equal(order.start, 3);
  assert.equal(order.cursorAfter(3, 7), 3, "it waits for the end");
  assert.equal(order.note(batch(9, 8)), false);
  order.complete(9);
  assert.equal(order.note(batch(5, 4)), false, "what is complete isn't taken back");
  assert.equal(order.cursorAfter(9, 5), 9);
});

Deno.test("after falling behind an inversion takes the cursor back to what was complete", () => {
  const order = new AnswerOrder(3, false, never);
  order.note(batch(5, 4));
  order.complete(5);
  order.fellBehind();
  assert.equal(order.note(batch(9, 8)), true);
  assert.equal(order.start, 5);
});

Deno.test("an origin that was seen out of order moves the cursor at the end only", () => {
  const order = new AnswerOrder(3, true, never);
  order.note(batch(4, 5));
  assert.equal(order.cursorAfter(3, 5), 3);
  order.complete(5);
  assert.equal(order.wasUnsorted, false);
  assert.equal(order.cursorAfter(5, 6), 6);
});

Deno.test("a record from the future moves no cursor, whatever comes with it", () => {
  const orders = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 });
  fc.assert(fc.property(orders, (given) => {
    const order = new AnswerOrder(null, false, (at) => Number(at) > 100);
    const rows = batch(...given.toSorted((a, b) => a - b));
    order.note(rows);
    const past = given.filter((at) => at <= 100);
    const expected = past.length === 0 ? null : Math.max(...past);
    assert.equal(order.settled(rows), expected);
    assert.equal(order.greatest, expected);
    assert.equal(order.cursorAfter(null, order.settled(rows)), expected);
  }));
});
