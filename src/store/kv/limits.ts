/**
 * The limits of Deno KV, and how its operations are counted against them.
 *
 * Where the numbers come from: `ext/kv/lib.rs` and `ext/kv/config.rs` of Deno 2.9, checked by
 * writing at and just above each of them (tests/store/limits_test.ts). An oversize operation
 * throws before anything is written, but an operation that is cut by true sizes never gets there.
 *
 * @module
 */

import type { JsonObject, Key } from "../../protocol/record.ts";

/** Mutations in one atomic operation. */
export const MAX_MUTATIONS = 1000;

/** Bytes of one encoded key. */
export const MAX_KEY_BYTES = 2048;

/** Bytes of one value as V8 serialises it. */
export const MAX_VALUE_BYTES = 65_536;

/** Bytes of all keys and values of an operation. A set's key counts twice, a check's or delete's once. */
export const MAX_OPERATION_BYTES = 819_200;

/** Bytes of the keys that an operation sets. */
export const MAX_SET_KEY_BYTES = 81_920;

/**
 * Share of a limit that is used: the counts below are exact for keys and upper bounds for values,
 * so this only covers what an operation carries besides rows (the cursor, the lease's check).
 */
export const OPERATION_HEADROOM = 8_192;

const UTF8 = new TextEncoder();

function partBytes(part: Deno.KvKeyPart, isExact: boolean): number {
  switch (typeof part) {
    case "number":
      return 9;
    case "boolean":
      return 1;
    case "string": {
      // Every NUL is escaped by a second byte; tag and terminator make two more.
      let nuls = 0;
      for (let at = part.indexOf("\0"); at >= 0; at = part.indexOf("\0", at + 1)) nuls++;
      // Most strings are short ASCII: an upper bound that small needs no encoding.
      const isGuessed = part.length < 32 && !isExact;
      return (isGuessed ? part.length * 3 : UTF8.encode(part).length) + nuls + 2;
    }
    case "bigint": {
      // Tag and length, then the magnitude's bytes.
      const magnitude = part < 0n ? -part : part;
      return 2 + Math.ceil(magnitude.toString(16).length / 2);
    }
    default:
      return part instanceof Uint8Array ? part.length + 2 : 0;
  }
}

/** Bytes of an encoded key; for short strings an upper bound, where it needn't be exact. */
export function keyBytes(key: Key | Deno.KvKey, isExact = false): number {
  let bytes = 0;
  for (const part of key) {
    bytes += partBytes(part, isExact);
  }
  return bytes;
}

/** A row that is shorter is not looked into: an operation's mutations run out before its bytes. */
const SHORT_LENGTH = 256;

/** V8's tag, a length of up to five bytes, and one that aligns wide characters. */
const STRING_BYTES = 7;

/** A double and its tag: the longest of the numbers, booleans and null. */
const DOUBLE_BYTES = 9;

const WIDE = /[^\0-\xff]/;

/**
 * An upper bound of what V8's serialisation makes of a JSON text of so many UTF-16 units.
 *
 * The worst case is a list with one fraction in it, all of whose numbers are then written as
 * doubles (`1,`: 2 characters, 9 bytes): 4.5 bytes a character, and a few for the header. Of a row
 * that is no longer short, and that has only texts and numbers in it, it is told closely: what an
 * operation takes of large rows is what the disk is asked to sync at once.
 *
 * @param value the object; without it, anything is expected
 */
export function serializedBound(length: number, value?: JsonObject): number {
  const close = length > SHORT_LENGTH && value !== undefined ? flatBound(value) : null;
  return close ?? Math.ceil(length * 4.5) + 64;
}

/** The bound of an object without lists and objects in it; null for any other. */
function flatBound(value: JsonObject): number | null {
  let bytes = 64;
  for (const [name, item] of Object.entries(value)) {
    bytes += stringBound(name);
    if (typeof item === "string") bytes += stringBound(item);
    else if (typeof item === "bigint") bytes += 2 * DOUBLE_BYTES + item.toString(16).length;
    else if (typeof item === "object" && item !== null) return null;
    else bytes += DOUBLE_BYTES;
  }
  return bytes;
}

/** One wide character makes two bytes of each. */
function stringBound(text: string): number {
  return STRING_BYTES + (WIDE.test(text) ? 2 : 1) * text.length;
}

/** Rows of one operation at most: there has to be room for the table's state. */
export const OPERATION_ROWS = MAX_MUTATIONS - 2;

/** Bytes that a row takes in an operation besides its text; roughly. */
const ROW_OVERHEAD_BYTES = 128;

/**
 * How many rows fill an operation where so many have texts of so many UTF-16 units; a little less,
 * as not all are of one size.
 */
export function rowsPerOperation(rows: number, length: number): number {
  const bytes = 1.1 * length / Math.max(1, rows) + ROW_OVERHEAD_BYTES;
  return Math.max(1, Math.min(OPERATION_ROWS, Math.floor(0.97 * MAX_OPERATION_BYTES / bytes)));
}
