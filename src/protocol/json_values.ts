/**
 * Bytes to JSON values, however they are framed: the first stage behind the network.
 *
 * What an origin may write:
 *
 * - Values separated by newlines, CRLF, blanks, or nothing (`{…}{…}`, for ever, as the protocol's
 *   reference server does). Blank lines mean nothing. A byte order mark at the start is skipped.
 * - **A newline ends a value** unless the next line shows that it goes on (see `LineBreaks`): records
 *   may be printed over several lines, and one bad line costs that line and no other. A value is
 *   handed out with its last byte (a number or literal outside of any object: with the byte after
 *   it), not with the newline behind.
 * - An array that begins the body: its elements, one by one, wherever the lines end. With `records`,
 *   what lies there in an envelope; envelopes of one record each may follow each other. Such a body
 *   ends with its last bracket: without it, it is unfinished, and more behind it is a fault.
 * - JSON text sequences (RFC 7464), which a record separator (1E) begins: one ends whatever is begun,
 *   and each text may be framed in any of these ways.
 * - An object or array with matched brackets that isn't JSON is one reject, and the line goes on
 *   behind it. Anything else that isn't JSON rejects the rest of its line, as one reject; objects in
 *   that rest are not read, because they may be parts of another.
 * - A value of more than `maxLength` bytes is rejected (`too long`) without being held, up to its
 *   closing bracket or the newline, whichever comes first.
 * - A value that would take too much memory however few bytes it has (`{},{},…`) is rejected the same
 *   way (`too many values`).
 * - UTF-8 that isn't valid rejects the value it stands in (`invalid UTF-8`); its text is kept with
 *   replacement characters. A lone surrogate written as an escape is valid JSON and stays.
 * - Numbers and depth: see {@linkcode parseJson}; reasons `number out of range`, `nested too deep`.
 *
 * Which values and rejects come out doesn't depend on where the chunks end.
 *
 * Whole lines within a chunk take the short way: checked and decoded at once, one `JSON.parse` a
 * line. What a chunk border cuts, and every line that this refuses, goes through the
 * {@linkcode JsonCutter}.
 *
 * @module
 */

import { isUtf8 } from "node:buffer";
import { RECORD_SEPARATOR } from "./event_stream.ts";
import { JsonCutter } from "./json_cutter.ts";
import { type CutFault, REPORTED_BYTES } from "./json_piece.ts";
import { type BodyFault, JsonDocument } from "./json_document.ts";
import { DEFAULT_MAX_LENGTH } from "./json_marks.ts";
import { isJsonPrefix } from "./json_prefix.ts";
import { parseJson } from "./json_text.ts";
import { type JsonValue, placeNames } from "./record.ts";

/** A reject keeps this many UTF-16 units of its text. */
export const REJECT_TEXT_LENGTH = 16_384;

/** Longer texts of values aren't kept beside them. */
const KEPT_TEXT_LENGTH = 1 << 16;

/** Why a piece of text was refused. */
export type RejectReason = CutFault | "invalid UTF-8" | "number out of range" | "no records";

/** Text that isn't a JSON value, for quarantine. */
export interface Reject {
  /** The text without blanks around it: its first {@linkcode REJECT_TEXT_LENGTH} UTF-16 units. */
  readonly text: string;
  /** Why it was refused; small enough a set for a label. */
  readonly reason: RejectReason;
}

/** What one network chunk brought to an end. */
export interface ValueBatch {
  /** In order of arrival; any JSON value, not only objects. */
  readonly values: JsonValue[];
  /** UTF-16 length of each value's text; blanks around it on its line may be counted. */
  readonly lengths: number[];
  /** The texts of the values at their places, as far as they were kept: a number has more digits. */
  readonly texts?: readonly string[];
  /** What was refused, in order of arrival. */
  readonly rejects: Reject[];
  /** Network bytes of this push. */
  readonly bytes: number;
}

/** What has come out since the last batch. */
interface Gathered {
  values: JsonValue[];
  lengths: number[];
  texts: string[];
  rejects: Reject[];
}

