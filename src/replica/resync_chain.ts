/**
 * What one uncut chain of answers has brought.
 *
 * @module
 */

import { compareOrder, maxOrder, type Order } from "../protocol/cursor.ts";
import { SeenKeys } from "../store/write/seen_keys.ts";
import type { RowBatch } from "../stream/row_reader.ts";

export class ResyncChain implements Disposable {
  readonly seen: SeenKeys;
  /** Rows so far, each as often as it came, and records that couldn't be read. */
  records = 0;
  unreadable = 0;
  greatest: Order | null = null;
  /** The order that the answer has to bring again, to be the next page; null once it has. */
  #awaited: Order | null = null;

  /** @param store the store's file; null for one in memory */
  constructor(store: string | null) {
    this.seen = new SeenKeys(store);
  }

  /** Whether the answer lacks the row at the cursor that it was asked for: it is no next page. */
  get isBroken(): boolean {
    return this.#awaited !== null;
  }

  /** A page was asked for, from the cursor. */
  expect(cursor: Order | null): void {
    this.#awaited = this.records > 0 ? cursor : null;
  }

  /** Something has come. */
  add({ rows, rejects, maxOrder: greatest, foreign = [] }: RowBatch): void {
    // A heartbeat is no row of any table; whatever else can't be read may be one that we have.
    const unreadable =
      rejects.filter(({ kind }) => kind === undefined || foreign.length === 0).length;
    this.records += rows.length + unreadable;
    this.unreadable += unreadable;
    this.greatest = maxOrder(this.greatest, greatest);
    const awaited = this.#awaited;
    if (awaited !== null && rows.some(({ order }) => compareOrder(order, awaited) === 0)) {
      this.#awaited = null;
    }
  }

  [Symbol.dispose](): void {
    this.seen[Symbol.dispose]();
  }
}
