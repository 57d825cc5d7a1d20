/**
 * Cuts a stream of bytes into the texts of JSON values, whatever stands between them.
 *
 * The wire: values follow each other with newlines, blanks, or nothing between. A newline ends what
 * it meets, but for a value that goes on behind it (see {@linkcode LineBreaks}). UTF-8 never hides a
 * mark (`{`, `"`, newline) inside a character, so the bytes are cut as they are, and a chunk may end
 * anywhere.
 *
 * ```
 *            {  [  "                    closing mark or quote → a value
 *   between ─────────→ value ─────────┬─────────────────────────────────→ between
 *      │                 ↑            ├ newline in a string → "not JSON" → between | lost
 *      │                 │            ├ newline elsewhere → line start
 *      │                 │            (too long, too deep, or too many values inside: reported,
 *      │                 │             then followed to its end, or to the newline)
 *      │                 └ goes on ── line start ── else → "not JSON" ──→ between | lost
 *      ├ other than a mark → token ───┬ number or literal → a value ────→ between
 *      │                              ├ anything else → junk
 *      │                              └ longer than maxLength → "too long" → skip
 *      └ }  ]  ,  : ───────→ junk ────┬ newline → "not JSON" ───────────→ between
 *                                     └ enough text for the report → skip
 *                            skip ────── newline ───────────────────────→ between
 *                            lost ────── a line that begins with { ─────→ between
 * ```
 *
 * A value that had several lines when it turned out to be none is followed by its own other lines:
 * `lost` passes over them, so that no object inside is taken for a record.
 *
 * The elements of an array or the parts of an envelope are cut one by one, by {@linkcode
 * JsonCutter.element}: there a newline is a blank.
 *
 * Every byte is looked at once and at most `maxLength` of them are held. What is cut and reported
 * doesn't depend on where the chunks end.
 *
 * @module
 */

import { HeldBytes } from "./held_bytes.ts";
import {
  BACKSLASH,
  BLANK,
  BRACE,
  CLOSING,
  MEANING,
  MEMORY,
  MOST_MEMORY_BYTES,
  NEWLINE,
  OPENING,
  PLAIN,
  QUOTE,
  QUOTING,
  RETURN,
} from "./json_marks.ts";
import { isScalar } from "./json_prefix.ts";
import { MAX_DEPTH } from "./json_text.ts";
import { type CutFault, type PieceListener, REPORTED_BYTES } from "./json_piece.ts";
import { LineBreaks } from "./line_breaks.ts";

/** Not fatal: what isn't UTF-8 isn't a number either. */
const tokenText = new TextDecoder("utf-8", { ignoreBOM: true });

type State =
  | "between"
  | "value"
  | "line start"
  | "token"
  | "junk"
  | "skip"
  | "lost"
  | "lost line";

/** The state of one stream of bytes; see the drawing at the top of this file. */
export class JsonCutter {
  readonly #maxLength: number;
  readonly #listener: PieceListener;
  #state: State = "between";
  /** Start of the present piece, from earlier chunks. */
  readonly #held = new HeldBytes();
  // States "value" and "line start" only.
  readonly #breaks = new LineBreaks();
  /** The brackets that are open, up to {@linkcode MAX_DEPTH}. */
  readonly #containers = new Uint8Array(MAX_DEPTH + 2);
  #depth = 0;
  #inString = false;
  #afterBackslash = false;
  /** Memory that the value's marks so far stand for. */
  #memoryBytes = 0;
  /** The value has been reported as too long or too deep; it is followed to its end, and not held. */
  #refused = false;
  /** The value is an element: a newline is a blank, and nothing else ends it but its own end. */
  #isElement = false;

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

  /** Whether a value is begun that may still become whole: a bad line is none, though it waits. */
  get isPending(): boolean {
    if (this.#state === "line start") return this.#breaks.mayGoOn;
    return this.#state === "value" || this.#state === "token";
  }

  /** Takes the next bytes; the chunk isn't kept. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) at = this.#step(chunk, at);
  }

  /**
   * Reads on in an element of an array: one that begins at `from`, or the one that is begun.
   *
   * @returns where its end, or the chunk's, is
   */
  element(chunk: Uint8Array, from: number): number {
    this.#isElement = true;
    let at = from;
    do at = this.#step(chunk, at); while (at < chunk.length && !this.isBetween);
    if (this.isBetween) this.#isElement = false;
    return at;
  }

  #step(chunk: Uint8Array, at: number): number {
    switch (this.#state) {
      case "between":
        return this.#readBlanks(chunk, at);
      case "value":
        return this.#readValue(chunk, at);
      case "line start":
        return this.#readLineStart(chunk, at);
      case "token":
        return this.#readToken(chunk, at);
      case "junk":
        return this.#readJunk(chunk, at);
      case "skip":
        return this.#skipLine(chunk, at);
      case "lost":
        return this.#passLine(chunk, at);
      case "lost line":
        this.#state = chunk[at] === BRACE ? "between" : "lost";
        return at;
    }
  }

