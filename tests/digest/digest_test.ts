import assert from "node:assert/strict";
import fc from "fast-check";
import { CanonicalWriter } from "../../src/digest/canonical.ts";
import { TableDigest } from "../../src/digest/table_digest.ts";
import { parseJson, stringifyJson } from "../../src/protocol/json_text.ts";
import type { JsonObject } from "../../src/protocol/record.ts";
import { jsonValue } from "../protocol/json_arbitrary.ts";
import { runTool, testWith } from "../support/tools.ts";

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function canonicalHex(text: string): string {
  return hex(new CanonicalWriter().bytes(parseJson(text)));
}

Deno.test("numbers that are equal are equal bytes, however they are written", () => {
  assert.equal(canonicalHex("1"), "490000000131");
  for (const text of ["1.0", "1e0", "10e-1"]) assert.equal(canonicalHex(text), canonicalHex("1"));
  assert.equal(canonicalHex("-0"), canonicalHex("0"));
  assert.equal(canonicalHex("-0.0"), canonicalHex("0"));
  assert.equal(canonicalHex("1e16"), canonicalHex("10000000000000000"));
  assert.notEqual(canonicalHex("9007199254740993"), canonicalHex("9007199254740992"));
  assert.equal(canonicalHex("0.5"), "443fe0000000000000");
});

Deno.test("names are sorted by their UTF-8 bytes, and the last of two equal ones counts", () => {
  assert.equal(canonicalHex('{"b":1,"a":2}'), canonicalHex('{"a":2,"b":1}'));
  assert.equal(canonicalHex('{"a":1,"a":2}'), canonicalHex('{"a":2}'));
  // U+FF61 comes before U+1F600 in UTF-8, and behind it by code unit.
  const bytes = canonicalHex('{"\u{1F600}":1,"\uFF61":2}');
  assert.ok(bytes.indexOf("efbda1") < bytes.indexOf("f09f9880"), bytes);
});

Deno.test("a lone surrogate counts as the replacement character", () => {
  assert.equal(canonicalHex('"\\ud800"'), "5300000003efbfbd");
});

Deno.test("the order of the rows doesn't matter, and what is removed leaves no trace", () => {
  const rows = fc.uniqueArray(fc.tuple(fc.integer(), jsonValue()), { selector: ([key]) => key });
  fc.assert(
    fc.property(rows, fc.nat(), (given, seed) => {
      const forward = new TableDigest();
      const backward = new TableDigest();
      const record = (value: unknown) => ({ value }) as JsonObject;
      for (const [key, value] of given) forward.add([key], record(value));
      for (const [key, value] of given.toReversed()) backward.add([key], record(value));
      assert.equal(forward.text, backward.text);
      backward.add([seed], { more: true });
      assert.notEqual(forward.text, backward.text);
      assert.deepEqual(forward.differing(backward), [forward.bucketOf([seed])]);
      backward.remove([seed], { more: true });
      assert.deepEqual([backward.text, backward.rows], [forward.text, given.length]);
      assert.deepEqual(forward.differing(TableDigest.from(backward.toBytes(), given.length)), []);
    }),
    { numRuns: 20 },
  );
});

Deno.test("a field of the replica's own is no part of the digest", () => {
  const whole = new TableDigest("updated_at");
  whole.add([1], { id: 1, updated_at: 7 });
  const plain = new TableDigest();
  plain.add([1], { id: 1 });
  assert.equal(whole.text, plain.text);
});

/** What `digest.py` prints. */
async function inPython(lines: string): Promise<string> {
  const script = new URL("./digest.py", import.meta.url).pathname;
  const { code, stdout, stderr } = await runTool("python3", [script, "id"], { stdin: lines });
  assert.equal(code, 0, stderr);
  return stdout.trim();
}

testWith(["python3"], "another implementation comes to the same digest", async () => {
  const values = fc.sample(jsonValue(), { numRuns: 300, seed: 42 });
  const odd = ["1.0", "-0.0", "1e16", "1e300", "-12345678901234567890", "5e-324", '"\\ud83d"'];
  const lines = [
    ...values.map((value, id) => stringifyJson({ id, value })),
    ...odd.map((text, at) => `{"id":"odd ${at}","value":${text}}`),
    '{"id":"names","\u{1F600}":1,"\uFF61":{"b":[1,2],"a":null}}',
  ];
  const ours = new TableDigest();
  const buckets = new Set<number>();
  for (const line of lines) {
    const record = parseJson(line) as { id: number | string };
    ours.add([record.id], record);
    buckets.add(ours.bucketOf([record.id]));
  }
  const theirs = await inPython(lines.map((line) => `${line}\n`).join(""));
  assert.equal(theirs, `${ours.text} ${lines.length} ${buckets.size}`);
});

Deno.test("the vectors of the documentation hold", () => {
  const digest = new TableDigest();
  digest.add([1], { id: 1, updated_at: 5, deleted_at: null, name: "a" });
  assert.equal(digest.text, "5e24950303e4af3cff50e79085f821251566541328b7db733fb655fbc92651e4");
  digest.add(["b", true], { id: "b", ok: true, updated_at: 6.5 });
  assert.equal(digest.text, "f1fbb8a58115f91c993ae541fb8d48e8999bce9d768e7d3add35d33270e84c1f");
});
