/**
 * One JSON document that holds records: an array of them, or an envelope around one.
 *
 * The document is walked along a path (the names of `--records`) to the place of its records; what
 * lies beside the path is passed over. The elements of the array there are cut one by one, so that
 * memory is bounded by one record, not by the document. One object there is one record; `null` is
 * none.
 *
 * ```
 *                   the path's end:  [ → elements ⇄ element ──── ] ──┐
 *   value ────────┬────────────────  { → single (one record) ────────┤
 *     ↑           ├────────────────  null → skip ────────────────────┤
 *     │           └ on the path:  {  [ → inside                      │
 *     └──────── the path's next ──── inside ←────────────────────────┘
 *                                      ├ another → skip → inside
 *                                      └ }  ] → inside the one around it, or done
 * ```
 *
 * @module
 */

import { HeldBytes } from "./held_bytes.ts";
import type { JsonCutter } from "./json_cutter.ts";
import { REPORTED_BYTES } from "./json_piece.ts";

/** Why a body is not to be read on: words that follow the URL in a message. */
export interface BodyFault {
  /** `not-records`: something else altogether; `broken-body`: another attempt may be better. */
  readonly kind: "broken-body" | "not-records";
  /** What was seen, with its verb. */
  readonly seen: string;
  /** What to do about it. */
  readonly hint: string;
}

/** Names of fields that a message tells at most. */
const TOLD_FIELDS = 12;

/** A name longer than this is none of the path's. */
const LONGEST_NAME_BYTES = 4096;

const QUOTE = 0x22, BACKSLASH = 0x5c, COMMA = 0x2c, COLON = 0x3a;
const BRACE = 0x7b, END_BRACE = 0x7d, BRACKET = 0x5b, END_BRACKET = 0x5d, NULL = 0x6e;

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** Whether a byte can't begin a value. */
function isDivider(byte: number): boolean {
  return byte === COMMA || byte === COLON || byte === END_BRACE || byte === END_BRACKET;
}

/** Where a document is read; see the drawing above. */
type State =
  | "value"
  | "inside"
  | "name"
  | "colon"
  | "skip"
  | "elements"
  | "element"
  | "between"
  | "single"
  | "done";

/** An object or array on the path that is open. */
interface Container {
  readonly isArray: boolean;
  /** Of an array: the position of the present value. */
  index: number;
}

/** A part of a value that is passed over. */
interface Skipped {
  depth: number;
  string: "no" | "inside" | "escape";
}

/** Reads one document; a new one for each. */
export class JsonDocument {
  readonly #path: readonly string[];
  readonly #cutter: JsonCutter;
  readonly #open: Container[] = [];
  readonly #name = new HeldBytes();
  /** The document's first bytes, for the report where it holds no records. */
  readonly #head = new HeldBytes();
  readonly #skipped: Skipped = { depth: 0, string: "no" };
  /** The fields at the top, and whether each holds an array. */
  readonly #fields = new Map<string, boolean>();
  #state: State = "value";
  #found: "nothing" | "one" | "all" = "nothing";
  #fault: BodyFault | null = null;

  /**
   * @param path names on the way to the records; none: the document is their array
   * @param cutter cuts the records, and is between two of them
   */
  constructor(path: readonly string[], cutter: JsonCutter) {
    this.#path = path;
    this.#cutter = cutter;
  }

  /** Whether its last bracket has come. */
  get isDone(): boolean {
    return this.#state === "done";
  }

  /** `nothing` where it has no such place, `one` record, or `all` of an array. */
  get found(): "nothing" | "one" | "all" {
    return this.#found;
  }

  /** Why it can't be read on. */
  get fault(): BodyFault | null {
    return this.#fault;
  }

  /** Its first bytes, as text. */
  get head(): Uint8Array {
    return this.#head.take();
  }

