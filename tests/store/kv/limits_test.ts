import assert from "node:assert/strict";
import { serialize } from "node:v8";
import fc from "fast-check";
import { parseJson, stringifyJson } from "../../../src/protocol/json_text.ts";
import type { JsonObject } from "../../../src/protocol/record.ts";
import {
  keyBytes,
  MAX_KEY_BYTES,
  MAX_MUTATIONS,
  MAX_OPERATION_BYTES,
  MAX_SET_KEY_BYTES,
  MAX_VALUE_BYTES,
  serializedBound,
} from "../../../src/store/kv/limits.ts";
import { keyArbitrary } from "../../support/arbitraries.ts";

/** What a Uint8Array takes beside its bytes: V8's own header and the array's. */
const ARRAY_BYTES = 0;

Deno.test("Deno KV's limits are where they are believed to be", async () => {
  using kv = await Deno.openKv(":memory:");
  const attempt = async (build: (atomic: Deno.AtomicOperation) => void) => {
    const atomic = kv.atomic();
    build(atomic);
    await atomic.commit();
  };
  const mutations = (count: number) =>
    attempt((atomic) => {
      for (let i = 0; i < count; i++) atomic.delete([i]);
    });
  await mutations(MAX_MUTATIONS);
  await assert.rejects(mutations(MAX_MUTATIONS + 1), /Too many mutations \(max 1000\)/);

  const value = (bytes: number) => kv.set(["v"], new Uint8Array(bytes - ARRAY_BYTES));
  await value(MAX_VALUE_BYTES);
  await assert.rejects(value(MAX_VALUE_BYTES + 1), /Value too large \(max 65536 bytes\)/);

  // A string part has a tag and a terminator.
  const key = (bytes: number) => kv.set(["k".repeat(bytes - 2)], 1);
  assert.equal(keyBytes(["k".repeat(MAX_KEY_BYTES - 2)]), MAX_KEY_BYTES);
  await key(MAX_KEY_BYTES);
  await assert.rejects(key(MAX_KEY_BYTES + 1), /Key too large for write \(max 2048 bytes\)/);

  const keys = (bytes: number) =>
    attempt((atomic) => {
      let left = bytes;
      for (let i = 0; left > 0; i++) {
        // A number's nine bytes and the string's; the last key takes what is left.
        const size = left >= 3000 ? 1500 : left > MAX_KEY_BYTES ? left - 1500 : left;
        atomic.set([i, "k".repeat(size - 11)], 1);
        left -= size;
      }
    });
  await keys(MAX_SET_KEY_BYTES);
  await assert.rejects(keys(MAX_SET_KEY_BYTES + 1), /Total key size too large/);

  const total = (bytes: number) =>
    attempt((atomic) => {
      let left = bytes;
      for (let i = 0; left > 0; i++) {
        // Two times nine bytes of the key, and the value.
        const size = left > 65_000 ? Math.min(60_000, left - 1_000) : left;
        atomic.set([i], new Uint8Array(size - 18));
        left -= size;
      }
    });
  await total(MAX_OPERATION_BYTES);
  await assert.rejects(total(MAX_OPERATION_BYTES + 1), /Total mutation size too large/);
});

Deno.test("the bytes of a key are counted as Deno KV counts them, and never too low", async () => {
  using kv = await Deno.openKv(":memory:");
  const property = fc.asyncProperty(keyArbitrary, async (key) => {
    const bytes = keyBytes(key, true);
    assert.ok(bytes <= keyBytes(key));
    if (bytes > MAX_KEY_BYTES - 50) return;
    // Filled up to the limit with a part whose size is known, it must just fit.
    const fill = MAX_KEY_BYTES - bytes - 2;
    await kv.set([...key, "k".repeat(fill)], 1);
    const isExact = key.every((part) => typeof part !== "bigint");
    if (!isExact) return;
    await assert.rejects(kv.set([...key, "k".repeat(fill + 1)], 1), /Key too large/);
  });
  await fc.assert(property, { numRuns: 300 });
});

/** JSON texts that V8 makes much of. */
const costly = fc.oneof(
  fc.constantFrom("-0", "0", "1", "5e9", "0.5", "null", "true", "[]", "{}", '""', '"ж"', '"é"'),
  fc.integer().map(String),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 70n }).map(String),
  fc.array(fc.constantFrom("a", "é", "ж", "😀", "\\u0000"), { maxLength: 20 })
    .map((parts) => `"${parts.join("")}"`),
);

const list = fc.array(costly, { minLength: 1, maxLength: 300 }).map((parts) => `[${parts}]`);

const object = (value: fc.Arbitrary<string>) =>
  fc.array(fc.tuple(fc.constantFrom("", "a", "1", "ж", "id"), value), { maxLength: 30 })
    .map((fields) => `{${fields.map(([name, text]) => `"${name}":${text}`)}}`);

Deno.test("no value is larger than what is reckoned from the length of its text", () => {
  const texts = fc.oneof(
    object(costly),
    object(list),
    object(object(list)),
    object(object(costly)),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const value = parseJson(text) as JsonObject;
      // What counts is the text that is certainly no longer than the one that came.
      const { length } = stringifyJson(value);
      assert.ok(serialize(value).length <= serializedBound(length, value), text.slice(0, 200));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("the worst of values are reckoned high enough", () => {
  const worst = [
    `{"a":[0.5${",1".repeat(5000)}]}`,
    `{"a":[${"-0,".repeat(5000)}0]}`,
    `{"a":[${"5e9,".repeat(5000)}0]}`,
    `{"a":[${"[],".repeat(5000)}[]]}`,
    `{"a":${"[".repeat(900)}${"]".repeat(900)}}`,
    `{"a":"ж${"x".repeat(5000)}"}`,
    `{"a":{"b":[0.5${",1".repeat(5000)}]}}`,
  ];
  for (const text of worst) {
    const value = parseJson(text) as JsonObject;
    const bound = serializedBound(text.length, value);
    assert.ok(serialize(value).length <= bound, `${text.slice(0, 30)}: ${serialize(value).length}`);
  }
});
