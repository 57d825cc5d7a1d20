/**
 * How much a catch-up gathers before it commits, and how much of that in memory.
 *
 * @module
 */

import { rowsPerOperation } from "./limits.ts";
import type { Window } from "./window.ts";

/** Bounds of what is gathered. */
export class Room {
  /** Rows in memory at most: in the window that fills, and in the one that is being committed. */
  readonly rows: number = 80_000;

  /**
   * UTF-16 units of JSON text in memory at most: in the window that fills, and, with what is left
   * of the one that is being committed, in both. This is what bounds the memory of a catch-up.
   */
  readonly length: number = 11 * 2 ** 20;

  /** Rows from which a window of scattered keys keeps them packed. */
  readonly packFrom: number = 5_000;

  /** Rows waiting behind a commit from which following would be slower than gathering. */
  readonly behindRows: number = 10_000;

  /**
   * The part of a table's rows that a window has at most, with a file: each page of the store then
   * holds several of them, and more would gain little.
   */
  readonly share: number = 1 / 4;

  /** Sorted runs in a file at most: a few hundred rows of each are in memory as they are merged. */
  readonly runs: number = 64;

  /** Whether a window is to be committed. */
  isFull(window: Window, following: boolean): boolean {
    const { held, length, ascending } = window;
    if (length >= this.length) return true;
    if (following) return held >= this.behindRows;
    return held >= this.rows ||
      // In key order there is nothing to gain from more: two operations keep the store busy.
      (ascending && held >= 2 * rowsPerOperation(held, length));
  }

  /** Whether a window and what is left of the one before it are too much. */
  isCrowded(window: Window, before: Window | null): boolean {
    const held = before?.held ?? 0;
    return held > 0 && window.held + held >= this.rows;
  }

  /** Whether a window behind one that is being committed is to make room by writing to a file. */
  maySpill(window: Window, tableRows: number): boolean {
    return window.isPacked && window.left < tableRows * this.share && window.runs < this.runs &&
      (window.held >= this.rows / 2 || window.heldLength >= this.length / 2);
  }
}