/** The end of a body. */
export interface FinalBatch extends ValueBatch {
  /**
   * The text of a value that the end cut (its first {@linkcode REJECT_TEXT_LENGTH} UTF-16 units):
   * the body is not complete. `null` when everything was whole or rejected.
   */
  readonly unfinished: string | null;
}

/**
 * A chunk is read in pieces of so many bytes at most: a line that lies in one piece can't hold more
 * values than memory bears, so that the short way need not count them.
 */
const PIECE_BYTES = 1 << 18;

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const;
const NEWLINE = 0x0a;
const BRACKET = 0x5b;

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === NEWLINE || byte === 0x0d || byte === 0x09;
}

/** What the present text of a body is; see the module. */
type Framing =
  | { readonly kind: "start" | "lines" | "behind" }
  | { readonly kind: "document"; readonly document: JsonDocument };

const START: Framing = { kind: "start" }, LINES: Framing = { kind: "lines" };
/** Behind the bracket that ends a body. */
const BEHIND: Framing = { kind: "behind" };

/** Settings of {@linkcode JsonValueDecoder}. */
export interface JsonValueOptions {
  /** Most bytes of one value, default 16 MiB. */
  readonly maxLength?: number;
  /** Where the records are inside of an envelope: a field, or a JSON pointer. */
  readonly records?: string | undefined;
  /** Texts end with record separators, as a body that begins with one says by itself. */
  readonly isSequence?: boolean;
}

// With `isUtf8` before it, ten times as fast as a decoder that is `fatal`. The byte order mark is
// taken off by hand: the decoder would do it at the start of every block.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Cuts and parses the bytes of one response body.
 *
 * Pure: no I/O and no streams. Memory is bounded by `maxLength` and the size of a chunk; time is
 * linear in the bytes, however they are cut into chunks. Use a new decoder for each body.
 *
 * @example
 * ```ts
 * import { JsonValueDecoder } from "./json_values.ts";
 * const bytes = new TextEncoder().encode('{"id":1}{"id":2}\n{"id":');
 * const decoder = new JsonValueDecoder();
 * console.assert(decoder.push(bytes).values.length === 2);
 * console.assert(decoder.end().unfinished === '{"id":');
 * ```
 */
export class JsonValueDecoder {
  readonly #maxLength: number;
  readonly #cutter: JsonCutter;
  readonly #path: readonly string[] | null;
  /** How many bytes of the byte order mark have been met; `null` behind the start of the body. */
  #markLength: number | null = 0;
  #framing = START;
  #isSequence: boolean;
  /** The first envelope, while none has held records. */
  #envelope: JsonDocument | "found" | null = null;
  #fault: BodyFault | null = null;
  readonly #gathered: Gathered = { values: [], lengths: [], texts: [], rejects: [] };

  /** A decoder at the start of a body. */
  constructor(options: JsonValueOptions = {}) {
    const { maxLength = DEFAULT_MAX_LENGTH, records, isSequence = false } = options;
    this.#isSequence = isSequence;
    this.#maxLength = maxLength;
    this.#cutter = new JsonCutter(maxLength, (bytes, fault) => this.#readPiece(bytes, fault));
    this.#path = records === undefined ? null : placeNames(records);
  }

  /** Why the body can't be read on; what was complete before has been handed out. */
  get fault(): BodyFault | null {
    return this.#fault;
  }

  /** Whether the body has ended by its own bracket: more of it would be a fault. */
  get isEndProved(): boolean {
    return this.#framing === BEHIND && !this.#isSequence && this.#fault === null;
  }

  /** Whether the present place is between two records of an array: no line has to end there. */
  get isBetweenElements(): boolean {
    return this.#framing.kind === "document" && this.#cutter.isBetween;
  }

  /** Whether a record is begun and not whole yet, or an array, which says itself where it ends. */
  get isPending(): boolean {
    return this.#cutter.isPending;
  }

