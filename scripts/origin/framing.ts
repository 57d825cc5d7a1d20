/**
 * How an origin frames its records: what stands before, around, between and behind them.
 *
 * @module
 */

/** One way to frame records. */
interface FramingWords {
  readonly contentType: string;
  readonly begin: string;
  /** A record's JSON as it goes onto the wire. */
  readonly record: (text: string, isFirst: boolean) => string;
  readonly end: string;
  /** What an open answer sends where nothing happens. */
  readonly beat: string;
}

function pretty(text: string): string {
  // Read and written again, every number would have to be one of JavaScript's.
  return text.replace(/^\{/, "{\n  ").replace(/\}$/, "\n}").replace(
    /,"updated_at"/,
    ',\n  "updated_at"',
  );
}

/** All ways, by name. */
export const FRAMINGS = {
  lines: {
    contentType: "application/x-ndjson",
    begin: "",
    record: (text) => `${text}\n`,
    end: "",
    beat: "\n",
  },
  pretty: {
    contentType: "application/json",
    begin: "",
    record: (text) => `${pretty(text)}\n`,
    end: "",
    beat: "\n",
  },
  array: {
    contentType: "application/json",
    begin: "[",
    record: (text, isFirst) => `${isFirst ? "\n" : ",\n"}${text}`,
    end: "\n]\n",
    beat: "\n",
  },
  envelope: {
    contentType: "application/json",
    begin: '{"meta":{"data":["no record"]},"data":[',
    record: (text, isFirst) => isFirst ? text : `,${text}`,
    end: '],"next":null}',
    beat: " ",
  },
  sequence: {
    contentType: "application/json-seq",
    begin: "",
    record: (text) => `\x1e${text}\n`,
    end: "",
    beat: "\x1e\n",
  },
  events: {
    contentType: "text/event-stream",
    begin: ": hello\n\n",
    record: (text) => `event: put\ndata: ${text}\n\n`,
    end: "",
    beat: ": beat\n\n",
  },
} as const satisfies Readonly<Record<string, FramingWords>>;

/** A name of {@linkcode FRAMINGS}. */
export type Framing = keyof typeof FRAMINGS;

/** Frames the records of one answer, up to a page's length. */
export class Framer {
  readonly #words: FramingWords;
  readonly #pageRows: number;
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();
  #rows = 0;
  #hasBegun = false;

  /** @param pageRows records of one answer at most */
  constructor(framing: Framing, pageRows: number) {
    this.#words = FRAMINGS[framing];
    this.#pageRows = pageRows;
  }

  /** Whether the page is full. */
  get isFull(): boolean {
    return this.#rows >= this.#pageRows;
  }

  get beat(): Uint8Array<ArrayBuffer> {
    return this.#encoder.encode(this.#begin() + this.#words.beat);
  }

  /** The records of some lines, as many as there is room for. */
  records(lines: Uint8Array): { readonly bytes: Uint8Array<ArrayBuffer>; readonly rows: number } {
    const texts = this.#decoder.decode(lines).split("\n").filter((text) => text.trim() !== "");
    const taken = texts.slice(0, this.#pageRows - this.#rows);
    let text = this.#begin();
    for (const record of taken) text += this.#words.record(record, this.#rows++ === 0);
    return { bytes: this.#encoder.encode(text), rows: taken.length };
  }

  end(): Uint8Array<ArrayBuffer> {
    return this.#encoder.encode(this.#begin() + this.#words.end);
  }

  #begin(): string {
    if (this.#hasBegun) return "";
    this.#hasBegun = true;
    return this.#words.begin;
  }
}
