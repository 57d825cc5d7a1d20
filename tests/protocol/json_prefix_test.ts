import assert from "node:assert/strict";
import fc from "fast-check";
import { isJsonPrefix, isScalar } from "../../src/protocol/json_prefix.ts";
import { stringifyJson } from "../../src/protocol/json_text.ts";
import { jsonValue } from "./json_arbitrary.ts";

Deno.test("every beginning of a value's text is a prefix", () => {
  fc.assert(
    fc.property(jsonValue(), fc.nat(), (value, place) => {
      const text = stringifyJson(value);
      assert.ok(isJsonPrefix(text.slice(0, place % (text.length + 1))));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("text that no other text can complete is not a prefix", () => {
  const texts = [
    "1,",
    "{}}",
    "[1]]",
    "[1,]",
    '{"a":1,}',
    "{1",
    '{"a"}',
    "[,",
    ",",
    ":",
    "tru ",
    "1e+,",
  ];
  for (const text of texts) assert.ok(!isJsonPrefix(text), text);
});

Deno.test("a scalar is a whole number or literal, nothing else", () => {
  for (const text of ["0", "-0", "12", "1.5", "1e5", "-1.5E-5", "true", "false", "null"]) {
    assert.ok(isScalar(text), text);
  }
  for (const text of ["", "01", "+1", "1.", ".5", "1e", "-", "tru", "NaN", "0x1", "true\n", " 1"]) {
    assert.ok(!isScalar(text), text);
  }
});
