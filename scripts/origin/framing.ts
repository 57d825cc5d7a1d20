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

/** Where an answer ends although there is more; nowhere by default. */
export interface PageLimits {
  readonly rows?: number | undefined;
  readonly bytes?: number | undefined;
  /** Which records are sent: a filter behind the limit, as one of rights is. */
  readonly filter?: ((record: string) => boolean) | undefined;
}

/** Frames the records of one answer, up to a page's length. */
export class Framer {
  readonly #words: FramingWords;
  readonly #limits: PageLimits;
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();
  /** Records and bytes so far, those that the filter has left out included. */
  #rows = 0;
  #bytes = 0;
  #sent = 0;
  #hasBegun = false;

  constructor(framing: Framing, limits: PageLimits) {
    this.#words = FRAMINGS[framing];
    this.#limits = limits;
  }

  /** Whether the page is full. */
  get isFull(): boolean {
    const { rows = Infinity, bytes = Infinity } = this.#limits;
    return this.#rows >= rows || this.#bytes >= bytes;
  }

  get beat(): Uint8Array<ArrayBuffer> {
    return this.#encoder.encode(this.#begin() + this.#words.beat);
  }

  /** The records of some lines, as many as there is room for. */
  records(lines: Uint8Array): { readonly bytes: Uint8Array<ArrayBuffer>; readonly rows: number } {
    const texts = this.#decoder.decode(lines).split("\n").filter((text) => text.trim() !== "");
    const { filter = () => true } = this.#limits;
    const before = this.#sent;
    let text = this.#begin();
    for (const record of texts) {
      if (this.isFull) break;
      this.#rows++;
      this.#bytes += record.length;
      if (filter(record)) text += this.#words.record(record, this.#sent++ === 0);
    }
    return { bytes: this.#encoder.encode(text), rows: this.#sent - before };
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
