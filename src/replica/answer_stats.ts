/**
 * What is noticed about one answer while it is read.
 *
 * @module
 */

import {
  compareOrder,
  formatOrder,
  maxOrder,
  type Order,
  orderInstant,
  orderTime,
  type OrderType,
} from "../protocol/cursor.ts";
import type { Row } from "../protocol/record.ts";
import type { RowBatch } from "../stream/row_reader.ts";
import { FutureOrders } from "./future.ts";
import { isWrittenNow, type OpenAnswer } from "./liveness.ts";
import type { EndedAnswer } from "./pass.ts";

/** Reasons that are named where nothing of an answer can be used. */
const MOST_REASONS = 3;

/** What an answer was asked for, and what its headers say. */
export interface Asked {
  /** The order asked for; null for `0` in a table that has no cursor. */
  readonly since: Order | null;
  /** The cursor then; above `since` with an overlap. */
  readonly cursor: Order | null;
  /** The origin's head as it said; null where it didn't. */
  readonly head: Order | null;
  /** Whether the origin said that it has nothing at all. */
  readonly isEmpty: boolean;
  /** The type of the table's orders; null until the first records have decided. */
  readonly type: () => OrderType | null;
  /** When the origin answered, by its own clock, in milliseconds; null where it didn't say. */
  readonly date: number | null;
  /** When the headers came, by our wall clock; milliseconds since the epoch. */
  readonly now: number;
  /** The same by the stopwatch. */
  readonly headersAt: number;
  /** Whether the table has rows. */
  readonly hasRows: boolean;
}

/** What the records' orders tell; those of the future are left out. */
interface OrdersSeen {
  /** The greatest one, and when it came. */
  newest: Order | null;
  newestAt: number;
  least: Order | null;
  atCursor: number;
  isSorted: boolean;
}

export class AnswerStats {
  readonly asked: Asked;
  /** Records that can be used. */
  rows = 0;
  /** What can't. */
  unusable = 0;
  /** Objects with neither key nor order, few enough to be a heartbeat. */
  foreign = 0;
  readonly #future: FutureOrders;
  readonly #orders: OrdersSeen;
  /** Why records can't be used, and how often. */
  readonly #reasons = new Map<string, number>();
  /** Whether the head is reached, its last record of that order included. */
  #hasHead = false;
  /** When the last byte of a record came; null before. Monotonic milliseconds. */
  lastData: number | null = null;
  /** Whether a record is begun and not whole yet. */
  #isPending = false;
  /** The latest record from the future; null for none. */
  future: Row | null = null;

  constructor(asked: Asked) {
    this.asked = asked;
    this.#future = new FutureOrders(asked.date ?? asked.now, asked.cursor, asked.type);
    this.#orders = { newest: null, newestAt: 0, least: null, atCursor: 0, isSorted: true };
  }

  add(batch: RowBatch, now: number): void {
    const { rows, foreign = [] } = batch;
    const rejects = batch.rejects.filter((reject) => !foreign.includes(reject));
    const unusable = rejects.length;
    this.#isPending = batch.isPending ?? false;
    // Blanks, and objects that are no record, say that the origin lives, not that it goes on sending;
    // a chunk without a whole record is a part of a large one.
    if (rows.length > 0 || unusable > 0 || this.#isPending) this.lastData = now;
    this.rows += rows.length;
    this.unusable += unusable;
    this.foreign += foreign.length;
    for (const { reason, detail } of [...rejects, ...foreign]) this.#note(detail ?? reason);
    this.#addOrders(batch, now);
    this.#look(batch);
  }

  #note(reason: string): void {
    const count = this.#reasons.get(reason) ?? 0;
    if (count > 0 || this.#reasons.size < 10 * MOST_REASONS) this.#reasons.set(reason, count + 1);
  }

  #addOrders(batch: RowBatch, now: number): void {
    const orders = this.#orders;
    const { cursor } = this.asked;
    const ahead = this.#future.of(batch);
    let { maxOrder: newest, minOrder: least } = batch;
    if (ahead.length > 0) {
      const left = batch.rows.filter((row) => !ahead.includes(row));
      this.future = ahead.at(-1) ?? null;
      newest = left.reduce<Order | null>((order, row) => maxOrder(order, row.order), null);
      if (newest === null) least = null;
    }
    if (!batch.sorted) orders.isSorted = false;
    if (newest === null || least === null) return;
    if (orders.newest === null || compareOrder(newest, orders.newest) > 0) {
      orders.newest = newest;
      orders.newestAt = now;
    }
    if (orders.least === null || compareOrder(least, orders.least) < 0) orders.least = least;
    if (cursor !== null && compareOrder(least, cursor) <= 0) {
      for (const { order } of batch.rows) if (compareOrder(order, cursor) === 0) orders.atCursor++;
    }
  }

