/**
 * Rows that may have been stored without anybody having been notified, because the process ended, or a
 * commit failed, between the two: they are notified when the origin sends them again.
 *
 * @module
 */

import { compareOrder, maxOrder, type Order } from "../../protocol/cursor.ts";

export class Unnotified {
  /** The greatest order of such rows; null where there is none. */
  #upTo: Order | null;
  /** Rows below the cursor may be among them: a commit failed while somebody listened. */
  #mayBeLate = false;
  /** A window's commits have begun that have not come to their end. */
  #isCommitting = false;

  /** @param high the greatest order that was ever written */
  constructor(high: Order | null) {
    this.#upTo = high;
  }

  /** True while a window's operations are not all sent. */
  get isCommitting(): boolean {
    return this.#isCommitting;
  }

  /** A window's commits begin. */
  begin(high: Order | null): void {
    // Those before were abandoned: what they stored comes again, and may not have been notified.
    if (this.#isCommitting) this.#upTo = maxOrder(this.#upTo, high);
    this.#isCommitting = true;
  }

  /** All of the window's operations were sent. */
  ended(): void {
    this.#isCommitting = false;
  }

  /** A commit failed. */
  failed(high: Order | null): void {
    this.#upTo = high;
    this.#mayBeLate = true;
    this.#isCommitting = false;
  }

  /** Everything up to the cursor has come again. */
  caughtUp(cursor: Order | null): void {
    if (this.#upTo !== null && cursor !== null && compareOrder(cursor, this.#upTo) >= 0) {
      this.#upTo = null;
    }
  }

  /**
   * True of a row that is to be notified though it is stored as it came.
   *
   * @param start the cursor that the answer was asked for, or where it has caught up since
   * @param isPromised whether somebody is promised every change
   */
  has(order: Order, start: Order | null, isPromised: boolean): boolean {
    if (this.#upTo === null || compareOrder(order, this.#upTo) > 0) return false;
    if (this.#mayBeLate) return true;
    const side = start === null ? 1 : compareOrder(order, start);
    // A row at the cursor may have come after the others of its order.
    return side > 0 || (side === 0 && isPromised);
  }
}
