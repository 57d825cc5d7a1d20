import assert from "node:assert/strict";
import fc from "fast-check";
import { MAX_DEPTH, parseJson, stringifyJson } from "../../src/protocol/json_text.ts";
import { jsonValue } from "./json_arbitrary.ts";

Deno.test("every value that was written is read back the same", () => {
  fc.assert(
    fc.property(jsonValue(), (value) => {
      const text = stringifyJson(value);
      assert.deepStrictEqual(parseJson(text), value);
      assert.ok(!/[\n\r]/.test(text), "one line");
    }),
    { numRuns: 2000 },
  );
});

Deno.test("integers beyond 2^53 are exact, at any depth and of either sign", () => {
  assert.equal(parseJson("9007199254740993"), 9007199254740993n);
  assert.equal(parseJson("-9007199254740993"), -9007199254740993n);
  assert.deepEqual(parseJson('{"a":[{"b": 18446744073709551615 }],"c":1}'), {
    a: [{ b: 18446744073709551615n }],
    c: 1,
  });
  assert.equal(stringifyJson({ a: [-18446744073709551615n] }), '{"a":[-18446744073709551615]}');
});

Deno.test("integers of the safe range, fractions and exponents are plain numbers", () => {
  assert.equal(parseJson("9007199254740991"), 9007199254740991);
  assert.equal(parseJson("-9007199254740991"), -9007199254740991);
  assert.equal(parseJson("9007199254740992"), 9007199254740992n);
  assert.equal(parseJson("1.0"), 1);
  assert.equal(parseJson("1e3"), 1000);
  assert.equal(parseJson("1e20"), 1e20);
  assert.equal(parseJson("9007199254740993.0"), 9007199254740992);
  assert.equal(parseJson("0.30000000000000004"), 0.30000000000000004);
  assert.equal(parseJson("1e-400"), 0);
});

Deno.test("a whole number written as a double is not taken for an exact integer again", () => {
  assert.equal(stringifyJson([1e20, 100000000000000000000n]), "[1e+20,100000000000000000000]");
  assert.equal(stringifyJson(2 ** 60), "1.152921504606847e+18");
});

Deno.test("digits in strings stay strings", () => {
  const text = '{"id":"12345678901234567890","s":": 9007199254740993,","n":9007199254740993}';
  assert.deepEqual(parseJson(text), {
    id: "12345678901234567890",
    s: ": 9007199254740993,",
    n: 9007199254740993n,
  });
});

Deno.test("a number too big for a double is refused, even as an integer", () => {
  const refusal = { name: "RangeError", message: "number out of range" };
  assert.throws(() => parseJson("1e400"), refusal);
  assert.throws(() => parseJson('{"a":[1,-1E+400]}'), refusal);
  assert.throws(() => parseJson("9".repeat(400)), refusal);
  assert.equal(parseJson("9".repeat(308)), BigInt("9".repeat(308)));
});

Deno.test("text that isn't JSON is a SyntaxError", () => {
  for (const text of ["", " ", "{", '{"a":1}{"a":2}', "NaN", "01", '{"a":01}', "'a'", "\ufeff1"]) {
    assert.throws(() => parseJson(text), SyntaxError, text);
  }
});

Deno.test("__proto__ is a field like any other, and of equal names the last one counts", () => {
  for (const number of ["1", "9007199254740993"]) {
    const value = parseJson(`{"__proto__":{"a":${number}},"x":${number},"x":2}`);
    assert.ok(typeof value === "object" && value !== null);
    assert.deepEqual(Object.keys(value), ["__proto__", "x"]);
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.equal(stringifyJson(value), `{"__proto__":{"a":${number}},"x":2}`);
  }
});

Deno.test("nesting is read up to the limit and refused beyond it, with big integers too", () => {
  const nest = (levels: number, inside: string) =>
    '{"a":['.repeat(levels / 2) + inside + "]}".repeat(levels / 2);
  for (const inside of ["1", "9007199254740993"]) {
    const text = nest(MAX_DEPTH, inside);
    assert.equal(stringifyJson(parseJson(text)), text);
    for (const levels of [MAX_DEPTH + 2, 100_000]) {
      assert.throws(() => parseJson(nest(levels, inside)), {
        name: "RangeError",
        message: "nested too deep",
      });
    }
  }
});

Deno.test("a lone surrogate survives as an escape", () => {
  assert.equal(parseJson('"\\ud800"'), "\ud800");
  assert.equal(stringifyJson("\ud800"), '"\\ud800"');
});
