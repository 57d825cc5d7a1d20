/**
 * Does a value go on behind a newline? A record may be printed over several lines, and a bad line
 * must not swallow those behind it: the beginning of the next line decides.
 *
 * It goes on where the next line is indented, or begins with the bracket that closes what is open,
 * provided that JSON allows there what the line begins with. A printer that indents by nothing breaks
 * the line right behind the first `{`, and lets the next one begin with a name: then all lines of
 * the value may begin at the margin. A blank line ends every value.
 *
 * @module
 */

const OPENING_BRACE = 0x7b, CLOSING_BRACE = 0x7d, OPENING_BRACKET = 0x5b, CLOSING_BRACKET = 0x5d;
const COMMA = 0x2c, COLON = 0x3a, QUOTE = 0x22;

/** What is known of the lines of one value. */
export class LineBreaks {
  /** Newlines behind which the value went on. */
  #count = 0;
  /** The last byte before the newline that is no blank. */
  #last = 0;
  #isIndented = false;
  #isAtMargin = false;

  /** Whether the value has more than one line. */
  get isSeveral(): boolean {
    return this.#count > 0;
  }

  /** Whether the present line has blanks at its start. */
  get isIndented(): boolean {
    return this.#isIndented;
  }

  /**
   * Whether the value may well go on: it did already, or the newline stands right behind the first
   * bracket, where only a printer puts it.
   */
  get mayGoOn(): boolean {
    return this.#count > 0 || this.#last === OPENING_BRACE || this.#last === OPENING_BRACKET;
  }

  /** A value begins. */
  begin(): void {
    this.#count = 0;
    this.#isAtMargin = false;
  }

  /** A newline outside of strings, behind this byte. */
  end(last: number): void {
    this.#last = last;
    this.#isIndented = false;
  }

  /** A blank at a line's start. */
  indent(): void {
    this.#isIndented = true;
  }

  /**
   * Whether the line that begins with this byte is the value's.
   *
   * @param container the innermost bracket that is open
   */
  goesOn(byte: number, container: number): boolean {
    if (!this.#isPossible(byte, container)) return false;
    if (byte === QUOTE && this.#last === OPENING_BRACE && this.#count === 0) {
      this.#isAtMargin = !this.#isIndented;
    }
    const isClosing = byte === CLOSING_BRACE || byte === CLOSING_BRACKET;
    if (!this.#isIndented && !isClosing && !this.#isAtMargin) return false;
    this.#count++;
    return true;
  }

  /** Whether JSON allows the byte behind the last one. */
  #isPossible(byte: number, container: number): boolean {
    const last = this.#last;
    const isBehindOpening = last === OPENING_BRACE || last === OPENING_BRACKET;
    const isOpen = isBehindOpening || last === COMMA || last === COLON;
    if (byte === COMMA || byte === COLON) return !isOpen;
    if (byte === CLOSING_BRACE || byte === CLOSING_BRACKET) {
      const closes = byte === CLOSING_BRACE ? OPENING_BRACE : OPENING_BRACKET;
      return container === closes && (isBehindOpening || !isOpen);
    }
    if (byte === QUOTE) return isOpen;
    // A value without a name.
    return last === COLON || (container === OPENING_BRACKET && isOpen);
  }
}
