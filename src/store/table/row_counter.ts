/**
 * Counts a table's rows beside the commits, a page at a time.
 *
 * @module
 */

import type { Key } from "../../protocol/record.ts";
import { compareKeys } from "../kv/key_order.ts";
import { rowKey, rowPrefix } from "../kv/keys.ts";

/** Rows read in one step: a few milliseconds in which no commit starts. */
const STEP_ROWS = 1000;

/**
 * The count of the rows up to a moving key. A step must not run beside a commit; what is inserted
 * or deleted between steps is told by {@linkcode adjust}.
 */
export class RowCounter {
  readonly #kv: Deno.Kv;
  readonly #table: string;
  #position: Key | null = null;
  #rows = 0;

  constructor(kv: Deno.Kv, table: string) {
    this.#kv = kv;
    this.#table = table;
  }

  /** Counts a page. Returns the total when the last was counted, else null. */
  async step(): Promise<number | null> {
    const prefix = rowPrefix(this.#table);
    const selector = this.#position === null
      ? { prefix }
      : { prefix, start: rowKey(this.#table, [...this.#position, false]) };
    const options = { limit: STEP_ROWS, batchSize: STEP_ROWS };
    let rows = 0;
    let last: Deno.KvKey | null = null;
    for await (const { key } of this.#kv.list(selector, options)) {
      rows++;
      last = key;
    }
    this.#rows += rows;
    if (last !== null) this.#position = last.slice(1) as unknown as Key;
    return rows < STEP_ROWS ? this.#rows : null;
  }

  /** A row was inserted (1) or deleted (-1) by a commit since the last step. */
  adjust(key: Key, rows: number): void {
    if (this.#position !== null && compareKeys(key, this.#position) <= 0) this.#rows += rows;
  }
}
