/**
 * Blank lines: the heartbeats of an answer that stays open, and the mark behind a backlog.
 *
 * @module
 */

import { RECORD_SEPARATOR } from "../protocol/event_stream.ts";

const NEWLINE = 0x0a;

function isBlank(byte: number | undefined): boolean {
  return byte === NEWLINE || byte === 0x0d || byte === 0x20 || byte === 0x09 ||
    byte === RECORD_SEPARATOR;
}

const COMMA = 0x2c, BRACKET = 0x5b;

/** Notices blank lines at the ends of chunks. */
export class LineEnds {
  /** Whether nothing is begun that a newline would end. */
  #isBetween = true;

  /**
   * Whether what has come so far ends with a blank line: a chunk of nothing but blanks is one too,
   * unless it may belong to the end of the line before it.
   *
   * @param isBetween whether nothing is begun, as the reader of the chunk knows
   */
  endsBlank(chunk: Uint8Array, isBetween = false): boolean {
    if (chunk.length === 0) return false;
    let newlines = 0;
    let at = chunk.length - 1;
    for (; at >= 0 && isBlank(chunk[at]); at--) if (chunk[at] === NEWLINE) newlines++;
    const wasBetween = this.#isBetween || isBetween;
    const last = chunk[at];
    // A separator ends a record as a newline does; in an array no line has to end.
    this.#isBetween = newlines > 0 || (last === undefined && wasBetween) || last === COMMA ||
      last === BRACKET || chunk[at + 1] === RECORD_SEPARATOR;
    return newlines > 1 || (last === undefined && wasBetween);
  }
}
