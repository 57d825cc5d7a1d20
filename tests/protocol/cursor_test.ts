import assert from "node:assert/strict";
import fc from "fast-check";
import {
  compareOrder,
  formatOrder,
  instantUnit,
  maxOrder,
  type Order,
  orderInstant,
  orderTime,
  parseOrder,
  plainType,
  rewind,
} from "../../src/protocol/cursor.ts";
import { LockstepError } from "../../src/protocol/errors.ts";

/** Orders as the JSON reader makes them: a bigint only beyond 2^53. */
const anyNumber: fc.Arbitrary<Order> = fc.oneof(
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value === 0 ? 0 : value)
    .filter((value) => !Number.isInteger(value) || Number.isSafeInteger(value)),
  fc.bigInt().filter((value) => !Number.isSafeInteger(Number(value))),
);
const anyOrder: fc.Arbitrary<Order> = fc.oneof(anyNumber, fc.string({ unit: "binary" }));

function usageError(pattern: RegExp) {
  return (error: unknown) =>
    error instanceof LockstepError && error.kind === "usage" && error.retry === "never" &&
    pattern.test(error.message);
}

Deno.test("numbers and bigints are compared by value, even beyond 2^53", () => {
  assert.equal(compareOrder(2, 10), -1);
  assert.equal(compareOrder(10n, 2), 1);
  assert.equal(compareOrder(5, 5n), 0);
  assert.equal(compareOrder(9007199254740993n, 9007199254740992), 1);
  assert.equal(compareOrder(1.5, 2n ** 70n), -1);
});

Deno.test("strings are compared by code unit, not by locale", () => {
  assert.equal(compareOrder("Z", "a"), -1);
  assert.equal(compareOrder("10", "9"), -1);
  assert.equal(compareOrder("2026-01-31T12:00:00Z", "2026-02-01T00:00:00Z"), -1);
  // U+FF61 comes before U+1F600 by code point, after its surrogates by code unit.
  assert.equal(compareOrder("\uff61", "\u{1f600}"), 1);
});

Deno.test("the comparison is a total order over everything an order field may hold", () => {
  fc.assert(fc.property(anyOrder, anyOrder, anyOrder, (a, b, c) => {
    assert.equal(Math.sign(compareOrder(a, b)), -Math.sign(compareOrder(b, a)) + 0);
    if (compareOrder(a, b) <= 0 && compareOrder(b, c) <= 0) assert.ok(compareOrder(a, c) <= 0);
    const greatest = maxOrder(maxOrder(a, b), c);
    for (const each of [a, b, c]) assert.ok(compareOrder(greatest, each) >= 0);
  }));
});

Deno.test("the greatest order of nothing and one is that one", () => {
  assert.equal(maxOrder(null, 7), 7);
  assert.equal(maxOrder(9, 7), 9);
});

Deno.test("an order comes back from its text unchanged", () => {
  fc.assert(fc.property(anyOrder, (order) => {
    assert.deepEqual(parseOrder(formatOrder(order), plainType(order)), order);
  }));
});

Deno.test("an integer is written without an exponent", () => {
  assert.equal(formatOrder(1e21), "1000000000000000000000");
  assert.equal(formatOrder(-0), "0");
  assert.equal(formatOrder(1767225600.25), "1767225600.25");
});

Deno.test("a cursor of unknown kind is a number where JSON would call it one", () => {
  assert.equal(parseOrder("0"), 0);
  assert.equal(parseOrder("-12.5"), -12.5);
  assert.equal(parseOrder("9007199254740993"), 9007199254740993n);
  assert.equal(parseOrder("007"), "007");
  assert.equal(parseOrder("2026-01-31"), "2026-01-31");
  assert.equal(parseOrder(""), "");
  assert.equal(parseOrder("12", "text"), "12");
});

Deno.test("text is refused as the cursor of a table whose orders are numbers", () => {
  for (const text of ["", "now", "0x10", "1e400", "NaN", "1 "]) {
    assert.throws(() => parseOrder(text, "number"), usageError(/is no cursor of this table/), text);
  }
});

Deno.test("an overlap goes back by its number, exactly, and not below zero", () => {
  assert.equal(rewind(998, "100"), 898);
  assert.equal(rewind(998, 100), 898);
  assert.equal(rewind(998, 1000), 0);
  assert.equal(rewind(-5, 10), -15);
  assert.equal(rewind(10.5, "0.25"), 10.25);
  assert.equal(rewind(9007199254740993n, 1), 9007199254740992n);
  assert.equal(rewind(9007199254740993n, 3), 9007199254740990);
  assert.equal(rewind(9007199254740993n, "0.5"), 9007199254740992n);
  assert.equal(rewind(5n ** 30n, "9007199254740993"), 5n ** 30n - 9007199254740993n);
});

Deno.test("an overlap of nothing leaves every order as it is", () => {
  for (const order of [7, 7n ** 30n, "2026-01-31", "not a time"]) {
    assert.equal(rewind(order, 0), order);
    assert.equal(rewind(order, "0"), order);
    assert.equal(rewind(order, "0s"), order);
  }
});

