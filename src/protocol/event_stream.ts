/**
 * Server-sent events → the text of their data, for the reader of JSON behind it.
 *
 * The wire (WHATWG HTML, "Server-sent events"): lines `field: value`, ended by LF, CR or CRLF; a
 * blank line ends an event; several `data:` lines of one event are one text with newlines between;
 * a line that begins with a colon is a comment. The other fields mean nothing here.
 *
 * What comes out: each `data:` line's value with a newline, a record separator (1E) at the end of
 * an event that had data, and a newline for every other line, so that a comment is a blank line.
 *
 * @module
 */

const NEWLINE = 0x0a, RETURN = 0x0d, COLON = 0x3a, BLANK = 0x20, SEPARATOR = 0x1e;

/** Ends whatever is begun, also in a JSON text sequence (RFC 7464). */
export const RECORD_SEPARATOR = SEPARATOR;

const DATA = "data";
const MARK = "\u00ef\u00bb\u00bf";

/** One stream of events; nothing of it is held but the first letters of a line. */
export class EventStreamText {
  #state: "field" | "blank?" | "data" | "other" = "field";
  /** The line's first bytes, as Latin-1: no longer than the name that is looked for. */
  #field = "";
  #hasData = false;
  #isAfterReturn = false;
  #isFirstLine = true;

  /** The text of a chunk, which may begin and end anywhere; no longer than the chunk. */
  push(chunk: Uint8Array): Uint8Array {
    const out = new Uint8Array(chunk.length);
    let length = 0;
    for (let at = 0; at < chunk.length;) {
      const byte = chunk[at] ?? 0;
      if (this.#isAfterReturn && byte === NEWLINE) {
        this.#isAfterReturn = false;
        at++;
        continue;
      }
      this.#isAfterReturn = false;
      if (byte === NEWLINE || byte === RETURN) {
        this.#isAfterReturn = byte === RETURN;
        out[length++] = this.#endLine();
        at++;
        continue;
      }
      if (this.#state === "blank?") {
        this.#state = "data";
        if (byte === BLANK) at++;
        continue;
      }
      if (this.#state === "field") {
        this.#readField(byte);
        at++;
        continue;
      }
      const end = endOfLine(chunk, at);
      if (this.#state === "data") {
        out.set(chunk.subarray(at, end), length);
        length += end - at;
      }
      at = end;
    }
    return out.subarray(0, length);
  }

  #readField(byte: number): void {
    if (byte === COLON) {
      this.#state = this.#name === DATA ? "blank?" : "other";
      if (this.#state === "blank?") this.#hasData = true;
      return;
    }
    this.#field += String.fromCharCode(byte);
    if (this.#field.length > DATA.length + MARK.length) this.#state = "other";
  }

  /** The field's name; a byte order mark may stand before the first. */
  get #name(): string {
    return this.#isFirstLine && this.#field.startsWith(MARK)
      ? this.#field.slice(MARK.length)
      : this.#field;
  }

  /** What stands for the end of the line. */
  #endLine(): number {
    const isBlank = this.#state === "field" && this.#name === "";
    if (this.#state === "field" && this.#name === DATA) this.#hasData = true;
    this.#state = "field";
    this.#field = "";
    this.#isFirstLine = false;
    if (!isBlank || !this.#hasData) return NEWLINE;
    this.#hasData = false;
    return SEPARATOR;
  }
}

function endOfLine(chunk: Uint8Array, from: number): number {
  const newline = chunk.indexOf(NEWLINE, from);
  const end = newline < 0 ? chunk.length : newline;
  const cr = chunk.subarray(from, end).indexOf(RETURN);
  return cr < 0 ? end : from + cr;
}
