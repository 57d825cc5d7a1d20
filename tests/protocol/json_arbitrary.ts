import fc from "fast-check";
import type { JsonValue } from "../../src/protocol/record.ts";

/** Any JSON value that a parse can give: no `-0`, no bigint within the safe range. */
export function jsonValue(): fc.Arbitrary<JsonValue> {
  const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.oneof(
        fc.constantFrom<JsonValue>(
          null,
          true,
          false,
          "",
          2 ** 53 - 1,
          -(2 ** 53 - 1),
          1e20,
          2 ** 60,
        ),
        fc.integer(),
        fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
        fc.bigInt({ min: 2n ** 53n, max: 2n ** 1000n }),
        fc.bigInt({ min: -(2n ** 70n), max: -(2n ** 53n) }),
        fc.string({ unit: "binary" }),
        fc.constantFrom("12345678901234567890", ":9007199254740993,", "\ud800", "1e999"),
      ),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(fc.oneof(fc.string(), fc.constantFrom("__proto__", "toJSON")), tie("value"), {
        maxKeys: 4,
        noNullPrototype: true,
      }),
    ),
  }));
  return value;
}
