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

/** Bytes as a text of one character a byte, which compares as they do. */
function byteText(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

const double = new DataView(new ArrayBuffer(8));

/** A number's bits, so that they compare as bytes in the order of numbers. */
function numberText(value: number): string {
  // There is one zero.
  double.setFloat64(0, value === 0 ? 0 : value);
  const high = double.getUint16(0);
  const a = (high & 0x8000) === 0 ? high | 0x8000 : ~high & 0xffff;
  const flip = (high & 0x8000) === 0 ? 0 : 0xffff;
  const b = double.getUint16(2) ^ flip;
  const c = double.getUint16(4) ^ flip;
  const d = double.getUint16(6) ^ flip;
  return String.fromCharCode(a >> 8, a & 255, b >> 8, b & 255, c >> 8, c & 255, d >> 8, d & 255);
}

/** Sign, length and size: longer is greater. */
function bigintText(value: bigint): string {
  const isNegative = value < 0n;
  const digits = (isNegative ? -value : value).toString(16);
  const hex = digits.length % 2 === 0 ? digits : `0${digits}`;
  const bytes = new Uint8Array(2 + hex.length / 2);
  new DataView(bytes.buffer).setUint16(0, hex.length / 2);
  for (let i = 2; i < bytes.length; i++) bytes[i] = parseInt(hex.slice(2 * i - 4, 2 * i - 2), 16);
  if (isNegative) { for (let i = 0; i < bytes.length; i++) bytes[i] = ~(bytes[i] ?? 0) & 255; }
  return (isNegative ? "\0" : "\x01") + byteText(bytes);
}

// deno-lint-ignore no-control-regex
const PLAIN = /^[\x01-\x7f]*$/;

const encoder = new TextEncoder();

function partText(part: KeyPart): string {
  switch (typeof part) {
    case "string": {
      const text = PLAIN.test(part)
        ? part
        : byteText(encoder.encode(part)).replaceAll("\0", "\0\xff");
      return `\x01${text}\0`;
    }
    case "bigint":
      return `\x02${bigintText(part)}`;
    case "number":
      return `\x03${numberText(part)}`;
    default:
      return part ? "\x05" : "\x04";
  }
}

/**
 * A key as a text of characters below 256 whose order by code unit is the store's order of keys:
 * what is compared often, kept in sets, or written to a file.
 */
export function sortableKey(key: Key): string {
  const [only] = key;
  return key.length === 1 && only !== undefined ? partText(only) : key.map(partText).join("");
}
