/**
 * Watches the orders of one answer: that their type is decided before the first of them is read,
 * and that it was decided rightly.
 *
 * @module
 */

import type { OrderType } from "../protocol/cursor.ts";
import { CHOICE_RECORDS, TextOrder } from "../protocol/order_choice.ts";
import type { TableOrders } from "../protocol/orders.ts";
import { isJsonObject, type JsonValue, type Row, valueAt } from "../protocol/record.ts";

/** The order field of each record among the values. */
function ordersIn(values: readonly JsonValue[], orderBy: string): unknown[] {
  return values.map((value) => isJsonObject(value) ? valueAt(value, orderBy) : undefined);
}

export class OrderWatch {
  readonly #orders: TableOrders;
  readonly #orderBy: string;
  readonly #onTyped: ((type: OrderType) => void) | undefined;
  /** Watches whether the origin sorts by the texts; null once enough of the answer has come. */
  #textOrder: TextOrder | null = new TextOrder();
  /** Orders by which the type was decided, and those that followed; null once it is settled. */
  #sample: unknown[] | null = null;
  #isTyped = false;

  /** @param onTyped told of the type before the first order is read */
  constructor(orders: TableOrders, orderBy: string, onTyped?: (type: OrderType) => void) {
    this.#orders = orders;
    this.#orderBy = orderBy;
    this.#onTyped = onTyped;
  }

  /**
   * Values are about to be read.
   *
   * @throws {LockstepError} where it isn't clear how their orders compare
   */
  begin(values: readonly JsonValue[]): void {
    const orders = this.#orders;
    if (orders.isOpen || this.#sample !== null) this.#decide(ordersIn(values, this.#orderBy));
    if (this.#isTyped || orders.type === null) return;
    this.#isTyped = true;
    this.#onTyped?.(orders.type);
  }

  #decide(found: readonly unknown[]): void {
    if (this.#orders.isOpen) {
      this.#sample = [];
      this.#orders.decide(found);
    }
    const sample = this.#sample;
    if (sample === null) return;
    sample.push(...found.slice(0, CHOICE_RECORDS - sample.length));
    if (sample.length >= CHOICE_RECORDS) this.#settle(sample);
  }

  #settle(sample: readonly unknown[]): void {
    this.#sample = null;
    this.#orders.settle(sample);
  }

  /** Rows were read. */
  note(rows: readonly Row[]): void {
    const watch = this.#textOrder;
    if (watch === null || !this.#orders.isGuessedText) return;
    for (const { order } of rows) if (typeof order === "string") watch.note(order);
    if (!watch.isFull) return;
    this.#textOrder = null;
    watch.check();
  }

  /**
   * The answer is over: what it held is judged as a whole.
   *
   * @throws {LockstepError} where it is sorted in another way than its orders are compared
   */
  end(): void {
    if (this.#sample !== null) this.#settle(this.#sample);
    if (this.#orders.isGuessedText) this.#textOrder?.check();
  }
}
