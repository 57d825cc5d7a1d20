/**
 * The rows of a window that are in memory: as they came, or packed.
 *
 * @module
 */

import type { RecordShape, Row } from "../../protocol/record.ts";
import { compareKeys } from "../kv/key_order.ts";
import { newestPerKey, pick, rowArrivals } from "./newest_per_key.ts";
import { PackedRows } from "./packed_rows.ts";
import type { RowSource } from "./spill_file.ts";

/** Rows parsed at once from the memory of a window that has a file as well. */
const REST_ROWS = 150;

/** Rows in the order of their arrival, until they are handed out in that of their keys. */
export class GatheredRows {
  #rows: Row[] = [];
  #packed: PackedRows | null = null;
  /** Rows not handed out yet. */
  count = 0;
  /** Sum of the lengths of the rows, in UTF-16 units; roughly. */
  length = 0;
  /** Length of the longest row that ever was among them, in UTF-16 units. */
  longest = 0;
  /** True while every key came after the one before it: then there is nothing to gain from waiting. */
  ascending = true;
  /** Rows that are deletions, roughly: of a key that came twice, both count. */
  deletions = 0;

  get isPacked(): boolean {
    return this.#packed !== null;
  }

  /** The rows, in the order of their arrival; null where they are packed. */
  get plain(): readonly Row[] | null {
    return this.#packed === null ? this.#rows : null;
  }

  push(row: Row): void {
    if (this.#packed !== null) this.#packed.push(row);
    else {
      if (this.ascending) {
        const last = this.#rows.at(-1);
        this.ascending = last === undefined || compareKeys(last.key, row.key) < 0;
      }
      this.#rows.push(row);
    }
    this.count++;
    if (row.deletedAt !== null) this.deletions++;
    this.length += row.length;
    if (row.length > this.longest) this.longest = row.length;
  }

  /** Keeps the rows packed from now on. */
  pack(): PackedRows {
    if (this.#packed !== null) return this.#packed;
    const packed = new PackedRows();
    for (const row of this.#rows.splice(0)) packed.push(row);
    this.#packed = packed;
    return packed;
  }

  /** Takes the oldest rows out; not of packed ones. `ascending` may be too cautious for the rest. */
  take(count: number): Row[] {
    const taken = this.#rows.splice(0, count);
    this.count -= taken.length;
    for (const { length, deletedAt } of taken) {
      this.length -= length;
      if (deletedAt !== null) this.deletions--;
    }
    return taken;
  }

  /** The rows are in a file now, and more may come, packed like them. */
  spilled(): void {
    this.#emptied();
    this.#packed = new PackedRows();
  }

  /** The positions of the winners in key order; null where all of them win as they are. */
  #winning(): Uint32Array | null {
    if (this.#packed !== null) return newestPerKey(this.#packed);
    return this.ascending ? null : newestPerKey(rowArrivals(this.#rows));
  }

  /** Hands the winners out in key order, so many at a time; begins with how many they are. */
  *slices(size: number, shape: RecordShape): Generator<Row[], void> {
    const packed = this.#packed;
    const rows = this.#rows;
    const winning = this.#winning();
    const count = winning?.length ?? rows.length;
    this.count = count;
    for (let from = 0; from < count; from += size) {
      const to = Math.min(from + size, count);
      const positions = winning?.subarray(from, to);
      const slice = positions === undefined
        ? rows.slice(from, to)
        : packed?.rowsAt(positions, shape) ?? pick(rows, positions);
      this.count = count - to;
      if (to === count) this.#emptied();
      yield slice;
    }
  }

  /** The winners in key order, to be merged with what is in a file; to be read to its end. */
  source(shape: RecordShape): RowSource {
    const packed = this.pack();
    const winning = newestPerKey(packed);
    let at = 0;
    return {
      next: () => {
        const part = winning.subarray(at, at + REST_ROWS);
        at += part.length;
        const rows = packed.rowsAt(part, shape);
        if (rows.length === 0) this.#emptied();
        return Promise.resolve(rows);
      },
    };
  }

  /** The rows are somewhere else now. */
  #emptied(): void {
    this.#packed?.free();
    this.count = 0;
    this.length = 0;
  }
}
