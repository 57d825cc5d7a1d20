/**
 * What fast-check makes of entries of the change index.
 *
 * @module
 */

import fc from "fast-check";
import type { ChangeEntry } from "../../../src/store/change_index/entry.ts";
import { keyPartArbitrary } from "../../support/arbitraries.ts";

/** Few orders, so that many are equal. */
export const entryArbitrary: fc.Arbitrary<ChangeEntry> = fc.record({
  order: fc.oneof(fc.nat(8), fc.constantFrom(2n ** 60n, -1, 0.5)),
  key: fc.oneof(fc.tuple(fc.nat(5)), fc.tuple(keyPartArbitrary)),
}, { noNullPrototype: true });

/** Entries in any order, some of them twice. */
export const entriesArbitrary: fc.Arbitrary<ChangeEntry[]> = fc.array(entryArbitrary, {
  maxLength: 20,
});

/** Entries of numbers, from texts such as `7/1`: order and key. */
export function entries(...texts: string[]): ChangeEntry[] {
  return texts.map((text) => {
    const [order = 0, key = 0] = text.split("/").map(Number);
    return { order, key: [key] };
  });
}

/** An entry as {@linkcode entries} takes it. */
export function textOf({ order, key }: ChangeEntry): string {
  return `${order}/${key[0]}`;
}
