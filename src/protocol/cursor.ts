/**
 * The cursor: the greatest order that is safely stored, compared, advanced, and put into a URL.
 *
 * @module
 */

/**
 * The value of the order field: a number (bigint beyond 2^53), or a string that is compared by
 * UTF-16 code unit, so that ISO-8601 times of one format sort by time.
 */
export type Order = number | bigint | string;

/** A table has one kind of order for ever. */
export type OrderKind = "number" | "string";

export function orderKind(order: Order): OrderKind {
  return typeof order === "string" ? "string" : "number";
}
