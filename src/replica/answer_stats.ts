/**
 * What is noticed about one answer while it is read.
 *
 * @module
 */

import { compareOrder, formatOrder, maxOrder, type Order, orderTime } from "../protocol/cursor.ts";
import type { RowBatch } from "../stream/row_reader.ts";

/** Rows at the cursor from which a page that is full of them looks like the origin's page size. */
const TIE_PAGE_ROWS = 50;

/** `Date` headers have whole seconds: an order after the next one was written after the answer. */
const DATE_MS = 1_000;

/** What an answer was asked for. */
export interface Asked {
  /** The order asked for; null for `0` in a table that has no cursor. */
  readonly since: Order | null;
  /** The cursor then; above `since` with an overlap. */
  readonly cursor: Order | null;
  /** The origin's head as it said; null where it didn't. */
  readonly head: Order | null;
  /** Whether the origin said that it has nothing at all. */
  readonly isEmpty: boolean;
  /** When the origin answered, by its own clock, in milliseconds; null where it didn't say. */
  readonly date: number | null;
}

export class AnswerStats {
  readonly asked: Asked;
  rows = 0;
  greatest: Order | null = null;
  #least: Order | null = null;
  #atCursor = 0;
  #sorted = true;
  #afterHead = false;
  #marked = false;
  /** Monotonic milliseconds; null before the first byte. */
  lastData: number | null = null;

  constructor(asked: Asked) {
    this.asked = asked;
  }

  add(batch: RowBatch, now: number): void {
    const { head, cursor, since, isEmpty } = this.asked;
    // A heartbeat says that the origin lives, not that it goes on sending; a chunk without a whole
    // record is a part of a large one.
    if (batch.rows.length > 0 || !batch.endsBlank || this.lastData === null) {
      if (batch.bytes > 0) this.lastData = now;
    }
    this.rows += batch.rows.length;
    this.greatest = maxOrder(this.greatest, batch.maxOrder);
    const at = maxOrder(since, this.greatest);
    const isAtHead = isEmpty || (head !== null && at !== null && compareOrder(at, head) >= 0);
    // Behind the last row of its backlog the origin leaves a blank line: no more of that order.
    if (isAtHead && batch.endsBlank) this.#marked = true;
    if (
      batch.minOrder !== null &&
      (this.#least === null || compareOrder(batch.minOrder, this.#least) < 0)
    ) {
      this.#least = batch.minOrder;
    }
    if (!batch.sorted) this.#sorted = false;
    if (head !== null && this.greatest !== null && compareOrder(this.greatest, head) > 0) {
      this.#afterHead = true;
    }
    if (cursor !== null && batch.minOrder !== null && compareOrder(batch.minOrder, cursor) <= 0) {
      for (const row of batch.rows) if (compareOrder(row.order, cursor) === 0) this.#atCursor++;
    }
  }

  /** Whether everything up to the origin's head has come, ties included. */
  get hasHead(): boolean {
    return this.#afterHead || this.#marked;
  }

  /** Whether rows come that were written after the answer began: the backlog is behind us. */
  get isFresh(): boolean {
    const { date } = this.asked;
    if (date === null || this.greatest === null || !this.#sorted) return false;
    const time = orderTime(this.greatest);
    return time !== null && time.getTime() > date + DATE_MS;
  }

  /** How far the answer has come to the head, 0 to 1; null where it can't be told. */
  get progress(): number | null {
    const { head, since } = this.asked;
    const numbers = [head, since ?? 0, this.greatest ?? since ?? 0].map((order) =>
      order === null || typeof order === "string"
        ? orderTime(order ?? "")?.getTime() ?? NaN
        : Number(order)
    );
    const [to = NaN, from = NaN, at = NaN] = numbers;
    if (!(to > from)) return head === null || Number.isNaN(to) ? null : 1;
    return Number.isNaN(at) ? null : Math.min(1, Math.max(0, (at - from) / (to - from)));
  }

  /** What is odd about a complete answer, in words; nothing is lost yet. */
  warnings(): string[] {
    const { since, cursor } = this.asked;
    const found: string[] = [];
    if (!this.#sorted) {
      found.push(
        "the origin sends records out of order: the cursor moves only at the end of its answers",
      );
    }
    if (since === null || cursor === null) return found;
    if (this.rows === 0) {
      found.push(
        `the origin's answer lacks the row at the cursor (${formatOrder(cursor)}): ` +
          "it may have been rewound, swapped or wiped; --resync compares everything",
      );
      return found;
    }
    if (this.#least !== null && compareOrder(this.#least, since) < 0) {
      found.push(
        `the origin sends rows older than asked for (${formatOrder(this.#least)} for ` +
          `${formatOrder(since)}): it does not honour the cursor`,
      );
    }
    if (this.greatest !== null && compareOrder(this.greatest, cursor) < 0) {
      found.push(
        `the cursor (${formatOrder(cursor)}) is ahead of everything the origin has ` +
          `(${formatOrder(this.greatest)}): it was rewound; --resync compares everything`,
      );
    } else if (this.#atCursor === 0 && since === cursor) {
      found.push(
        `the origin's answer lacks the row at the cursor (${formatOrder(cursor)}): ` +
          "it may have been swapped or restored; --resync compares everything",
      );
    }
    return found;
  }

  /** Whether all it held were rows of the cursor's own order, so many that it may be a full page. */
  get isTiePage(): boolean {
    return this.rows >= TIE_PAGE_ROWS && this.#atCursor === this.rows;
  }
}