  /** Takes the next chunk of the body, which may begin and end anywhere, and isn't kept. */
  push(chunk: Uint8Array): ValueBatch {
    const bytes = this.#markLength === null ? chunk : this.#skipMark(chunk);
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const piece = bytes.subarray(at, at + PIECE_BYTES);
      if (this.#isSequence) this.#readTexts(piece);
      else this.#readText(piece);
    }
    return this.#takeBatch(chunk.length);
  }

  /** Ends the body: a last value without newline comes out, or is reported as `unfinished`. */
  end(): FinalBatch {
    if (this.#markLength !== null) {
      this.#readText(Uint8Array.from(BYTE_ORDER_MARK.slice(0, this.#markLength)));
    }
    const rest = this.#cutter.end();
    let unfinished: string | null = null;
    if (rest !== null) {
      const text = decoder.decode(rest);
      if (!isUtf8Prefix(rest)) this.#reject(rest, "invalid UTF-8");
      else if (isJsonPrefix(text)) unfinished = text.slice(0, REJECT_TEXT_LENGTH);
      else this.#reject(rest, "not JSON");
    }
    if (this.#framing.kind === "document") unfinished ??= "[";
    else if (this.#envelope instanceof JsonDocument) this.#fault ??= this.#envelope.lack;
    return { ...this.#takeBatch(0), unfinished };
  }

  #takeBatch(bytes: number): ValueBatch {
    const batch = { ...this.#gathered, bytes };
    this.#gathered.values = [];
    this.#gathered.lengths = [];
    this.#gathered.texts = [];
    this.#gathered.rejects = [];
    return batch;
  }

  /** Takes the byte order mark off, which may come in parts. */
  #skipMark(chunk: Uint8Array): Uint8Array {
    const metBefore = this.#markLength ?? 0;
    const expected = BYTE_ORDER_MARK.slice(metBefore, metBefore + chunk.length);
    if (expected.every((byte, index) => byte === chunk[index])) {
      const met = metBefore + expected.length;
      this.#markLength = met === BYTE_ORDER_MARK.length ? null : met;
      return chunk.subarray(expected.length);
    }
    // No mark after all: what looked like one is the beginning of the body.
    this.#markLength = null;
    this.#readText(Uint8Array.from(BYTE_ORDER_MARK.slice(0, metBefore)));
    return chunk;
  }

  /** Bytes with record separators between them, or none. */
  #readTexts(bytes: Uint8Array): void {
    for (let from = 0;;) {
      const separator = bytes.indexOf(RECORD_SEPARATOR, from);
      if (separator < 0) return this.#readText(from === 0 ? bytes : bytes.subarray(from));
      this.#readText(bytes.subarray(from, separator));
      this.#endText();
      from = separator + 1;
    }
  }

  #readText(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && this.#fault === null;) {
      const framing = this.#framing;
      switch (framing.kind) {
        case "lines":
          return this.#readChunk(at === 0 ? bytes : bytes.subarray(at));
        case "document":
          at = framing.document.push(bytes, at);
          this.#fault = framing.document.fault;
          if (framing.document.isDone) this.#endDocument(framing.document);
          break;
        default:
          while (at < bytes.length && isBlank(bytes[at])) at++;
          if (at < bytes.length && this.#begin(bytes, at)) return;
      }
    }
  }

