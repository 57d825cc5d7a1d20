/**
 * Keeps a table's digest: made by reading the table once, a page at a time between commits, and from
 * then on adjusted by each of them.
 *
 * @module
 */

import { TableDigest } from "../../digest/table_digest.ts";
import type { JsonObject, Key } from "../../protocol/record.ts";
import { compareKeys } from "../kv/key_order.ts";
import { rowKey, rowPrefix } from "../kv/keys.ts";
import { directoryOf, readParts } from "../kv/large_rows.ts";

/** Rows read in one step: some ten milliseconds in which no commit starts. */
const STEP_ROWS = 1000;

/**
 * The digest of the rows up to a moving key, and in the end of all. A step must not run beside a
 * commit; what is written between steps is told by {@linkcode adjust}.
 */
export class TableDigester {
  readonly digest: TableDigest;
  readonly #kv: Deno.Kv;
  readonly #table: string;
  #position: Key | null = null;
  #isDone = false;

  /** @param without a field that is the replica's own, and no part of the data; null: none */
  constructor(kv: Deno.Kv, table: string, without: string | null = null) {
    this.#kv = kv;
    this.#table = table;
    this.digest = new TableDigest(without);
  }

  /** Whether all rows are part of it. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Reads a page. */
  async step(): Promise<void> {
    const prefix = rowPrefix(this.#table);
    const selector = this.#position === null
      ? { prefix }
      : { prefix, start: rowKey(this.#table, [...this.#position, false]) };
    const options = { limit: STEP_ROWS, batchSize: STEP_ROWS };
    const entries = await Array.fromAsync(this.#kv.list<unknown>(selector, options));
    for (const { key, value } of entries) {
      const directory = directoryOf(value);
      const record = directory === null
        ? value as JsonObject
        : await readParts(this.#kv, this.#table, directory);
      const row = key.slice(1) as unknown as Key;
      if (record !== null) this.digest.add(row, record);
      this.#position = row;
    }
    this.#isDone ||= entries.length < STEP_ROWS;
  }

  /** A row was written, or removed, by a commit since the last step; null where there is none. */
  adjust(key: Key, before: JsonObject | null, after: JsonObject | null): void {
    const isRead = this.#isDone ||
      (this.#position !== null && compareKeys(key, this.#position) <= 0);
    // Its page is still to come.
    if (!isRead) return;
    if (before !== null) this.digest.remove(key, before);
    if (after !== null) this.digest.add(key, after);
  }
}
