/**
 * The limits of Deno KV, and how its operations are counted against them.
 *
 * Where the numbers come from: `ext/kv/lib.rs` and `ext/kv/config.rs` of Deno 2.9, checked by
 * writing at and just above each of them (tests/store/limits_test.ts). An oversize operation
 * throws before anything is written, but an operation that is cut by true sizes never gets there.
 *
 * @module
 */

import type { JsonObject, Key } from "../protocol/record.ts";

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

function partBytes(part: Deno.KvKeyPart): number {
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
      return (part.length < 32 ? part.length * 3 : UTF8.encode(part).length) + nuls + 2;
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

/** Bytes of an encoded key; for short strings an upper bound. */
export function keyBytes(key: Key | Deno.KvKey): number {
  let bytes = 0;
  for (const part of key) {
    bytes += partBytes(part);
  }
  return bytes;
}

/** A row that is shorter is not looked into: its bound doesn't matter. */
const SHORT_LENGTH = 256;

/**
 * An upper bound of what V8's serialisation makes of a JSON text of so many UTF-16 units.
 *
 * The worst case is a list with one fraction in it, all of whose numbers are then written as
 * doubles (`1,`: 2 characters, 9 bytes). Without any list it is a field with a short double
 * (`"":-0,`) or a string that a single wide character turns into two bytes a character; so 2.25
 * bytes a character there, 4.5 in general, and a few for the header.
 *
 * @param value the object; without it, anything is expected
 */
export function serializedBound(length: number, value?: JsonObject): number {
  const isFlat = length > SHORT_LENGTH && value !== undefined && !hasNested(value);
  return Math.ceil(length * (isFlat ? 2.25 : 4.5)) + 64;
}

function hasNested(value: JsonObject): boolean {
  for (const name in value) {
    if (typeof value[name] === "object" && value[name] !== null) return true;
  }
  return false;
}