  /** The first byte of a text that is no blank. Returns whether the rest has been read, too. */
  #begin(bytes: Uint8Array, at: number): boolean {
    if (this.#framing === BEHIND) {
      const text = decoder.decode(bytes.subarray(at, at + 40));
      this.#fault = {
        kind: "broken-body",
        seen: `sent more behind the end of its array: ${JSON.stringify(text)}`,
        hint: "an answer is one array, or records that follow each other",
      };
    } else if (bytes[at] === RECORD_SEPARATOR) {
      this.#isSequence = true;
      this.#readTexts(bytes.subarray(at));
      return true;
    } else if (this.#path !== null || bytes[at] === BRACKET) {
      this.#framing = {
        kind: "document",
        document: new JsonDocument(this.#path ?? [], this.#cutter),
      };
    } else {
      this.#framing = LINES;
    }
    return false;
  }

  /** A record separator: what is begun ends here, whole or not. */
  #endText(): void {
    const isInside = this.#framing.kind === "document" && this.#cutter.isBetween;
    this.#cutter.boundary();
    if (isInside) this.#reject(encoder.encode("["), "not JSON");
    this.#framing = START;
  }

  #endDocument(document: JsonDocument): void {
    this.#framing = document.found === "all" ? BEHIND : START;
    if (document.found !== "nothing") this.#envelope = "found";
    else if (this.#envelope === null) this.#envelope = document;
    else this.#reject(document.head, "no records");
  }

  /** Cut lines at both ends to the cutter, the whole lines between them to the short way. */
  #readChunk(chunk: Uint8Array): void {
    const linesEnd = chunk.lastIndexOf(NEWLINE) + 1;
    const linesStart = this.#cutter.isBetween ? 0 : chunk.indexOf(NEWLINE) + 1;
    this.#cutter.push(chunk.subarray(0, linesStart));
    // A value of several lines: its lines are no values.
    if (!this.#cutter.isBetween) return this.#cutter.push(chunk.subarray(linesStart));
    this.#readLines(chunk.subarray(linesStart, linesEnd));
    this.#cutter.push(chunk.subarray(linesEnd));
  }

  /** Parses lines, each with its newline. */
  #readLines(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    // The cutter knows which value is too long or isn't UTF-8.
    if (bytes.length > this.#maxLength || !isUtf8(bytes)) return this.#cutter.push(bytes);
    const text = decoder.decode(bytes);
    for (let start = 0; start < text.length;) {
      const end = text.indexOf("\n", start);
      if (end > start && !this.#readLine(text.slice(start, end))) {
        // Several values, only blanks, or something bad: the cutter tells which. It takes the lines
        // behind as well, since an exception costs ten times as much as a line does in the cutter.
        return this.#cutter.push(encoder.encode(text.slice(start)));
      }
      start = end + 1;
    }
  }

  #readLine(line: string): boolean {
    try {
      this.#gathered.values.push(parseJson(line));
    } catch {
      return false;
    }
    this.#gathered.lengths.push(line.length);
    this.#keepText(line);
    return true;
  }

  /** A piece from the cutter. */
  #readPiece(bytes: Uint8Array, fault: CutFault | null): void {
    if (fault !== null) return this.#reject(bytes, fault);
    if (!isUtf8(bytes)) return this.#reject(bytes, "invalid UTF-8");
    const text = decoder.decode(bytes);
    let value: JsonValue;
    try {
      value = parseJson(text);
    } catch (error) {
      return this.#reject(bytes, reasonOf(error));
    }
    this.#gathered.values.push(value);
    this.#gathered.lengths.push(text.length);
    this.#keepText(text);
  }

  /** Keeps the text of the value that came last. */
  #keepText(text: string): void {
    const { values, texts } = this.#gathered;
    if (text.length <= KEPT_TEXT_LENGTH) texts[values.length - 1] = text;
  }

  #reject(bytes: Uint8Array, reason: RejectReason): void {
    const reported = bytes.subarray(0, REPORTED_BYTES);
    const text = decoder.decode(reported).slice(0, REJECT_TEXT_LENGTH).trim();
    // Only a text that was shortened may end inside a character.
    const isValid = reported.length < REPORTED_BYTES ? isUtf8(reported) : isUtf8Prefix(reported);
    this.#gathered.rejects.push({
      text,
      reason: reason === "not JSON" && !isValid ? "invalid UTF-8" : reason,
    });
  }
}

/** The reason for which {@linkcode parseJson} refused a text. */
function reasonOf(error: unknown): RejectReason {
  if (!(error instanceof RangeError)) return "not JSON";
  return error.message === "nested too deep" ? "nested too deep" : "number out of range";
}

/** Whether the bytes are valid UTF-8, but for a last character that may be cut. */
function isUtf8Prefix(bytes: Uint8Array): boolean {
  if (isUtf8(bytes)) return true;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}
