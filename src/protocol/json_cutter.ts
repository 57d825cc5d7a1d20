/**
 * Cuts a stream of bytes into the texts of JSON values, whatever stands between them.
 *
 * The wire: values follow each other with newlines, blanks, or nothing between. A newline always
 * ends what it meets. UTF-8 never hides a mark (`{`, `"`, newline) inside a character, so the bytes
 * are cut as they are, and a chunk may end anywhere.
 *
 * ```
 *            {  [  "                    closing mark or quote → a value
 *   between ─────────→ value ─────────┬─────────────────────────────────→ between
 *      │                              └ newline → "not JSON" ───────────→ between
 *      │                              (too long, too deep, or too many values inside: reported,
 *      │                              then followed to its end)
 *      ├ other than a mark → token ───┬ number or literal → a value ────→ between
 *      │                              ├ anything else → junk
 *      │                              └ longer than maxLength → "too long" → skip
 *      └ }  ]  ,  : ───────→ junk ────┬ newline → "not JSON" ───────────→ between
 *                                     └ enough text for the report → skip
 *                            skip ────── newline ───────────────────────→ between
 * ```
 *
 * Every byte is looked at once and at most `maxLength` of them are held. What is cut and reported
 * doesn't depend on where the chunks end.
 *
 * @module
 */

import { isScalar } from "./json_prefix.ts";
import { MAX_DEPTH } from "./json_text.ts";

/** Why a piece can't be a value. */
export type CutFault = "not JSON" | "too long" | "nested too deep" | "too many values";

/**
 * Told of each piece, in order. `bytes` is the text of what may be a value (brackets and quotes are
 * matched, the rest is for the parser to see), or, with a fault, what is known of it or at least its
 * first {@linkcode REPORTED_BYTES}. The bytes are the cutter's own: valid until the call returns.
 */
export type PieceListener = (bytes: Uint8Array, fault: CutFault | null) => void;

/** Most bytes of a value where nothing else is said. */
export const DEFAULT_MAX_LENGTH = 16 * 1024 * 1024;

/** Bytes that hold 16 Ki UTF-16 units of text for certain: one unit takes three bytes at most. */
export const REPORTED_BYTES = 3 * 16_384;

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** What a byte means outside of strings. */
const PLAIN = 0, BLANK = 1, OPENING = 2, CLOSING = 3, QUOTING = 4, DIVIDING = 5;
const MEANING = new Uint8Array(256);
for (const mark of " \t\r\n") MEANING[mark.charCodeAt(0)] = BLANK;
for (const mark of "{[") MEANING[mark.charCodeAt(0)] = OPENING;
for (const mark of "}]") MEANING[mark.charCodeAt(0)] = CLOSING;
for (const mark of ",:") MEANING[mark.charCodeAt(0)] = DIVIDING;
MEANING[QUOTE] = QUOTING;

/**
 * Bytes of memory that a value takes on its way from text to the store, by the marks in it: parsed,
 * looked through, compared and serialised. Measured with Deno 2.9.6 as growth of the resident size,
 * times one and a half, since a collector runs late: `{}` 157 bytes, `[]` 133, a number or a string
 * in a list 20, a name that no other object has 220. Characters of strings are bounded by the length.
 */
const MEMORY = new Uint16Array(256);
MEMORY["{".charCodeAt(0)] = 240;
MEMORY["[".charCodeAt(0)] = 200;
MEMORY[",".charCodeAt(0)] = 32;
MEMORY[":".charCodeAt(0)] = 340;

/** Most memory of one value: 32 times the length of the longest one where nothing else is said. */
const MOST_MEMORY_BYTES = 32 * DEFAULT_MAX_LENGTH;

/** Buffers beyond this many bytes are given back once the value they were made for is done. */
const KEPT_CAPACITY = 1 << 20;

/** Not fatal: what isn't UTF-8 isn't a number either. */
const tokenText = new TextDecoder("utf-8", { ignoreBOM: true });