Deno.test("an overlap goes back in an ISO time and keeps its format", () => {
  const cases: [order: string, overlap: string | number, expected: string][] = [
    ["2026-01-31T00:01:00Z", "5m", "2026-01-30T23:56:00Z"],
    ["2026-01-31T00:01:00Z", 30, "2026-01-31T00:00:30Z"],
    ["2026-03-01T00:00:00.000Z", "1ms", "2026-02-28T23:59:59.999Z"],
    ["2026-01-31T12:00:00.123456Z", "500ms", "2026-01-31T11:59:59.623456Z"],
    ["2026-01-31T12:00:00.1Z", "250ms", "2026-01-31T11:59:59.8Z"],
    ["2026-01-31T12:00:00,123456789+01:00", "1h", "2026-01-31T11:00:00,123456789+01:00"],
    ["2026-01-31 12:00:00+0530", "1d", "2026-01-30 12:00:00+0530"],
    ["2026-01-31 12:00:00 Z", "1s", "2026-01-31 11:59:59 Z"],
    ["2026-01-31 12:00:00", "1m30s", "2026-01-31 11:58:30"],
    ["2026-01-31T12:00Z", "90s", "2026-01-31T11:58Z"],
    ["2026-03-01", "1h", "2026-02-28"],
    ["0000-01-01T00:00:10Z", "1h", "0000-01-01T00:00:00Z"],
  ];
  for (const [order, overlap, expected] of cases) assert.equal(rewind(order, overlap), expected);
});

Deno.test("a rewound order comes before the order, by at least the overlap", () => {
  const time = fc.date({ min: new Date(0), max: new Date("2099-12-31"), noInvalidDate: true });
  fc.assert(fc.property(time, fc.integer({ min: 1, max: 1e9 }), (date, ms) => {
    for (const length of [10, 16, 19, 21, 23]) {
      const order = date.toISOString().slice(0, length) + (length > 10 ? "Z" : "");
      const back = rewind(order, `${ms}ms`);
      assert.ok(compareOrder(back, order) < 0, `${back} < ${order}`);
      const distance = (orderTime(order)?.getTime() ?? 0) - (orderTime(back)?.getTime() ?? 0);
      assert.ok(distance >= ms, `${order} - ${back} >= ${ms}`);
    }
  }));
});

Deno.test("an overlap that doesn't fit the order is refused with what fits", () => {
  assert.throws(() => rewind(998, "5m"), usageError(/--overlap 5m .* "998"/));
  assert.throws(() => rewind(998, "-5"), usageError(/--overlap -5/));
  assert.throws(() => rewind("2026-01-31", "soon"), usageError(/--overlap soon/));
  assert.throws(() => rewind("row-17", "5m"), usageError(/"row-17"/));
  assert.throws(() => rewind("2026-02-31", "5m"), usageError(/"2026-02-31"/));
});

Deno.test("an order that looks like a time is shown as one", () => {
  const iso = (order: Order) => orderTime(order)?.toISOString() ?? null;
  assert.equal(iso(1769860800), "2026-01-31T12:00:00.000Z");
  assert.equal(iso(1769860800.5), "2026-01-31T12:00:00.500Z");
  assert.equal(iso(1769860800000), "2026-01-31T12:00:00.000Z");
  assert.equal(iso(1769860800000000), "2026-01-31T12:00:00.000Z");
  assert.equal(iso(1769860800000000000n), "2026-01-31T12:00:00.000Z");
  assert.equal(iso("2026-01-31T12:00:00.25+01:00"), "2026-01-31T11:00:00.250Z");
  assert.equal(iso("2026-01-31 12:00:00"), "2026-01-31T12:00:00.000Z");
  assert.equal(iso("2026-01-31"), "2026-01-31T00:00:00.000Z");
});

Deno.test("an order that is no time isn't shown as one", () => {
  for (const order of [0, 998, -1769860800, 5n ** 40n, "", "998", "2026-13-01", "row-17"]) {
    assert.equal(orderTime(order), null);
  }
});

Deno.test("a number is an instant only near the origin's now, a time always", () => {
  const now = Date.UTC(2026, 10, 25, 9);
  for (const unit of [1, 1e3, 1e6, 1e9]) {
    const order = (now / 1000 + 3) * unit;
    assert.equal(instantUnit(order, now), unit);
    assert.equal(orderInstant(order, "number", now), now + 3000);
    assert.equal(orderInstant(BigInt(order), "number", now), now + 3000);
  }
  assert.equal(orderInstant(2_000_000_000, "number", now), null);
  assert.equal(orderInstant(998, "number", now), null);
  assert.equal(orderInstant("2099-01-01T00:00:00", "time", now), Date.UTC(2099));
  assert.equal(orderInstant("2099-01-01T00:00:00", "text", now), null);
});
