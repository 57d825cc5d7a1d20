import assert from "node:assert/strict";
import { AnswerStats, type Asked } from "../../src/replica/answer_stats.ts";
import type { RowBatch } from "../../src/stream/row_reader.ts";
import type { Order } from "../../src/protocol/cursor.ts";
import { batchOf, makeRow } from "../support/arbitraries.ts";

const NOTHING: Asked = {
  since: null,
  cursor: null,
  head: null,
  date: null,
  isEmpty: false,
  type: () => null,
  now: Date.UTC(2026, 0, 31),
  headersAt: 0,
  hasRows: false,
};
const rows = (...orders: number[]) => batchOf(orders.map((order, n) => makeRow([n], order)));
const part: RowBatch = { ...batchOf([]), bytes: 7, isPending: true };
const blank: RowBatch = { ...batchOf([]), bytes: 1, endsBlank: true };

Deno.test("heartbeats don't keep an answer from being quiet; the parts of a large record do", () => {
  const reading = new AnswerStats(NOTHING);
  assert.equal(reading.lastData, null, "silent so far");
  reading.add(blank, 1);
  assert.equal(reading.lastData, null, "no byte of a record");
  reading.add(rows(1), 2);
  reading.add(blank, 3);
  assert.equal(reading.lastData, 2);
  reading.add(part, 4);
  assert.equal(reading.lastData, 4);
  reading.add(batchOf([]), 5);
  assert.equal(reading.lastData, 4, "the end of the body brings no bytes");
});

Deno.test("an answer has its head behind all rows of that order, and not before", () => {
  const reading = new AnswerStats({ ...NOTHING, head: 5 });
  reading.add(rows(3, 5), 1);
  assert.equal(reading.open(null).head, "below", "more rows of order 5 may follow");
  reading.add(part, 2);
  assert.equal(reading.open(null).head, "below", "this is a part of one");
  reading.add(rows(5), 3);
  assert.equal(reading.open(null).head, "below");
  reading.add(blank, 4);
  assert.equal(reading.open(null).head, "reached");
  const passed = new AnswerStats({ ...NOTHING, head: 5 });
  passed.add(rows(5, 6), 1);
  assert.equal(passed.open(null).head, "reached");
});

Deno.test("what is odd about an answer is said", () => {
  const asked: Asked = { ...NOTHING, since: 10, cursor: 10 };
  const warnings = (given: Asked, ...orders: number[]) => {
    const reading = new AnswerStats(given);
    if (orders.length > 0) reading.add(rows(...orders), 1);
    return reading.warnings().join("; ");
  };
  assert.equal(warnings(asked, 10, 11), "");
  assert.equal(warnings(NOTHING), "");
  assert.match(warnings(asked), /lacks the row at the cursor \(10\)/);
  assert.match(warnings(asked, 11, 12), /lacks the row at the cursor \(10\)/);
  assert.match(warnings(asked, 4, 5), /ahead of everything the origin has \(5\)/);
  assert.match(warnings(asked, 5, 10), /older than asked for \(5 for 10\)/);
  assert.match(warnings(asked, 12, 10), /out of order/);
  assert.equal(warnings({ ...asked, since: 8 }, 9, 11), "", "with an overlap the row may be older");
});

Deno.test("a record from the future is no greatest order, whatever the unit, and is said", () => {
  const now = Date.UTC(2026, 0, 31);
  const seconds = now / 1000;
  const orders: [present: Order, future: Order][] = [
    [seconds, 4_070_908_800],
    [now, now + 6 * 60_000],
    ["2026-01-30T00:00:00Z", "2099-01-01T00:00:00Z"],
  ];
  for (const [present, future] of orders) {
    const reading = new AnswerStats(NOTHING);
    reading.add(batchOf([makeRow([1], present), makeRow([2], future)]), 1);
    assert.equal(reading.greatest, present);
    assert.deepEqual([reading.isFuture(future), reading.isFuture(present)], [true, false]);
    assert.match(reading.warnings().join(), /key 2 is dated in the future \(/);
  }
  const counter = new AnswerStats(NOTHING);
  counter.add(rows(1, 2, 2_000_000_000), 1);
  assert.equal(counter.greatest, 2_000_000_000, "a counter is no time");
});

Deno.test("progress is the part of the way to the head, where that can be told", () => {
  const at = (asked: Partial<Asked>, ...orders: number[]) => {
    const reading = new AnswerStats({ ...NOTHING, ...asked });
    reading.add(rows(...orders), 1);
    return reading.progress;
  };
  assert.equal(at({}, 5), null);
  assert.equal(at({ head: 100, since: 50 }, 75), 0.5);
  assert.equal(at({ head: 100, since: 50 }, 200), 1);
});