  /** An object without the path's place, in words. */
  get lack(): BodyFault {
    return {
      kind: "not-records",
      seen: `answered with ${this.#describe()}, and nothing at ${this.#place}`,
      hint: envelopeHint([...this.#fields].filter(([, isArray]) => isArray).map(([name]) => name)),
    };
  }

  get #place(): string {
    return this.#path.length === 1 ? this.#path[0] ?? "" : `/${this.#path.join("/")}`;
  }

  #describe(): string {
    return describeFields([...this.#fields.keys()]);
  }

  /** Reads on from `from`. Returns where the document, or the chunk, ends; or where it broke. */
  push(chunk: Uint8Array, from: number): number {
    let at = from;
    while (at < chunk.length && this.#state !== "done" && this.#fault === null) {
      at = this.#step(chunk, at);
    }
    if (this.#path.length > 0 && this.#head.length < REPORTED_BYTES) {
      const room = REPORTED_BYTES - this.#head.length;
      this.#head.append(chunk.subarray(from, Math.min(at, from + room)));
    }
    return at;
  }

  #step(chunk: Uint8Array, at: number): number {
    const byte = chunk[at] ?? 0;
    switch (this.#state) {
      case "element":
      case "single": {
        const end = this.#cutter.element(chunk, at);
        if (this.#cutter.isBetween) this.#closed(this.#state === "element");
        return end;
      }
      case "skip":
        return this.#skip(chunk, at);
      case "name":
        return this.#readName(chunk, at);
    }
    if (isBlank(byte)) return at + 1;
    switch (this.#state) {
      case "value":
        return this.#beginValue(chunk, byte, at);
      case "colon":
        if (byte !== COLON) return this.#break(chunk, at);
        this.#beginField(this.#takeName());
        return at + 1;
      case "inside":
        return this.#inside(chunk, byte, at);
      case "elements":
      case "between":
        return this.#betweenElements(chunk, byte, at);
      default:
        return at;
    }
  }

  /** A value on the path, or at its end. */
  #beginValue(chunk: Uint8Array, byte: number, at: number): number {
    if (isDivider(byte)) return this.#break(chunk, at);
    const level = this.#open.length;
    if (level < this.#path.length) {
      if (
        level === 0 && byte !== BRACE && !(byte === BRACKET && /^\d+$/.test(this.#path[0] ?? ""))
      ) {
        this.#fault = {
          kind: "not-records",
          seen: byte === BRACKET
            ? `answered with an array, which has no field ${this.#place}`
            : `answered with something that is no object with a field ${this.#place}`,
          hint: byte === BRACKET ? "leave --records out: the array is read as it is" : CHECK_URL,
        };
        return at;
      }
      if (byte !== BRACE && byte !== BRACKET) {
        this.#beginSkip();
        return at;
      }
      this.#open.push({ isArray: byte === BRACKET, index: 0 });
      this.#state = "inside";
      return at + 1;
    }
    if (byte === BRACKET) {
      this.#found = "all";
      this.#state = "elements";
      return at + 1;
    }
    if (byte === BRACE) {
      this.#found = "one";
      this.#state = "single";
    } else if (byte === NULL) {
      this.#found = "all";
      this.#beginSkip();
    } else {
      this.#fault = {
        kind: "not-records",
        seen: `holds no records at ${this.#place}: there is neither an array nor an object`,
        hint: `check --records; at the top there is ${this.#describe()}`,
      };
    }
    return at;
  }

  /** Between two values of an object or array on the path. */
  #inside(chunk: Uint8Array, byte: number, at: number): number {
    const container = this.#open.at(-1);
    if (container === undefined) return this.#break(chunk, at);
    if (byte === (container.isArray ? END_BRACKET : END_BRACE)) {
      this.#open.pop();
      this.#state = this.#open.length === 0 ? "done" : "inside";
      return at + 1;
    }
    if (byte === COMMA) {
      container.index++;
      return at + 1;
    }
    if (container.isArray) {
      if (isDivider(byte)) return this.#break(chunk, at);
      if (this.#isNext(String(container.index))) this.#state = "value";
      else this.#beginSkip();
      return at;
    }
    if (byte !== QUOTE) return this.#break(chunk, at);
    this.#state = "name";
    this.#skipped.string = "inside";
    return at + 1;
  }

  #beginField(name: string): void {
    if (this.#open.length === 1 && this.#fields.size < TOLD_FIELDS) this.#fields.set(name, false);
    if (this.#isNext(name)) this.#state = "value";
    else this.#beginSkip();
  }

  /** Whether this name, or position, leads on along the path. */
  #isNext(name: string): boolean {
    return name === this.#path[this.#open.length - 1];
  }

  #readName(chunk: Uint8Array, from: number): number {
    let at = from;
    const { string } = this.#skipped;
    let isEscape = string === "escape";
    for (; at < chunk.length; at++) {
      const byte = chunk[at];
      if (isEscape) isEscape = false;
      else if (byte === BACKSLASH) isEscape = true;
      else if (byte === QUOTE) break;
    }
    const room = Math.max(0, LONGEST_NAME_BYTES - this.#name.length);
    this.#name.append(chunk.subarray(from, Math.min(at, from + room)));
    this.#skipped.string = isEscape ? "escape" : "inside";
    if (at === chunk.length) return at;
    this.#state = "colon";
    return at + 1;
  }

  #takeName(): string {
    const text = new TextDecoder().decode(this.#name.take());
    try {
      return String(JSON.parse(`"${text}"`));
    } catch {
      return text;
    }
  }

  #beginSkip(): void {
    this.#state = "skip";
    this.#skipped.depth = 0;
    this.#skipped.string = "no";
  }

