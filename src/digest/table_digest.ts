/**
 * A digest of a table that doesn't depend on the order in which rows are looked at, and that a
 * change of one row changes by arithmetic alone.
 *
 * A row's digest is SHA-256 of its canonical bytes (see `canonical.ts`). Rows fall into 65,536
 * buckets by the first 16 bits of SHA-256 of their key (the canonical bytes of the array of its
 * parts); a bucket's value is the sum of its rows' digests modulo 2^256, and the table's the sum of
 * all. Two tables differ exactly in the buckets whose sums differ, so that a difference is found
 * without holding keys. Sums are no protection against an attacker who chooses the records.
 *
 * @module
 */

import { hash } from "node:crypto";
import type { JsonObject, Key } from "../protocol/record.ts";
import { CanonicalWriter } from "./canonical.ts";

/** Buckets of a table's digest. */
export const BUCKETS = 65_536;

/** Words of 32 bits in a sum. */
const WORDS = 8;

const WORD_HEX_DIGITS = 8;

/** The first word of a sum is its most significant one. */
function addTo(sums: Uint32Array, at: number, digest: Uint32Array): void {
  let carry = 0;
  for (let word = WORDS - 1; word >= 0; word--) {
    const sum = (sums[at + word] ?? 0) + (digest[word] ?? 0) + carry;
    sums[at + word] = sum;
    carry = sum > 0xffff_ffff ? 1 : 0;
  }
}

function subtractFrom(sums: Uint32Array, at: number, digest: Uint32Array): void {
  let borrow = 0;
  for (let word = WORDS - 1; word >= 0; word--) {
    const difference = (sums[at + word] ?? 0) - (digest[word] ?? 0) - borrow;
    sums[at + word] = difference;
    borrow = difference < 0 ? 1 : 0;
  }
}

function hexOf(words: Uint32Array): string {
  return Array.from(words, (word) => word.toString(16).padStart(WORD_HEX_DIGITS, "0")).join("");
}

function wordsOf(hex: string, words: Uint32Array): Uint32Array {
  for (let word = 0; word < WORDS; word++) {
    words[word] = parseInt(hex.slice(word * WORD_HEX_DIGITS, (word + 1) * WORD_HEX_DIGITS), 16);
  }
  return words;
}

/**
 * The digest of one table.
 *
 * @example
 * ```ts
 * import { TableDigest } from "./table_digest.ts";
 * const one = new TableDigest();
 * one.add([1], { id: 1, name: "a" });
 * one.add([2], { id: 2, name: "b" });
 * const other = new TableDigest();
 * other.add([2], { name: "b", id: 2.0 });
 * other.add([1], { id: 1, name: "a" });
 * console.assert(one.text === other.text && one.text.length === 64);
 * ```
 */
export class TableDigest {
  /** Rows that were added, less those removed. */
  rows = 0;
  readonly #sums: Uint32Array;
  readonly #total = new Uint32Array(WORDS);
  readonly #without: string | null;
  readonly #writer = new CanonicalWriter();
  readonly #digest = new Uint32Array(WORDS);

  /** @param without a field that is the replica's own, and so no part of the data; null: none */
  constructor(without: string | null = null, sums = new Uint32Array(BUCKETS * WORDS)) {
    this.#without = without;
    this.#sums = sums;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      addTo(this.#total, 0, sums.subarray(bucket * WORDS, (bucket + 1) * WORDS));
    }
  }

  /** The bucket of a key. */
  bucketOf(key: Key): number {
    return parseInt(hash("sha256", this.#writer.bytes([...key]), "hex").slice(0, 4), 16);
  }

  /** Adds a row. */
  add(key: Key, record: JsonObject): void {
    const at = this.bucketOf(key) * WORDS;
    const digest = this.#digestOf(record);
    addTo(this.#sums, at, digest);
    addTo(this.#total, 0, digest);
    this.rows++;
  }

  /** Takes a row away that was added. */
  remove(key: Key, record: JsonObject): void {
    const at = this.bucketOf(key) * WORDS;
    const digest = this.#digestOf(record);
    subtractFrom(this.#sums, at, digest);
    subtractFrom(this.#total, 0, digest);
    this.rows--;
  }

  /** The table's digest: 64 hexadecimal digits. */
  get text(): string {
    return hexOf(this.#total);
  }

  /** The first 48 bits as a number, which a gauge holds exactly. */
  get gauge(): number {
    return parseInt(this.text.slice(0, 12), 16);
  }

  /** A bucket's sum: 64 hexadecimal digits. */
  bucketText(bucket: number): string {
    return hexOf(this.#sums.subarray(bucket * WORDS, (bucket + 1) * WORDS));
  }

  /** The buckets in which two tables differ, ascending. */
  differing(other: TableDigest): number[] {
    const found: number[] = [];
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      for (let at = bucket * WORDS; at < (bucket + 1) * WORDS; at++) {
        if (this.#sums[at] === other.#sums[at]) continue;
        found.push(bucket);
        break;
      }
    }
    return found;
  }

  /** Every bucket's sum, one behind the other, 32 bytes each, big-endian: {@linkcode from} reads it. */
  toBytes(): Uint8Array<ArrayBuffer> {
    const view = new DataView(new ArrayBuffer(this.#sums.byteLength));
    this.#sums.forEach((word, at) => view.setUint32(at * 4, word));
    return new Uint8Array(view.buffer);
  }

  /**
   * The digest whose sums these are; its count of rows is given.
   *
   * @throws {RangeError} for another length than that of all sums
   */
  static from(bytes: Uint8Array, rows: number, without: string | null = null): TableDigest {
    const sums = new Uint32Array(BUCKETS * WORDS);
    if (bytes.byteLength !== sums.byteLength) throw new RangeError("no digest of all buckets");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < sums.length; at++) sums[at] = view.getUint32(at * 4);
    const digest = new TableDigest(without, sums);
    digest.rows = rows;
    return digest;
  }

  #digestOf(record: JsonObject): Uint32Array {
    const bytes = this.#writer.bytes(record, this.#without);
    return wordsOf(hash("sha256", bytes, "hex"), this.#digest);
  }
}
