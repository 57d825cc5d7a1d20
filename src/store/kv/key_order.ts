/**
 * The order in which Deno KV keeps keys: strings (by UTF-8), bigints, numbers, booleans.
 *
 * @module
 */

import type { Key, KeyPart } from "../../protocol/record.ts";

const RANK = { string: 0, bigint: 1, number: 2, boolean: 3 } as const;

function rank(part: KeyPart): number {
  return RANK[typeof part as keyof typeof RANK];
}

/** Compares by code point, which is the order of UTF-8, unlike that of UTF-16 code units. */
function compareStrings(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) {
      const xWide = x >= 0xd800 && x < 0xe000;
      const yWide = y >= 0xd800 && y < 0xe000;
      return xWide === yWide ? x - y : xWide ? 1 : -1;
    }
  }
  return a.length - b.length;
}

function compareParts(a: KeyPart, b: KeyPart): number {
  if (typeof a === "string" && typeof b === "string") return compareStrings(a, b);
  const ranks = rank(a) - rank(b);
  if (ranks !== 0) return ranks;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Below zero where `a` comes before `b` in the store. */
export function compareKeys(a: Key, b: Key): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const x = a[i];
    const y = b[i];
    if (x === undefined || y === undefined) break;
    const order = compareParts(x, y);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}