  /**
   * A boundary that nothing crosses: the separator of a JSON text sequence, or the end of an event.
   * Whatever isn't whole is reported.
   */
  boundary(): void {
    const rest = this.end();
    if (rest !== null) this.#listener(rest, "not JSON");
  }

  /**
   * Ends the stream. A number or literal, which only now is known to be whole, and what can't be
   * the beginning of a value go to the listener; a value that isn't finished is returned.
   */
  end(): Uint8Array | null {
    const [state, refused] = [this.#state, this.#refused];
    const bytes = this.#held.take();
    this.#state = "between";
    this.#refused = false;
    this.#isElement = false;
    if (refused) return null;
    if (state === "value") return bytes;
    if (state === "token") {
      if (!isScalar(tokenText.decode(bytes))) return bytes;
      this.#listener(bytes, null);
    } else if (state === "junk") this.#listener(bytes, "not JSON");
    else if (state === "line start") {
      // A line that stands alone, with its newline, is bad; of several it is the first ones.
      if (this.#breaks.mayGoOn) return bytes;
      this.#listener(bytes, "not JSON");
    }
    return null;
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
        this.#breaks.begin();
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
    const containers = this.#containers;
    const isElement = this.#isElement;
    const end = chunk.length;
    let at = from;
    while (at < end) {
      let byte = chunk[at] ?? NEWLINE;
      if (inString) {
        if (byte !== QUOTE && byte !== BACKSLASH && byte !== NEWLINE) {
          afterBackslash = false;
          do byte = chunk[++at] ?? NEWLINE; while (
            byte !== QUOTE && byte !== BACKSLASH && byte !== NEWLINE
          );
          if (at === end) break;
        }
        if (byte === NEWLINE && !isElement) {
          return this.#endLine(chunk, from, at, true);
        }
        at++;
        if (byte !== QUOTE || afterBackslash) {
          afterBackslash = byte === BACKSLASH && !afterBackslash;
          continue;
        }
        inString = false;
        if (depth === 0) return this.#finish(chunk, from, at);
        continue;
      }
      const meaning = MEANING[byte] ?? PLAIN;
      if (meaning <= BLANK) {
        if (byte !== NEWLINE || isElement) {
          at++;
          continue;
        }
        this.#depth = depth;
        this.#inString = false;
        this.#memoryBytes = memoryBytes;
        return this.#endLine(chunk, from, at, false);
      }
      at++;
      if (meaning === QUOTING) {
        inString = true;
        continue;
      }
      memoryBytes += MEMORY[byte] ?? 0;
      if (memoryBytes > MOST_MEMORY_BYTES) this.#refuse(chunk, from, at, "too many values");
      if (meaning === OPENING) {
        depth++;
        if (depth > MAX_DEPTH) this.#refuse(chunk, from, at, "nested too deep");
        else containers[depth] = byte;
      } else if (meaning === CLOSING && --depth === 0) {
        return this.#finish(chunk, from, at);
      }
    }
    this.#depth = depth;
    this.#inString = inString;
    this.#afterBackslash = afterBackslash;
    this.#memoryBytes = memoryBytes;
    if (this.#held.length + chunk.length - from > this.#maxLength) {
      this.#refuse(chunk, from, chunk.length, "too long");
    }
    if (!this.#refused) this.#held.append(chunk.subarray(from));
    return chunk.length;
  }

  /** A newline in a value: its end, or the value may go on behind it. */
  #endLine(chunk: Uint8Array, from: number, at: number, inString: boolean): number {
    const isLong = this.#held.length + at - from > this.#maxLength;
    if (isLong) this.#refuse(chunk, from, at, "too long");
    if (this.#refused || inString) {
      if (!this.#refused) this.#listener(this.#piece(chunk, from, at), "not JSON");
      this.#refused = false;
      this.#state = this.#breaks.isSeveral ? "lost line" : "between";
      return at + 1;
    }
    this.#held.append(chunk.subarray(from, at + 1));
    this.#breaks.end(this.#held.lastMark() ?? 0);
    this.#state = "line start";
    return at + 1;
  }

  #readLineStart(chunk: Uint8Array, from: number): number {
    const breaks = this.#breaks;
    let at = from;
    for (; at < chunk.length; at++) {
      const byte = chunk[at] ?? NEWLINE;
      if (byte === NEWLINE || MEANING[byte] !== BLANK) break;
      if (byte !== RETURN) breaks.indent();
    }
    // Indentation is kept for reports only: there may be a gigabyte of it.
    const room = Math.max(0, REPORTED_BYTES - this.#held.length);
    this.#held.append(chunk.subarray(from, Math.min(at, from + room)));
    const byte = chunk[at];
    if (byte === undefined) return at;
    if (byte !== NEWLINE && breaks.goesOn(byte, this.#containers[this.#depth] ?? 0)) {
      this.#state = "value";
      return at;
    }
    this.#listener(this.#held.take(), "not JSON");
    const isRecord = byte === BRACE && !breaks.isIndented;
    this.#state = breaks.isSeveral && !isRecord ? "lost" : "between";
    return at;
  }

  #readToken(chunk: Uint8Array, from: number): number {
    let end = from;
    while (end < chunk.length && MEANING[chunk[end] ?? 0] === PLAIN) end++;
    if (this.#refused) {
      if (end === chunk.length) return end;
      this.#refused = false;
      this.#state = "between";
    } else if (this.#held.length + end - from > this.#maxLength) {
      this.#listener(this.#piece(chunk, from, end).subarray(0, this.#maxLength), "too long");
      // What an element's end is: the next mark, at which it is looked again.
      this.#refused = this.#isElement;
      if (!this.#isElement) this.#state = "skip";
    } else if (end === chunk.length) {
      this.#held.append(chunk.subarray(from));
    } else {
      const piece = this.#piece(chunk, from, end);
      if (isScalar(tokenText.decode(piece))) {
        this.#listener(piece, null);
        this.#state = "between";
      } else if (this.#isElement) {
        this.#listener(piece, "not JSON");
        this.#state = "between";
      } else {
        this.#held.append(piece);
        this.#state = "junk";
      }
    }
    return end;
  }

  #readJunk(chunk: Uint8Array, from: number): number {
    const newline = chunk.indexOf(NEWLINE, from);
    const end = newline < 0 ? chunk.length : newline;
    this.#held.append(chunk.subarray(from, Math.min(end, from + REPORTED_BYTES)));
    if (newline >= 0 || this.#held.length >= REPORTED_BYTES) {
      this.#listener(this.#held.take().subarray(0, REPORTED_BYTES), "not JSON");
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

  /** Passes over the other lines of a value that turned out to be none. */
  #passLine(chunk: Uint8Array, from: number): number {
    const newline = chunk.indexOf(NEWLINE, from);
    if (newline < 0) return chunk.length;
    this.#state = "lost line";
    return newline + 1;
  }

  /** A value's last byte has been seen. */
  #finish(chunk: Uint8Array, from: number, end: number): number {
    if (this.#held.length + end - from > this.#maxLength) {
      this.#refuse(chunk, from, end, "too long");
    }
    if (!this.#refused) this.#listener(this.#piece(chunk, from, end), null);
    this.#refused = false;
    this.#state = "between";
    return end;
  }

  /** Reports the present value, once, by what doesn't depend on where the chunk ends. */
  #refuse(chunk: Uint8Array, from: number, end: number, fault: CutFault): void {
    if (this.#refused) return;
    this.#refused = true;
    const isLong = this.#held.length + end - from > this.#maxLength;
    const piece = this.#piece(chunk, from, end).subarray(0, this.#maxLength);
    this.#listener(piece, isLong ? "too long" : fault);
  }

  /** The whole piece: what is held of it and its part in this chunk. Copies only what must be. */
  #piece(chunk: Uint8Array, from: number, end: number): Uint8Array {
    const part = chunk.subarray(from, end);
    if (this.#held.length === 0) return part;
    this.#held.append(part);
    return this.#held.take();
  }
}
