/**
 * What fast-check makes of keys, rows and windows.
 *
 * @module
 */

import fc from "fast-check";
import type { Key, KeyPart } from "../../src/protocol/record.ts";

/** Characters at which encodings differ: NUL, the end of ASCII, surrogates and what is beside them. */
const EDGES = ["\0", "\x01", "\x7f", "\x80", "\ud7ff", "\ue000", "\uffff", "\u{10000}", "a", "b"];

const text = fc.oneof(
  fc.array(fc.constantFrom(...EDGES), { maxLength: 6 }).map((parts) => parts.join("")),
  fc.string({ unit: "grapheme", maxLength: 8 }),
);

/** A part of a key as an origin may send it. */
export const keyPartArbitrary: fc.Arbitrary<KeyPart> = fc.oneof(
  text,
  fc.integer(),
  fc.nat(20),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value === 0 ? 0 : value),
  fc.boolean(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 80n }),
  fc.bigInt({ min: -(2n ** 80n), max: -(2n ** 53n) }),
);

/** A key of one to three parts. */
export const keyArbitrary: fc.Arbitrary<Key> = fc.array(keyPartArbitrary, {
  minLength: 1,
  maxLength: 3,
});
