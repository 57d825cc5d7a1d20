/**
 * Where the feed is cut into chunks: at orders that their own content chooses, so that every copy of
 * a table, and every making of it, cuts at the same places. Pure.
 *
 * ```text
 * rows by order:  ...................|..........................|................
 *                  LEAST ≤ a chunk ≤ MOST, and then up to where the order changes
 * ```
 *
 * @module
 */

import { formatOrder, type Order } from "../protocol/cursor.ts";

/** Characters of a chunk before a place is looked for: a request costs as much as some 20 KB. */
const LEAST_CHARS = 256 * 1024;

/** Characters after which the next change of order is taken. */
const MOST_CHARS = 1024 * 1024;

/** Between the two a place comes about once in so many characters. */
const SPREAD_CHARS = 256 * 1024;

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash ^= text.charCodeAt(at);
    hash = Math.imul(hash, 0x01000193);
  }
  // The low bits of FNV are the good ones, and a threshold looks at the high ones.
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 12)) >>> 0;
}

/**
 * Whether a chunk ends before the row that comes next, which has another order than those before.
 *
 * @param chars of the chunk so far
 * @param rowChars of its last row: large rows make for few places
 */
export function isCut(next: Order, chars: number, rowChars: number): boolean {
  if (chars < LEAST_CHARS) return false;
  if (chars >= MOST_CHARS) return true;
  return hashOf(formatOrder(next)) < (rowChars / SPREAD_CHARS) * 2 ** 32;
}
