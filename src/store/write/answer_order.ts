/**
 * How far an answer's order lets the cursor move.
 *
 * ```text
 *  sorted ────inversion──▶ unsorted ──complete──▶ complete ──fellBehind──▶ sorted
 *  suspected ─inversion──▶ unsorted
 *  sorted, suspected ───────────────complete────▶ complete
 * ```
 *
 * - `sorted`: what has come is a prefix of the answer, so that a durable window moves the cursor.
 * - `suspected`: the origin was seen out of order before: only the answer's end moves it.
 * - `unsorted`: an inversion was seen. What came so far is no prefix: the cursor goes back to where
 *   the answer began, and waits for its end.
 * - `complete`: all there was has come; what comes later is new, and in order as it comes.
 *
 * A record from the future is stored, and moves no cursor: whoever asked from there would leave out
 * all that comes until then. Pure.
 *
 * @module
 */

import { maxOrder, type Order } from "../../protocol/cursor.ts";
import type { RowBatch } from "../../stream/row_reader.ts";

/** The states of an answer's order. */
export type OrderState = "sorted" | "suspected" | "unsorted" | "complete";

/** The events that change them. */
export type OrderEvent = "inversion" | "complete" | "fellBehind";

/** Each state's successor at each event. */
export const ORDER_TRANSITIONS: Readonly<
  Record<OrderState, Readonly<Record<OrderEvent, OrderState>>>
> = {
  sorted: { inversion: "unsorted", complete: "complete", fellBehind: "sorted" },
  suspected: { inversion: "unsorted", complete: "complete", fellBehind: "suspected" },
  unsorted: { inversion: "unsorted", complete: "complete", fellBehind: "unsorted" },
  complete: { inversion: "complete", complete: "complete", fellBehind: "sorted" },
};

/** The order of one answer. */
export class AnswerOrder {
  readonly #isFuture: (order: Order) => boolean;
  #state: OrderState;
  #start: Order | null;
  #least: Order | null = null;
  #greatest: Order | null = null;
  #wasUnsorted = false;

  /**
   * @param start the cursor that the answer was asked from
   * @param isSuspected whether the origin was seen out of order before
   * @param isFuture whether an order lies in the future, by the origin's clock
   */
  constructor(start: Order | null, isSuspected: boolean, isFuture: (order: Order) => boolean) {
    this.#start = start;
    this.#state = isSuspected ? "suspected" : "sorted";
    this.#isFuture = isFuture;
  }

  /** The cursor that an inversion takes the table back to. */
  get start(): Order | null {
    return this.#start;
  }

  /** The least order so far, as far as the answer is in order; null before the first. */
  get least(): Order | null {
    return this.#least;
  }

  /** The greatest order so far that is not in the future. */
  get greatest(): Order | null {
    return this.#greatest;
  }

  /** True while all that has come is a prefix of the answer. */
  get isPrefix(): boolean {
    return this.#state === "sorted" || this.#state === "complete";
  }

  /** True once an inversion was seen. */
  get wasUnsorted(): boolean {
    return this.#wasUnsorted;
  }

  /** Takes note of a batch. Returns true where the cursor has to go back to {@linkcode start}. */
  note(batch: RowBatch): boolean {
    this.#greatest = maxOrder(this.#greatest, this.settled(batch));
    this.#least ??= batch.minOrder;
    if (batch.sorted || this.#state === "complete") return false;
    const hasMoved = this.#state === "sorted";
    this.#wasUnsorted = true;
    this.#to("inversion");
    return hasMoved;
  }

  /** The greatest order of some rows that is not in the future; null where all are. */
  settled({ rows, maxOrder: greatest }: Pick<RowBatch, "rows" | "maxOrder">): Order | null {
    if (greatest === null || !this.#isFuture(greatest)) return greatest;
    return rows.reduce<Order | null>(
      (most, { order }) => this.#isFuture(order) ? most : maxOrder(most, order),
      null,
    );
  }

  /** The cursor once a window with this greatest settled order is durable. */
  cursorAfter(cursor: Order | null, windowOrder: Order | null): Order | null {
    return this.isPrefix ? maxOrder(cursor, windowOrder) : cursor;
  }

  /** All there was is durable, and the cursor stands here. */
  complete(cursor: Order | null): void {
    // An inversion that comes later can't take the cursor back behind what is complete.
    this.#start = cursor;
    this.#to("complete");
  }

  /** The stream has outrun the commits: what comes is gathered again. */
  fellBehind(): void {
    this.#to("fellBehind");
  }

  #to(event: OrderEvent): void {
    this.#state = ORDER_TRANSITIONS[this.#state][event];
  }
}
