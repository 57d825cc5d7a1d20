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
import { compareKeys } from "../kv/key_order.ts";
import { PackedRows } from "./packed_rows.ts";
import { merged, type RowSource, SpillFile } from "./spill_file.ts";
import { newestPerKey, pick, rowArrivals } from "./newest_per_key.ts";

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

/** What a reject takes besides its text, in UTF-16 units. */
const REJECT_LENGTH = 128;

/** Rows parsed at once from the memory of a window that has a file as well. */
const REST_ROWS = 150;

/** Rows in the order of their arrival, until they are taken. */
export class Window {
  readonly #options: WindowOptions;
  rejects: Reject[] = [];
  /** Sum of the rejects' lengths, in UTF-16 units. */
  #rejectLength = 0;
  /** Length of the longest row that ever was in it, in UTF-16 units. */
  longest = 0;
  /** Sum of the lengths of the rows in memory, in UTF-16 units; roughly. */
  heldLength = 0;
  /** Whether every key came after the one before it: then there is nothing to gain from waiting. */
  ascending = true;
  maxOrder: Order | null = null;
  /** The greatest order that the cursor may stand at: that of records which are not in the future. */
  settledOrder: Order | null = null;
  #rows: Row[] = [];
  #packed: PackedRows | null = null;
  #file: SpillFile | null = null;
  #spilling: Promise<void> | null = null;
  #hasFailedToSpill = false;
  /** Rows that gave way to one of the same key; known once all slices are handed out. */
  superseded = 0;
  /** Rows that are deletions, roughly: of a key that came twice, both count. */
  deletions = 0;
  /** Rows not handed out yet. */
  left = 0;
  /** Those of them that are in memory. */
  held = 0;

  constructor(options: WindowOptions) {
    this.#options = options;
  }

  /** Sum of the lengths of rows and rejects in memory, which is bounded by it. */
  get length(): number {
    return this.heldLength + this.#rejectLength;
  }

  /** Sorted runs that were written to a file. */
  get runs(): number {
    return this.#file?.runs ?? 0;
  }

  get empty(): boolean {
    return this.left === 0 && this.rejects.length === 0;
  }

