/**
 * One line of a terminal that is drawn over and over, and log lines that pass above it.
 *
 * @module
 */

/** What the live line draws on. */
export interface Terminal {
  write(text: string): void;
  /** Columns now: a window changes its size. */
  width(): number;
}

const CLEAR = "\r\x1b[K";

/** The last line of a terminal. */
export class LiveLine {
  readonly #terminal: Terminal;
  #shown = "";
  #isOpen = true;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Draws a line made for the terminal's width; nothing where it is already there. */
  draw(format: (width: number) => string): void {
    if (!this.#isOpen) return;
    // The last column stays free: a full line would wrap, and wrapped lines can't be cleared.
    const text = format(Math.max(1, this.#terminal.width() - 1));
    if (text === this.#shown) return;
    this.#terminal.write(`${CLEAR}${text}`);
    this.#shown = text;
  }

  /** Writes a line that stays, above the live one. */
  above(line: string): void {
    this.#terminal.write(`${this.#shown === "" ? "" : CLEAR}${line}\n${this.#shown}`);
  }

  /** Clears the live line; from now on {@linkcode draw} does nothing. */
  close(): void {
    if (this.#shown !== "") this.#terminal.write(CLEAR);
    this.#shown = "";
    this.#isOpen = false;
  }
}
