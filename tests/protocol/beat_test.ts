import assert from "node:assert/strict";
import fc from "fast-check";
import { beatOf, BeatReader } from "../../src/protocol/beat.ts";

const encoder = new TextEncoder();

Deno.test("a beat tells an age, to the next tenth of a second, and is a blank line", () => {
  for (const [ageMs, told] of [[0, 0], [1, 100], [100, 100], [1_050, 1_100], [-5, 0]] as const) {
    const text = beatOf(ageMs);
    assert.match(text, /^ +\n$/);
    assert.equal(new BeatReader().push(encoder.encode(text)), told, `${ageMs}`);
  }
  assert.ok(beatOf(Infinity).length < 10_000);
});

Deno.test("beats are found among records and plain blank lines, however the stream is cut", () => {
  const line = fc.oneof(
    fc.constant({ text: "\n", age: null }),
    fc.record({ id: fc.integer(), text: fc.string() })
      .map((record) => ({ text: JSON.stringify(record) + "\n", age: null })),
    fc.integer({ min: 0, max: 50 })
      .map((tenths) => ({ text: beatOf(tenths * 100), age: tenths * 100 })),
  );
  fc.assert(fc.property(
    fc.array(line),
    fc.array(fc.integer({ min: 1, max: 9 })),
    (lines, cuts) => {
      const bytes = encoder.encode(lines.map(({ text }) => text).join(""));
      const reader = new BeatReader();
      const found: number[] = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const end = at + (cuts.length === 0 ? 1 : cuts[i % cuts.length] ?? 1);
        // In pieces this short no two beats come in one.
        const age = reader.push(bytes.subarray(at, end));
        if (age !== null) found.push(age);
        at = end;
      }
      const expected = lines.flatMap(({ age }) => age ?? []);
      // Of several beats in one piece the last counts.
      assert.equal(found.at(-1) ?? null, expected.at(-1) ?? null);
      const whole = new BeatReader().push(bytes);
      assert.equal(whole, expected.at(-1) ?? null);
    },
  ));
});