  /** @param settledOrder the greatest order of the batch that the cursor may stand at */
  add(batch: RowBatch, settledOrder: Order | null = batch.maxOrder): void {
    for (const row of batch.rows) this.#push(row);
    for (const reject of batch.rejects) {
      this.rejects.push(reject);
      this.#rejectLength += reject.text.length + REJECT_LENGTH;
    }
    this.maxOrder = maxOrder(this.maxOrder, batch.maxOrder);
    this.settledOrder = maxOrder(this.settledOrder, settledOrder);
    if (!this.ascending && this.#rows.length >= this.#options.packFrom) this.#pack();
  }

  #pack(): PackedRows {
    const packed = new PackedRows();
    for (const row of this.#rows.splice(0)) packed.push(row);
    this.#packed = packed;
    return packed;
  }

  /** Takes the oldest rows, and all rejects, into a window of their own; not from a packed one. */
  take(rows: number): Window {
    const taken = new Window(this.#options);
    for (const row of this.#rows.splice(0, rows)) {
      taken.#push(row);
      taken.maxOrder = maxOrder(taken.maxOrder, row.order);
      const { settledOrder } = this;
      if (settledOrder !== null && compareOrder(row.order, settledOrder) <= 0) {
        taken.settledOrder = maxOrder(taken.settledOrder, row.order);
      }
      this.heldLength -= row.length;
    }
    this.left -= taken.left;
    this.held -= taken.left;
    this.deletions -= taken.deletions;
    taken.rejects = this.rejects;
    taken.#rejectLength = this.#rejectLength;
    this.rejects = [];
    this.#rejectLength = 0;
    // `ascending` and `maxOrder` may only be too cautious for what is left.
    return taken;
  }

  /** The rows, in the order of their arrival; null where they are packed. */
  peek(): readonly Row[] | null {
    return this.isPacked || this.#file !== null ? null : this.#rows;
  }

  get isPacked(): boolean {
    return this.#packed !== null;
  }

  /** Whether rows in memory may go to a file. In key order there is nothing to gain from it. */
  get canSpill(): boolean {
    return !this.ascending && this.#options.spillBeside !== null && !this.#hasFailedToSpill;
  }

  /**
   * Writes the rows in memory to a file, which makes room for more. Where that fails, they stay
   * where they are, and the window can't do it again.
   */
  async spill(): Promise<void> {
    const { spillBeside } = this.#options;
    if (!this.canSpill || spillBeside === null) return;
    this.#spilling = this.#spill(this.#packed ?? this.#pack(), spillBeside);
    await this.#spilling;
  }

  async #spill(packed: PackedRows, store: string): Promise<void> {
    const winning = newestPerKey(packed);
    try {
      this.#file ??= await SpillFile.create(store);
      await this.#file.write(packed, winning);
    } catch {
      // The disk is full, or the folder isn't writable: smaller windows do the job as well.
      this.#hasFailedToSpill = true;
      return;
    }
    const beaten = packed.length - winning.length;
    this.superseded += beaten;
    this.left -= beaten;
    this.#emptied(packed);
    this.#packed = new PackedRows();
  }

  /**
   * Hands the rows out in key order, so many at a time, the winner of each key only: the greatest
   * order, and of equal orders the one that came last. A window is handed out once.
   */
  async *slices(size: number): AsyncGenerator<Row[]> {
    await this.#spilling;
    if (this.#file === null) return yield* this.#fromMemory(size);
    // The memory is for the next window.
    if (this.held > 0 && this.canSpill) await this.spill();
    const { shape } = this.#options;
    const sources = this.#file.sources(shape);
    if (this.#packed !== null) sources.push(restOf(this.#packed, shape));
    let slice: Row[] = [];
    let length = 0;
    for await (const rows of merged(sources)) {
      for (const row of rows) {
        length += row.length;
        if (slice.push(row) < size && length < SLICE_LENGTH) continue;
        this.left -= slice.length;
        yield slice;
        slice = [];
        length = 0;
      }
    }
    this.superseded += this.left - slice.length;
    this.left = 0;
    this.#emptied(this.#packed);
    if (slice.length > 0) yield slice;
  }

  *#fromMemory(size: number): Generator<Row[]> {
    const packed = this.#packed;
    const rows = this.#rows;
    const winning = this.ascending ? null : newestPerKey(packed ?? rowArrivals(rows));
    const count = winning?.length ?? rows.length;
    this.superseded = this.left - count;
    this.left = count;
    for (let from = 0; from < count; from += size) {
      const to = Math.min(from + size, count);
      const positions = winning?.subarray(from, to);
      const slice = positions === undefined
        ? rows.slice(from, to)
        : packed?.rowsAt(positions, this.#options.shape) ?? pick(rows, positions);
      this.left = count - to;
      this.held = this.left;
      if (to === count) this.#emptied(packed);
      yield slice;
    }
  }

  /** Gives everything back; what was not handed out is forgotten. */
  async close(): Promise<void> {
    await this.#spilling;
    this.#file?.[Symbol.dispose]();
    this.#file = null;
  }

  /** The rows in memory are somewhere else now. */
  #emptied(packed: PackedRows | null): void {
    packed?.free();
    this.held = 0;
    this.heldLength = 0;
  }

  #push(row: Row): void {
    if (this.#packed !== null) this.#packed.push(row);
    else {
      if (this.ascending) {
        const last = this.#rows.at(-1);
        this.ascending = last === undefined || compareKeys(last.key, row.key) < 0;
      }
      this.#rows.push(row);
    }
    this.left++;
    this.held++;
    if (row.deletedAt !== null) this.deletions++;
    this.heldLength += row.length;
    if (row.length > this.longest) this.longest = row.length;
  }
}

/** What a window has in memory besides the runs in its file. */
function restOf(packed: PackedRows, shape: RecordShape): RowSource {
  const winning = newestPerKey(packed);
  let at = 0;
  return {
    next: () => {
      const part = winning.subarray(at, at + REST_ROWS);
      at += part.length;
      return Promise.resolve(packed.rowsAt(part, shape));
    },
  };
}
