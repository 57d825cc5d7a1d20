/**
 * The file that a window may have for rows that memory is too small for.
 *
 * @module
 */

import type { RecordShape } from "../../protocol/record.ts";
import type { PackedRows } from "./packed_rows.ts";
import { newestPerKey } from "./newest_per_key.ts";
import { type RowSource, SpillFile } from "./spill_file.ts";

export class WindowFile {
  readonly #beside: string | null;
  #file: SpillFile | null = null;
  #writing: Promise<number | null> | null = null;
  #hasFailed = false;

  /** @param beside the store beside which it may be made; null where it may not */
  constructor(beside: string | null) {
    this.#beside = beside;
  }

  /** True while more may be written. */
  get canWrite(): boolean {
    return this.#beside !== null && !this.#hasFailed;
  }

  /** Sorted runs in it. */
  get runs(): number {
    return this.#file?.runs ?? 0;
  }

  /**
   * Writes the winners among rows as one sorted run. Returns how many gave way; null where it failed:
   * then the rows have to stay where they are, and nothing more can be written.
   */
  write(rows: PackedRows): Promise<number | null> {
    this.#writing = this.#write(rows);
    return this.#writing;
  }

  async #write(rows: PackedRows): Promise<number | null> {
    if (this.#beside === null) return null;
    const winning = newestPerKey(rows);
    try {
      this.#file ??= await SpillFile.create(this.#beside);
      await this.#file.write(rows, winning);
    } catch {
      // The disk is full, or the folder isn't writable: smaller windows do the job as well.
      this.#hasFailed = true;
      return null;
    }
    return rows.length - winning.length;
  }

  /** Resolves when nothing is being written. */
  async written(): Promise<void> {
    await this.#writing;
  }

  /** The runs, in the order in which they were written. */
  sources(shape: RecordShape): RowSource[] {
    return this.#file?.sources(shape) ?? [];
  }

  /** Gives the file back. */
  async close(): Promise<void> {
    await this.#writing;
    this.#file?.[Symbol.dispose]();
    this.#file = null;
  }
}
