/**
 * Records from the future: dated after the origin's own clock. They are stored, and move no cursor:
 * behind one that is dated 2099, nothing would ever be asked for again.
 *
 * @module
 */

import { instantUnit, type Order, orderInstant, type OrderType } from "../protocol/cursor.ts";
import type { Row } from "../protocol/record.ts";
import type { RowBatch } from "../stream/row_reader.ts";

/** How far ahead of the origin's clock a record may be dated: hosts that write have clocks, too. */
const AHEAD_MS = 5 * 60_000;

/** The unit of a number near the present; null for everything else. */
function unitOf(order: Order | null, nowMs: number): number | null {
  return order === null || typeof order === "string" ? null : instantUnit(order, nowMs);
}

/** The present of one answer, and what lies after it. */
export class FutureOrders {
  readonly #limitMs: number;
  readonly #nowMs: number;
  /** How many of a number make a second; null while no order near the present has told. */
  #unit: number | null;

  readonly #type: () => OrderType | null;

  /**
   * @param nowMs when the origin answered, by its own clock or, where it tells none, by ours
   * @param known an order of the table
   * @param type the type of the table's orders
   */
  constructor(nowMs: number, known: Order | null, type: () => OrderType | null) {
    this.#type = type;
    this.#nowMs = nowMs;
    this.#limitMs = nowMs + AHEAD_MS;
    this.#unit = unitOf(known, nowMs);
  }

  /** Whether the order is a time in the future. A number counts as one where others are near now. */
  has(order: Order): boolean {
    if (typeof order === "string") {
      const instant = orderInstant(order, this.#type(), this.#nowMs);
      return instant !== null && instant > this.#limitMs;
    }
    const unit = this.#unit ?? instantUnit(order, this.#nowMs);
    return unit !== null && Number(order) / unit * 1000 > this.#limitMs;
  }

  /** The records of a batch that are from the future; mostly none, which costs next to nothing. */
  of({ rows, minOrder, maxOrder }: RowBatch): readonly Row[] {
    if (maxOrder === null || minOrder === null) return [];
    // The second to last as well: the last may be the one from the future.
    const known = [minOrder, rows.at(-2)?.order ?? minOrder, maxOrder];
    for (const order of known) this.#unit ??= unitOf(order, this.#nowMs);
    return this.has(maxOrder) ? rows.filter(({ order }) => this.has(order)) : [];
  }
}
