/**
 * A record as bytes that are the same wherever the same data is held, in whatever language.
 *
 * ```text
 * null           N
 * true, false    T, F
 * integer        I length digits      a number without fraction or exponent, or one whose nearest
 *                                     double is integral: 1.0 is 1, -0 is 0, 1e3 is 1000
 * other number   D eight bytes        the nearest double, big-endian
 * text           S length bytes       UTF-8; a lone surrogate as U+FFFD
 * array          A count values
 * object         O count (length bytes value)…   names in the order of their UTF-8 bytes; of equal
 *                                     names the last counts
 * ```
 *
 * Lengths and counts are four bytes, big-endian; a length counts bytes. Number text is no canonical
 * form (JavaScript and Python write 1e16 and 1.0 differently), hence integers and doubles.
 *
 * @module
 */

import type { JsonObject, JsonValue } from "../protocol/record.ts";

const NULL = 0x4e;
const TRUE = 0x54;
const FALSE = 0x46;
const INTEGER = 0x49;
const DOUBLE = 0x44;
const TEXT = 0x53;
const ARRAY = 0x41;
const OBJECT = 0x4f;

const START_BYTES = 4096;
/** UTF-8 bytes of a UTF-16 unit at most. */
const UNIT_BYTES = 3;

const encoder = new TextEncoder();

/** Names of which code-unit order is not the order of their UTF-8 bytes. */
const BEYOND_SURROGATES = /[\ud800-\uffff]/;

/** The place of a UTF-16 unit among UTF-8 sequences: surrogates stand for what is above U+FFFF. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const left = a.charCodeAt(at);
    const right = b.charCodeAt(at);
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

function sortedNames(object: JsonObject, without: string | null): string[] {
  const names = Object.keys(object);
  const kept = without === null ? names : names.filter((name) => name !== without);
  return kept.some((name) => BEYOND_SURROGATES.test(name)) ? kept.sort(compareUtf8) : kept.sort();
}

/**
 * Writes values into one buffer, which is used again for the next.
 *
 * @example
 * ```ts
 * import { CanonicalWriter } from "./canonical.ts";
 * const writer = new CanonicalWriter();
 * console.assert(writer.bytes([1.0])[5] === 0x49); // "I": an integer
 * ```
 */
export class CanonicalWriter {
  #buffer = new Uint8Array(START_BYTES);
  #view = new DataView(this.#buffer.buffer);
  #at = 0;

  /**
   * The bytes of a value; valid until the next call.
   *
   * @param without a field of the outermost object that is left out
   */
  bytes(value: JsonValue, without: string | null = null): Uint8Array<ArrayBuffer> {
    this.#at = 0;
    this.#value(value, without);
    return this.#buffer.subarray(0, this.#at);
  }

  #value(value: JsonValue, without: string | null): void {
    if (typeof value === "string") return this.#text(value);
    if (typeof value === "number") return this.#number(value);
    if (typeof value === "bigint") return this.#integer(value.toString());
    if (value === null || typeof value === "boolean") {
      return this.#tag(value === null ? NULL : value ? TRUE : FALSE);
    }
    if (Array.isArray(value)) {
      this.#tag(ARRAY);
      this.#length(value.length);
      for (const item of value) this.#value(item, null);
      return;
    }
    const names = sortedNames(value, without);
    this.#tag(OBJECT);
    this.#length(names.length);
    for (const name of names) {
      this.#utf8(name);
      this.#value(value[name] ?? null, null);
    }
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value)) return this.#integer(value === 0 ? "0" : String(value));
    if (Number.isInteger(value)) return this.#integer(BigInt(value).toString());
    this.#tag(DOUBLE);
    this.#reserve(8);
    this.#view.setFloat64(this.#at, value);
    this.#at += 8;
  }

  #integer(digits: string): void {
    this.#tag(INTEGER);
    this.#utf8(digits);
  }

  #text(text: string): void {
    this.#tag(TEXT);
    this.#utf8(text);
  }

  #tag(tag: number): void {
    this.#reserve(1);
    this.#buffer[this.#at++] = tag;
  }

  #length(length: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#at, length);
    this.#at += 4;
  }

  #utf8(text: string): void {
    this.#reserve(4 + text.length * UNIT_BYTES);
    const { written } = encoder.encodeInto(text, this.#buffer.subarray(this.#at + 4));
    this.#view.setUint32(this.#at, written);
    this.#at += 4 + written;
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#buffer.length));
    larger.set(this.#buffer);
    this.#buffer = larger;
    this.#view = new DataView(larger.buffer);
  }
}