/** The state of one stream of bytes; see the drawing at the top of this file. */
export class JsonCutter {
  readonly #maxLength: number;
  readonly #listener: PieceListener;
  #state: "between" | "value" | "token" | "junk" | "skip" = "between";
  /** Start of the present piece, from earlier chunks: the first `#heldLength` bytes of the buffer. */
  #held = new Uint8Array(4096);
  #heldLength = 0;
  // State "value" only.
  #depth = 0;
  #inString = false;
  #afterBackslash = false;
  /** Memory that the value's marks so far stand for. */
  #memoryBytes = 0;
  /** The value has been reported as too long or too deep; it is followed to its end, and not held. */
  #refused = false;

  /**
   * A cutter at the start of a stream.
   *
   * @param maxLength most bytes of one value, blanks around it not counted.
   * @param listener told of each piece, during {@linkcode push} and {@linkcode end}.
   */
  constructor(maxLength: number, listener: PieceListener) {
    this.#maxLength = maxLength;
    this.#listener = listener;
  }

  /** True when nothing is begun: the next byte starts something new. */
  get isBetween(): boolean {
    return this.#state === "between";
  }

  /** Takes the next bytes; the chunk isn't kept. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      switch (this.#state) {
        case "between":
          at = this.#readBlanks(chunk, at);
          break;
        case "value":
          at = this.#readValue(chunk, at);
          break;
        case "token":
          at = this.#readToken(chunk, at);
          break;
        case "junk":
          at = this.#readJunk(chunk, at);
          break;
        case "skip":
          at = this.#skipLine(chunk, at);
      }
    }
  }

  /**
   * Ends the stream. A number or literal, which only now is known to be whole, and junk go to the
   * listener; a value that isn't finished is returned.
   */
  end(): Uint8Array | null {
    const state = this.#state;
    const bytes = this.#takeHeld();
    this.#state = "between";
    if (state === "junk") this.#listener(bytes, "not JSON");
    if (state === "token") {
      if (!isScalar(tokenText.decode(bytes))) return bytes;
      this.#listener(bytes, null);
    }
    if (state !== "value") return null;
    const refused = this.#refused;
    this.#refused = false;
    return refused ? null : bytes;
  }