  /** Looks whether the head is reached. */
  #look(batch: RowBatch): void {
    const { head, since, isEmpty } = this.asked;
    const { newest } = this.#orders;
    const at = maxOrder(since, newest);
    const isAtHead = isEmpty || (head !== null && at !== null && compareOrder(at, head) >= 0);
    // Behind the last row of its backlog the origin leaves a blank line: no more of that order.
    if (isAtHead && batch.endsBlank) this.#hasHead = true;
    if (head !== null && newest !== null && compareOrder(newest, head) > 0) this.#hasHead = true;
  }

  /** The greatest order that it has brought, but for those from the future. */
  get greatest(): Order | null {
    return this.#orders.newest;
  }

  /** Whether no record came behind one of a greater order. */
  get isSorted(): boolean {
    return this.#orders.isSorted;
  }

  /** Whether an order is one from the future. */
  isFuture(order: Order): boolean {
    return this.#future.has(order);
  }

  /** What is known of it while it is open; `blockedAt` as the writer has it. */
  open(blockedAt: number | null): OpenAnswer {
    const { headersAt, head, isEmpty, hasRows } = this.asked;
    return {
      headersAt,
      lastDataAt: this.lastData,
      blockedAt,
      isPending: this.#isPending,
      head: this.#hasHead ? "reached" : head !== null || isEmpty ? "below" : null,
      isNow: this.#isNow,
      records: this.rows,
      unusable: this.unusable,
      foreign: this.foreign,
      hasRows,
    };
  }

  /** Whether the greatest order was written since the answer began: the backlog is behind us. */
  get #isNow(): boolean {
    const { date, headersAt, type } = this.asked;
    const { newest, newestAt, isSorted } = this.#orders;
    if (date === null || newest === null || !isSorted) return false;
    const instant = orderInstant(newest, type(), date);
    return instant !== null && isWrittenNow(instant, date, newestAt - headersAt);
  }

  /** What is known of it once it has ended. */
  ended(
    answer: Pick<EndedAnswer, "since" | "isEndProved" | "isNothingNew" | "hasNext">,
  ): EndedAnswer {
    const { newest, least } = this.#orders;
    return {
      records: this.rows,
      unreadable: this.unusable,
      newest,
      least,
      head: this.#place,
      ...answer,
    };
  }

  get #place(): EndedAnswer["head"] {
    const { head, isEmpty, since } = this.asked;
    if (this.#hasHead) return "above";
    if (isEmpty) return "at";
    if (head === null) return null;
    const at = maxOrder(since, this.#orders.newest);
    return at !== null && compareOrder(at, head) >= 0 ? "at" : "below";
  }

  /** Whether it has brought something, and nothing that can be used. */
  get isUseless(): boolean {
    return this.rows === 0 && this.unusable + this.foreign > 0;
  }

  /** Why its records can't be used, the most frequent reasons first. */
  get complaint(): string {
    const reasons = [...this.#reasons].sort(([, a], [, b]) => b - a).slice(0, MOST_REASONS);
    const total = this.unusable + this.foreign;
    if (reasons.length <= 1) return reasons[0]?.[0] ?? "";
    return reasons.map(([reason, count]) => `${reason} (${count} of ${total})`).join("; ");
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
    const { newest, least, isSorted, atCursor } = this.#orders;
    const found: string[] = [];
    if (!isSorted) {
      found.push(
        "the origin sends records out of order: the cursor moves only at the end of its answers",
      );
    }
    if (this.future !== null) {
      const { key, order } = this.future;
      found.push(
        `the record with the key ${key.map(String).join(", ")} is dated in the future ` +
          `(${formatOrder(order)}): it is stored, and the cursor stays before it`,
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
    if (least !== null && compareOrder(least, since) < 0) {
      found.push(
        `the origin sends rows older than asked for (${formatOrder(least)} for ` +
          `${formatOrder(since)}): it does not honour the cursor`,
      );
    }
    if (newest !== null && compareOrder(newest, cursor) < 0) {
      found.push(
        `the cursor (${formatOrder(cursor)}) is ahead of everything the origin has ` +
          `(${formatOrder(newest)}): it was rewound; --resync compares everything`,
      );
    } else if (atCursor === 0 && since === cursor) {
      found.push(
        `the origin's answer lacks the row at the cursor (${formatOrder(cursor)}): ` +
          "it may have been swapped or restored; --resync compares everything",
      );
    }
    return found;
  }
}
