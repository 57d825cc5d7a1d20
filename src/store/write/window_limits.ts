/**
 * How much a catch-up gathers before it commits, and how much of that in memory.
 *
 * @module
 */

import { rowsPerOperation } from "../kv/limits.ts";
import type { Table } from "../table/table.ts";
import { FLUSH_LIMITS } from "./flush_policy.ts";
import type { Window, WindowOptions } from "./window.ts";

/** Bounds of what is gathered. */
export class WindowLimits {
  /**
   * Rows in memory at most: in the window that fills, and, with what is left of the one that is
   * being committed, in both.
   */
  readonly rows: number = 50_000;

  /**
   * UTF-16 units of JSON text in memory at most, in each of the two windows: large rows fill them
   * long before the bound above.
   */
  readonly length: number = 7 * 2 ** 20;

  /** Rows from which a window of scattered keys keeps them packed. */
  readonly packFrom: number = 5_000;

  /**
   * UTF-16 units of a table's JSON text, roughly, from which on a window may have a file: below, one
   * in memory covers enough of the pages, and the file costs more than it gains.
   */
  readonly spillFrom: number = 8 * this.length;

  /**
   * Sorted runs in a file at most, each of half the rows above or more. As they are merged, about
   * 150 small rows of each are in memory; and the longer they are, the longer the next window has to
   * wait for its turn.
   */
  readonly runs: number = 24;

  /**
   * UTF-16 units of a window's rows in the mean, up to which it may have a file: half a page. Longer
   * ones share no pages, so that there is nothing to gain from neighbours.
   */
  readonly mean: number = 2 ** 12;

  /**
   * UTF-16 units of the longest row of a window that may have a file. As the runs are merged, one row
   * of each is in memory at least.
   */
  readonly longest: number = 2 ** 16;

  /**
   * How a table's windows keep their rows.
   *
   * @param isTransformed whether rows are stored as something else than the origin's record
   */
  windowsOf(table: Table, isTransformed: boolean): WindowOptions {
    const { store: { path }, shape, index } = table;
    // A row that doesn't follow from its stored value can be neither packed nor in a file; and the
    // entries of a window as long as a file makes it would be too many for the change index.
    const isFileless = path === ":memory:" || isTransformed || index !== null;
    return {
      shape,
      packFrom: isTransformed ? Infinity : this.packFrom,
      spillBeside: isFileless ? null : path,
    };
  }

  /** A full window is to be committed. */
  isFull(window: Window, following: boolean): boolean {
    const { held, length, ascending } = window;
    if (length >= this.length) return true;
    if (following) return held >= FLUSH_LIMITS.behindRows;
    return held >= this.rows ||
      // In key order there is nothing to gain from more: two operations keep the store busy.
      (ascending && held >= 2 * rowsPerOperation(held, length));
  }

  /** A window and the rest of the one before it may be too much together. */
  isCrowded(window: Window, before: Window | null): boolean {
    const held = before?.held ?? 0;
    return held > 0 && window.held + held >= this.rows;
  }

  /**
   * A window behind one that is being committed may make room by writing to a file.
   *
   * @param rows of the table, roughly
   */
  maySpill(window: Window, rows: number): boolean {
    const { held, heldLength } = window;
    const mean = heldLength / held;
    return window.canSpill && window.runs < this.runs && window.longest <= this.longest &&
      mean <= this.mean && rows * mean >= this.spillFrom &&
      (held >= this.rows / 2 || heldLength >= this.length / 2);
  }
}
