/**
 * A window: the rows gathered between two commits, handed out sorted by key with one row a key.
 *
 * Why sort: a commit whose keys are scattered touches one B-tree page a row, and that, not the
 * fsync, is then what a commit costs. Rows that are neighbours in the store share pages, and the
 * more of a table a window covers, the more of them are.
 *
 * So a window of scattered keys should be large, and has to be small in memory: from a few
 * thousand rows on it keeps each as the bytes of its JSON text, and parses it again when its turn
 * comes. Of a large table even that is no great part: then a window can write what it holds to a
 * file, as a sorted run, and go on filling. The commits are what is slow there, not the parser.
 *
 * @module
 */

import { compareOrder, maxOrder, type Order } from "../../protocol/cursor.ts";
import type { RecordShape, Row } from "../../protocol/record.ts";
import type { Reject, RowBatch } from "../../stream/row_reader.ts";
import { GatheredRows } from "./gathered_rows.ts";
import { merged } from "./spill_file.ts";
import { WindowFile } from "./window_file.ts";

/** How a window keeps its rows. */
export interface WindowOptions {
  readonly shape: RecordShape;
  /** Rows from which a window of scattered keys is packed. */
  readonly packFrom: number;
  /** The store beside which a file may be made for rows that memory is too small for; null: none. */
  readonly spillBeside: string | null;
}

/** UTF-16 units of a slice, from which on it gets no more rows. */
const SLICE_LENGTH = 2 ** 21;

/** Length of a reject besides its text, in UTF-16 units. */
const REJECT_LENGTH = 128;

/** Rows in the order of their arrival, until they are taken. */
export class Window {
  readonly #options: WindowOptions;
  readonly #rows = new GatheredRows();
  readonly #file: WindowFile;
  rejects: Reject[] = [];
  /** Sum of the rejects' lengths, in UTF-16 units. */
  #rejectLength = 0;
  maxOrder: Order | null = null;
  /** The greatest order that the cursor may stand at: that of records which are not in the future. */
  settledOrder: Order | null = null;
  /** Rows that gave way to one of the same key; known once all slices are handed out. */
  superseded = 0;
  /** Rows not handed out yet. */
  left = 0;

  constructor(options: WindowOptions) {
    this.#options = options;
    this.#file = new WindowFile(options.spillBeside);
  }

  /** Rows in memory that are not handed out yet. */
  get held(): number {
    return this.#rows.count;
  }

  /** Sum of the lengths of the rows in memory, in UTF-16 units; roughly. */
  get heldLength(): number {
    return this.#rows.length;
  }

  /** Length of the longest row that ever was in it, in UTF-16 units. */
  get longest(): number {
    return this.#rows.longest;
  }

  /** True while every key came after the one before it: then there is nothing to gain from waiting. */
  get ascending(): boolean {
    return this.#rows.ascending;
  }

  /** Rows that are deletions, roughly: of a key that came twice, both count. */
  get deletions(): number {
    return this.#rows.deletions;
  }

  /** Sum of the lengths of rows and rejects in memory, which is bounded by it. */
  get length(): number {
    return this.#rows.length + this.#rejectLength;
  }

  /** Sorted runs that were written to a file. */
  get runs(): number {
    return this.#file.runs;
  }

  get empty(): boolean {
    return this.left === 0 && this.rejects.length === 0;
  }

  get isPacked(): boolean {
    return this.#rows.isPacked;
  }

  /** @param settledOrder the greatest order of the batch that the cursor may stand at */
  add(batch: RowBatch, settledOrder: Order | null = batch.maxOrder): void {
    for (const row of batch.rows) this.#rows.push(row);
    this.left += batch.rows.length;
    for (const reject of batch.rejects) {
      this.rejects.push(reject);
      this.#rejectLength += reject.text.length + REJECT_LENGTH;
    }
    this.maxOrder = maxOrder(this.maxOrder, batch.maxOrder);
    this.settledOrder = maxOrder(this.settledOrder, settledOrder);
    if (!this.ascending && this.held >= this.#options.packFrom) this.#rows.pack();
  }

  /** Takes the oldest rows, and all rejects, into a window of their own; not from a packed one. */
  take(rows: number): Window {
    const taken = new Window(this.#options);
    for (const row of this.#rows.take(rows)) {
      taken.#rows.push(row);
      taken.maxOrder = maxOrder(taken.maxOrder, row.order);
    }
    taken.left = taken.held;
    taken.#settleUpTo(this.settledOrder);
    this.left -= taken.left;
    taken.rejects = this.rejects;
    taken.#rejectLength = this.#rejectLength;
    this.rejects = [];
    this.#rejectLength = 0;
    // `maxOrder` may only be too cautious for what is left.
    return taken;
  }

  /** Where the cursor may stand once the rows are written, given the greatest order where it may. */
  #settleUpTo(limit: Order | null): void {
    const greatest = this.maxOrder;
    if (limit === null || greatest === null) return;
    if (compareOrder(greatest, limit) <= 0) this.settledOrder = greatest;
    else {
      for (const { order } of this.#rows.plain ?? []) {
        if (compareOrder(order, limit) <= 0) this.settledOrder = maxOrder(this.settledOrder, order);
      }
    }
  }

  /** The rows, in the order of their arrival; null where they are packed. */
  peek(): readonly Row[] | null {
    return this.runs === 0 ? this.#rows.plain : null;
  }

  /** True while rows in memory may go to a file. In key order there is nothing to gain from it. */
  get canSpill(): boolean {
    return !this.ascending && this.#file.canWrite;
  }

  /**
   * Writes the rows in memory to a file, which makes room for more. Where that fails, they stay
   * where they are, and the window can't do it again.
   */
  async spill(): Promise<void> {
    if (!this.canSpill) return;
    const beaten = await this.#file.write(this.#rows.pack());
    if (beaten === null) return;
    this.superseded += beaten;
    this.left -= beaten;
    this.#rows.spilled();
  }

  /**
   * Hands the rows out in key order, so many at a time, the winner of each key only: the greatest
   * order, and of equal orders the one that came last. A window is handed out once.
   */
  async *slices(size: number): AsyncGenerator<Row[]> {
    await this.#file.written();
    // The memory is for the next window.
    if (this.runs > 0 && this.held > 0) await this.spill();
    const isFiled = this.runs > 0;
    for await (const slice of isFiled ? this.#merged(size) : this.#fromMemory(size)) {
      this.left -= slice.length;
      yield slice;
    }
  }

  *#fromMemory(size: number): Generator<Row[]> {
    let isFirst = true;
    for (const slice of this.#rows.slices(size, this.#options.shape)) {
      if (isFirst) this.#superseded(slice.length + this.held);
      isFirst = false;
      yield slice;
    }
  }

  async *#merged(size: number): AsyncGenerator<Row[]> {
    const { shape } = this.#options;
    const sources = this.#file.sources(shape);
    if (this.held > 0) sources.push(this.#rows.source(shape));
    let slice: Row[] = [];
    let length = 0;
    for await (const rows of merged(sources)) {
      for (const row of rows) {
        length += row.length;
        if (slice.push(row) < size && length < SLICE_LENGTH) continue;
        yield slice;
        slice = [];
        length = 0;
      }
    }
    this.#superseded(slice.length);
    if (slice.length > 0) yield slice;
  }

  /** No more than so many rows are left to be handed out: the others gave way. */
  #superseded(left: number): void {
    this.superseded += this.left - left;
    this.left = left;
  }

  /** Gives everything back; what was not handed out is forgotten. */
  close(): Promise<void> {
    return this.#file.close();
  }
}
