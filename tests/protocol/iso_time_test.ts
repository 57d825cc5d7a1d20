import assert from "node:assert/strict";
import fc from "fast-check";
import { canonicalTime, timeForm, writeTime } from "../../src/protocol/iso_time.ts";
import { TableOrders } from "../../src/protocol/orders.ts";

/** An instant as nanoseconds since the epoch, and how it is written. */
interface Written {
  readonly ns: bigint;
  readonly text: string;
}

const ZONES = [
  "",
  "Z",
  "z",
  " Z",
  "+00:00",
  "+01",
  "-0330",
  "+05:45",
  "-12:00",
  " UTC",
  "+00:19:32",
];

/** Seconds of an offset as it is written. */
function secondsOf(zone: string): number {
  const match = /([+-])(\d\d):?(\d\d)?:?(\d\d)?/.exec(zone);
  if (match === null) return 0;
  const [, sign, h, m = "0", s = "0"] = match;
  return (sign === "-" ? -1 : 1) * (Number(h) * 3600 + Number(m) * 60 + Number(s));
}

/** Times near each other, each in a notation of its own. */
const written: fc.Arbitrary<Written> = fc.record({
  second: fc.oneof(
    fc.integer({ min: 1_790_000_000, max: 1_790_000_003 }),
    fc.integer({ min: -62_000_000_000, max: 253_000_000_000 }),
  ),
  ns: fc.oneof(fc.constantFrom(0, 1, 100_000_000, 125_000_000, 500_000), fc.nat(999_999_999)),
  digits: fc.integer({ min: 0, max: 9 }),
  zone: fc.constantFrom(...ZONES),
  separator: fc.constantFrom("T", "t", " "),
  point: fc.constantFrom(".", ","),
}).map(({ second, ns, digits, zone, separator, point }) => {
  const local = new Date((second + secondsOf(zone)) * 1000).toISOString();
  const fraction = String(ns).padStart(9, "0").slice(0, digits);
  const cut = fraction.padEnd(9, "0");
  const text = local.slice(0, 10) + separator + local.slice(11, 19) +
    (digits === 0 ? "" : point + fraction) + zone;
  return { ns: BigInt(second) * 1_000_000_000n + BigInt(cut), text };
});

const canonical = (text: string) => {
  const found = canonicalTime(text);
  assert.ok(found !== null, `${text} is a time`);
  return found;
};

Deno.test("canonical texts of times compare as their instants do, however they are written", () => {
  fc.assert(
    fc.property(written, written, (a, b) => {
      const [x, y] = [canonical(a.text), canonical(b.text)];
      const sign = (less: boolean, greater: boolean) => less ? -1 : greater ? 1 : 0;
      assert.equal(sign(x < y, x > y), sign(a.ns < b.ns, a.ns > b.ns), `${a.text} and ${b.text}`);
    }),
    { numRuns: 5_000 },
  );
});

Deno.test("a canonical text is its own canonical text", () => {
  fc.assert(fc.property(written, ({ text }) => {
    assert.equal(canonical(canonical(text)), canonical(text));
  }));
});

Deno.test("a time is written again as the origin wrote it", () => {
  fc.assert(
    fc.property(written, ({ text }) => {
      const form = timeForm(text);
      assert.ok(form !== null);
      assert.equal(writeTime(canonical(text), form), text);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("the origin is never asked above what it sent, nor above what it would sort behind it", () => {
  fc.assert(
    fc.property(fc.array(written, { minLength: 1, maxLength: 12 }), (all) => {
      const orders = new TableOrders(null, "time");
      const read = all.filter(({ text }) => typeof orders.read(text) === "string");
      for (const { text, ns } of read) {
        const asked = orders.askText(canonical(text));
        assert.equal(canonical(orders.textOf(canonical(text))), canonical(text));
        assert.ok(canonical(asked) <= canonical(text), `${asked} for ${text}`);
        // An origin may compare texts: whatever is as late, or later, lies behind what is asked.
        const zones = new Set(read.map((one) => timeForm(one.text)?.isBasic));
        assert.equal(zones.size, 1);
        for (const later of read) {
          if (later.ns >= ns) assert.ok(later.text >= asked, `${later.text} for ${asked}`);
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("times are read as databases and languages write them", () => {
  const cases: [text: string, canonical: string][] = [
    ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00"],
    ["2026-01-31T12:00:00.000Z", "2026-01-31T12:00:00"],
    ["2026-01-31T12:00:00.120Z", "2026-01-31T12:00:00.12"],
    ["2026-01-31 12:00:00+00", "2026-01-31T12:00:00"],
    ["2026-01-31 12:00:00.5+05:30", "2026-01-31T06:30:00.5"],
    ["2026-01-31T00:30:00+0100", "2026-01-30T23:30:00"],
    ["2026-01-31T12:00", "2026-01-31T12:00:00"],
    ["2026-01-31", "2026-01-31T00:00:00"],
    ["2026-01-31t12:00:00,25z", "2026-01-31T12:00:00.25"],
    ["20260131T120000Z", "2026-01-31T12:00:00"],
    ["20260131T120000.5+0200", "2026-01-31T10:00:00.5"],
    ["2026-01-31 12:00:00 UTC", "2026-01-31T12:00:00"],
    ["2026-01-31 12:00:00.123 +0000 UTC", "2026-01-31T12:00:00.123"],
    ["2026-01-31T13:00:00+01:00[Europe/Paris]", "2026-01-31T12:00:00"],
    ["2016-12-31T23:59:60Z", "2016-12-31T23:59:60"],
    ["2017-01-01T00:59:60.5+01:00", "2016-12-31T23:59:60.5"],
    ["2026-01-31T24:00:00Z", "2026-02-01T00:00:00"],
    ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00"],
  ];
  for (const [text, expected] of cases) assert.equal(canonicalTime(text), expected, text);
});

Deno.test("what is no time, or has a year beyond 9999, is refused", () => {
  const none = [
    "2026-02-31",
    "2026-13-01T00:00:00Z",
    "2025-02-29T00:00:00Z",
    "2026-01-31T25:00:00Z",
    "2026-01-31T24:00:01Z",
    "2026-01-31T12:60:00Z",
    "2026-01-31T12:00:61Z",
    "2026-01-31X12:00:00Z",
    "2026-01-31T12:00:00.Z",
    "2026-01-31T12:00:00+24:00",
    "+012026-01-31T00:00:00Z",
    "12026-01-31T00:00:00Z",
    "9999-12-31T23:59:59-01:00",
    "0000-01-01T00:00:00+01:00",
    "1790000000",
    "20260131",
    "",
    "now",
  ];
  for (const text of none) assert.equal(canonicalTime(text), null, text);
});