  /** Passes over a value: to its end, or to the mark behind a number or literal. */
  #skip(chunk: Uint8Array, from: number): number {
    const skipped = this.#skipped;
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at];
      if (skipped.string === "escape") skipped.string = "inside";
      else if (skipped.string === "inside") {
        if (byte === BACKSLASH) skipped.string = "escape";
        else if (byte === QUOTE) skipped.string = "no";
      } else if (byte === QUOTE) skipped.string = "inside";
      else if (byte === BRACE || byte === BRACKET) {
        if (byte === BRACKET && skipped.depth === 0) this.#noteArray();
        skipped.depth++;
      } else if (skipped.depth > 0) {
        if (byte === END_BRACE || byte === END_BRACKET) skipped.depth--;
      } else if (byte === COMMA || byte === END_BRACE || byte === END_BRACKET) {
        this.#state = this.#open.length === 0 ? "done" : "inside";
        return at;
      }
    }
    return chunk.length;
  }

  /** The last field at the top holds an array. */
  #noteArray(): void {
    const name = this.#open.length === 1 ? [...this.#fields.keys()].at(-1) : undefined;
    if (name !== undefined) this.#fields.set(name, true);
  }

  #betweenElements(chunk: Uint8Array, byte: number, at: number): number {
    if (byte === END_BRACKET) {
      this.#closed(false);
      return at + 1;
    }
    if (byte === COMMA) {
      this.#state = "elements";
      return at + 1;
    }
    if (this.#state === "between" || byte === END_BRACE || byte === COLON) {
      return this.#break(chunk, at);
    }
    this.#state = "element";
    return at;
  }

  /** An element, or the records' own value, has come to its end. */
  #closed(isElement: boolean): void {
    if (isElement) this.#state = "between";
    else this.#state = this.#open.length === 0 ? "done" : "inside";
  }

  #break(chunk: Uint8Array, at: number): number {
    const text = new TextDecoder().decode(chunk.subarray(at, at + 40));
    this.#fault = {
      kind: "broken-body",
      seen: `sent an answer that is not JSON, from ${JSON.stringify(text)} on`,
      hint: "what was complete is kept; look at what the origin sends",
    };
    return at;
  }
}

const CHECK_URL = "check --url and --records against what the origin sends";

/** `an object with fields data, next`. */
export function describeFields(names: readonly string[]): string {
  if (names.length === 0) return "an empty object";
  const told = names.slice(0, TOLD_FIELDS).map((name) => name.slice(0, 40)).join(", ");
  return `an object with ${names.length === 1 ? "the field" : "fields"} ${told}`;
}

/** Advice where records seem to be in a field, of those that hold arrays. */
export function envelopeHint(names: readonly string[]): string {
  const [name] = names;
  if (name === undefined) return CHECK_URL;
  const option = `--records ${/^[\w./-]+$/.test(name) ? name : `'${name}'`}`;
  return names.length === 1
    ? `records are probably in \`${name}\`: give ${option}`
    : `records are probably in one of ${names.join(", ")}: give ${option}, or another`;
}
