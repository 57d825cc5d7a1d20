import assert from "node:assert/strict";
import fc from "fast-check";
import type { JsonObject } from "../../src/protocol/record.ts";
import { permutation } from "../../scripts/origin/random.ts";
import { startOrigin } from "../../scripts/origin/server.ts";
import type { SourceReader } from "../../scripts/origin/source.ts";
import { FIRST_ID, SyntheticSource } from "../../scripts/origin/synthetic.ts";
import { encode } from "../../scripts/origin/table.ts";

/** Everything a reader has for now, as text; its own count of records must be right. */
function textOf(reader: SourceReader, separator = "\n"): string {
  const decoder = new TextDecoder();
  let text = "";
  let rows = 0;
  for (let piece = reader.next(); piece; piece = reader.next()) {
    text += decoder.decode(piece.bytes);
    rows += piece.rows;
  }
  if (separator !== "") assert.equal(text.split(separator).length - 1, rows);
  return text;
}

function recordsOf(reader: SourceReader): JsonObject[] {
  return textOf(reader).split("\n").slice(0, -1).map((line) => JSON.parse(line));
}

Deno.test("random keys are a permutation, and its inverse finds the place", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3000 }), fc.integer(), (count, seed) => {
      const { member, numberOf } = permutation(count, seed);
      const members = Array.from({ length: count }, (_, at) => member(at));
      assert.deepEqual(members.toSorted((a, b) => a - b), [...members.keys()]);
      assert.ok(members.every((value, at) => numberOf(value) === at));
    }),
    { numRuns: 50 },
  );
  const { member } = permutation(100_000, 1);
  const ascents = Array.from({ length: 99_999 }, (_, at) => member(at) < member(at + 1) ? 1 : 0);
  const share = ascents.reduce((sum: number, up) => sum + up, 0) / ascents.length;
  assert.ok(share > 0.49 && share < 0.51, `${share} of the steps go up`);
});

Deno.test("patched lines are what JSON.stringify would have written", () => {
  const orders = ["number", "nanos", "iso"] as const;
  for (const style of orders) {
    for (const size of ["small", "large"] as const) {
      for (const big of [true, false]) {
        const source = new SyntheticSource({
          count: 3000,
          keys: "random",
          orders: style,
          size,
          big,
          tombstones: 0.1,
          tombstonesAtZero: true,
        });
        const expected = Array.from({ length: 3000 }, (_, at) => encode(source.record(at)) + "\n");
        assert.equal(textOf(source.read(0)), expected.join(""), `${style} ${size} ${big}`);
      }
    }
  }
});

Deno.test("records have the size that benchmarks quote", () => {
  const length = (size: "small" | "large") =>
    encode(new SyntheticSource({ size }).record(5)).length;
  assert.ok(Math.abs(length("small") - 110) <= 5, `${length("small")}`);
  assert.ok(Math.abs(length("large") - 1500) <= 50, `${length("large")}`);
});

Deno.test("ties, tombstones and a cursor in the middle are counted out exactly", () => {
  const source = new SyntheticSource({ count: 10_000, ties: 100, tombstones: 0.2 });
  assert.equal(source.size, 8000);
  assert.equal(recordsOf(source.read(0)).length, 8000);
  assert.equal(recordsOf(source.read(1)).length, 10_000);
  const rest = recordsOf(source.read(1_700_000_000_050));
  assert.equal(rest.length, 5000);
  assert.equal(new Set(rest.map(({ updated_at }) => updated_at)).size, 50);
  assert.equal(rest.filter(({ deleted_at }) => deleted_at !== null).length, 1000);
  assert.equal(source.head, 1_700_000_000_099);
});

Deno.test("noise adds repeated, stale and bad records and changes nothing of the result", () => {
  const count = 10_000;
  const noise = { duplicates: 0.1, stale: 0.05, bad: 0.01, ties: 7, tombstones: 0.1 };
  const source = new SyntheticSource({ count, keys: "random", ...noise });
  const sent = recordsOf(source.read(1));
  assert.equal(sent.length, count * 1.16);
  assert.equal(sent.filter((record) => !("id" in record)).length, 100);
  const table = new Map<unknown, JsonObject>();
  for (const record of sent) {
    const before = table.get(record["id"]);
    if (!before || Number(before["updated_at"]) <= Number(record["updated_at"])) {
      if ("id" in record) table.set(record["id"], record);
    }
  }
  assert.equal(table.size, count);
  for (let at = 0; at < count; at++) {
    const record = source.record(at);
    assert.deepEqual(table.get(record["id"]), record);
  }
});

Deno.test("without newlines nothing stands between the records", () => {
  const source = new SyntheticSource({ count: 3, separator: "none" });
  const expected = [0, 1, 2].map((at) => encode(source.record(at)));
  assert.equal(textOf(source.read(0), ""), expected.join(""));
});

Deno.test("changes lie over the formula: each record is sent once, at its current state", () => {
  const source = new SyntheticSource({ count: 1000, keys: "random", tombstones: 0.1 });
  const [updated, removed, buried] = [source.record(0), source.record(1), source.record(9)];
  assert.equal(buried["deleted_at"], buried["updated_at"]);
  source.put({ ...updated, ip: "changed" });
  source.remove(Number(removed["id"]));
  source.put(buried);
  source.put(source.fresh());
  assert.equal(source.size, 901);
  const live = recordsOf(source.read(0));
  assert.equal(live.length, source.size);
  assert.equal(new Set(live.map(({ id }) => id)).size, source.size);
  assert.deepEqual(live.slice(-3).map(({ id }) => id), [
    updated["id"],
    buried["id"],
    FIRST_ID + 1001,
  ]);
  assert.equal(recordsOf(source.read(1)).length, 1001);
});

Deno.test("synthetic records come over HTTP in full", async () => {
  const source = new SyntheticSource({ count: 100_000, keys: "random" });
  await using origin = startOrigin({ tables: { servers: source }, finite: true });
  const text = await (await fetch(`${origin.url()}/0`)).text();
  assert.equal(text, textOf(source.read(0)));
  assert.equal(origin.rowsSent, 100_000);
});
