/**
 * The parts of a table's large rows that are to be removed: those of versions that were replaced, and
 * those that a crash left.
 *
 * @module
 */

import { collectParts, dropVersion, type PartTable } from "../kv/large_rows.ts";

export class RowParts {
  readonly #table: PartTable;
  /** True once large rows may be about. */
  #mayExist: boolean;
  /** Versions that the operations on their way replace or delete. */
  #replaced: string[] = [];

  /** @param mayExist whether the store has any part */
  constructor(table: PartTable, mayExist: boolean) {
    this.#table = table;
    this.#mayExist = mayExist;
  }

  /** A large row is about to be written. */
  written(): void {
    this.#mayExist = true;
  }

  /** An operation on its way replaces or deletes a version. */
  replaced(version: string): void {
    this.#replaced.push(version);
  }

  /** True while nothing waits to be dropped. */
  get isSettled(): boolean {
    return this.#replaced.length === 0;
  }

  /** Removes the parts that no row names any more. Not beside a write. */
  async collect(): Promise<void> {
    this.#replaced = [];
    if (this.#mayExist) await collectParts(this.#table);
  }

  /** Removes the parts of versions that were replaced. Only when all operations are durable. */
  async drop(): Promise<void> {
    if (this.isSettled) return;
    for (const version of this.#replaced.splice(0)) await dropVersion(this.#table, version);
    await this.#table.committer.idle();
  }
}
