/**
 * The order field of the reference origin: a point in time, written in one of several ways.
 *
 * Written apart from `src/protocol/cursor.ts` on purpose: the origin is what the replicator is
 * tested against, so the two must not share a mistake.
 *
 * @module
 */

import type { Order } from "../../src/protocol/cursor.ts";

/**
 * How a time in milliseconds is written as an order.
 *
 * - `number`: milliseconds since 1970, a plain number
 * - `nanos`: nanoseconds since 1970, an integer beyond 2^53
 * - `iso`: ISO-8601 in UTC with milliseconds, a string
 * - `trimmed`: the same without trailing zeros, as Go's `RFC3339Nano` writes it
 * - `seconds`: seconds since 1970, a number with a fraction
 * - `digits`: milliseconds since 1970, as text
 */
export type OrderStyle = "number" | "nanos" | "iso" | "trimmed" | "seconds" | "digits";

/** The styles, for the command line. */
export const ORDER_STYLES: readonly OrderStyle[] = [
  "number",
  "nanos",
  "iso",
  "trimmed",
  "seconds",
  "digits",
];

/** Nanoseconds in a millisecond. */
const NANOS = 1_000_000n;

/** The order of a moment (integer milliseconds since 1970). */
export function orderAt(ms: number, style: OrderStyle): Order {
  if (style === "number") return ms;
  if (style === "nanos") return BigInt(ms) * NANOS;
  if (style === "seconds") return ms / 1000;
  if (style === "digits") return String(ms);
  const text = new Date(ms).toISOString();
  return style === "iso" ? text : text.replace(/\.?0+Z$/, "Z");
}

/** Negative, zero or positive as `a` is before, at or after `b`. Both are of one style. */
export function compareOrders(a: Order, b: Order): number {
  const [x, y] = [comparable(a), comparable(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Digits by value; times of any width by what stands before their zone. */
function comparable(order: Order): Order {
  if (typeof order !== "string") return order;
  return /^-?\d+$/.test(order) ? BigInt(order) : order.replace(/Z$/, "");
}

/**
 * Reads a `since` from a URL, percent-decoded already; null where it is no cursor of this style.
 * Nothing and `0` mean the beginning in every style.
 */
export function parseSince(text: string, style: OrderStyle): Order | null {
  if (typeof orderAt(0, style) === "string") return text === "" ? "0" : text;
  if (text === "") return 0;
  if (/^-?\d+$/.test(text)) {
    const number = Number(text);
    return Number.isSafeInteger(number) ? number : BigInt(text);
  }
  const number = Number(text);
  return text.trim() !== "" && Number.isFinite(number) ? number : null;
}

/** True for the cursor that asks for everything, where deleted records may be left out. */
export function isBeginning(since: Order): boolean {
  return since === 0 || since === "0";
}