  #readBlanks(chunk: Uint8Array, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      const meaning = MEANING[chunk[at] ?? 0];
      if (meaning === BLANK) continue;
      if (meaning === OPENING || meaning === QUOTING) {
        this.#state = "value";
        this.#depth = 0;
        this.#inString = false;
        this.#afterBackslash = false;
        this.#memoryBytes = 0;
      } else {
        this.#state = meaning === PLAIN ? "token" : "junk";
      }
      return at;
    }
    return chunk.length;
  }

  #readValue(chunk: Uint8Array, from: number): number {
    // Locals: this loop sees every byte of a stream without newlines.
    let depth = this.#depth;
    let inString = this.#inString;
    let afterBackslash = this.#afterBackslash;
    let memoryBytes = this.#memoryBytes;
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at];
      if (byte === undefined || byte === NEWLINE) {
        this.#finish(chunk, from, at, "not JSON");
        return at + 1;
      }
      if (inString) {
        if (afterBackslash) afterBackslash = false;
        else if (byte === BACKSLASH) afterBackslash = true;
        else if (byte === QUOTE) {
          inString = false;
          if (depth === 0) return this.#finish(chunk, from, at + 1, null);
        }
        continue;
      }
      const meaning = MEANING[byte];
      if (meaning === PLAIN) continue;
      memoryBytes += MEMORY[byte] ?? 0;
      if (memoryBytes > MOST_MEMORY_BYTES) this.#refuse(chunk, from, at + 1, "too many values");
      if (meaning === QUOTING) inString = true;
      else if (meaning === OPENING) {
        if (++depth > MAX_DEPTH) this.#refuse(chunk, from, at + 1, "nested too deep");
      } else if (meaning === CLOSING && --depth === 0) {
        return this.#finish(chunk, from, at + 1, null);
      }
    }
    this.#depth = depth;
    this.#inString = inString;
    this.#afterBackslash = afterBackslash;
    this.#memoryBytes = memoryBytes;
    if (this.#heldLength + chunk.length - from > this.#maxLength) {
      this.#refuse(chunk, from, chunk.length, "too long");
    }
    if (!this.#refused) this.#append(chunk.subarray(from));
    return chunk.length;
  }

  #readToken(chunk: Uint8Array, from: number): number {
    let end = from;
    while (end < chunk.length && MEANING[chunk[end] ?? 0] === PLAIN) end++;
    if (this.#heldLength + end - from > this.#maxLength) {
      this.#listener(this.#piece(chunk, from, end).subarray(0, this.#maxLength), "too long");
      this.#state = "skip";
    } else if (end === chunk.length) {
      this.#append(chunk.subarray(from));
    } else {
      const piece = this.#piece(chunk, from, end);
      if (isScalar(tokenText.decode(piece))) {
        this.#listener(piece, null);
        this.#state = "between";
      } else {
        this.#append(piece);
        this.#state = "junk";
      }
    }
    return end;
  }

  #readJunk(chunk: Uint8Array, from: number): number {
    const newline = chunk.indexOf(NEWLINE, from);
    const end = newline < 0 ? chunk.length : newline;
    this.#append(chunk.subarray(from, Math.min(end, from + REPORTED_BYTES)));
    if (newline >= 0 || this.#heldLength >= REPORTED_BYTES) {
      this.#listener(this.#takeHeld().subarray(0, REPORTED_BYTES), "not JSON");
      this.#state = "skip"; // up to the newline, which is the next byte where there is one
    }
    return end;
  }

  #skipLine(chunk: Uint8Array, from: number): number {
    const newline = chunk.indexOf(NEWLINE, from);
    if (newline < 0) return chunk.length;
    this.#state = "between";
    return newline + 1;
  }

  /** A value's last byte, or the newline that breaks it off, has been seen. */
  #finish(chunk: Uint8Array, from: number, end: number, fault: CutFault | null): number {
    if (this.#heldLength + end - from > this.#maxLength) {
      this.#refuse(chunk, from, end, "too long");
    }
    if (!this.#refused) this.#listener(this.#piece(chunk, from, end), fault);
    this.#refused = false;
    this.#state = "between";
    return end;
  }

  /** Reports the present value, once, by what doesn't depend on where the chunk ends. */
  #refuse(chunk: Uint8Array, from: number, end: number, fault: CutFault): void {
    if (this.#refused) return;
    this.#refused = true;
    const isLong = this.#heldLength + end - from > this.#maxLength;
    const piece = this.#piece(chunk, from, end).subarray(0, this.#maxLength);
    this.#listener(piece, isLong ? "too long" : fault);
  }

  /** The whole piece: what is held of it and its part in this chunk. Copies only what must be. */
  #piece(chunk: Uint8Array, from: number, end: number): Uint8Array {
    const part = chunk.subarray(from, end);
    if (this.#heldLength === 0) return part;
    this.#append(part);
    return this.#takeHeld();
  }

  #append(bytes: Uint8Array): void {
    const length = this.#heldLength + bytes.length;
    if (length > this.#held.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#held.length));
      larger.set(this.#held.subarray(0, this.#heldLength));
      this.#held = larger;
    }
    this.#held.set(bytes, this.#heldLength);
    this.#heldLength = length;
  }

  #takeHeld(): Uint8Array {
    const bytes = this.#held.subarray(0, this.#heldLength);
    this.#heldLength = 0;
    if (this.#held.length > KEPT_CAPACITY) this.#held = new Uint8Array(4096);
    return bytes;
  }
}
