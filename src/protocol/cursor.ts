/**
 * The cursor: the greatest order that is safely stored, compared, advanced, and put into a URL.
 *
 * @module
 */

import { readDuration } from "./duration.ts";
import { LockstepError } from "./errors.ts";
import { canonicalTime, isoEarlier, isoMilliseconds } from "./iso_time.ts";

/**
 * An order as it is compared: a number (bigint beyond 2^53), or a string that is compared by UTF-16
 * code unit. A time is its canonical text ({@linkcode canonicalTime}), whatever the origin wrote.
 */
export type Order = number | bigint | string;

/**
 * How a table's orders compare: by value, as instants, or by code unit. A table has one type for
 * ever; only a resync changes it.
 */
export type OrderType = "number" | "time" | "text";

/** What may be asked for as a table's order type; `auto` goes by the first records. */
export const ORDER_TYPES = ["auto", "number", "time", "text"] as const;

/** Whether a text names a type of orders. */
export function isOrderType(text: string | null): text is OrderType {
  return text === "number" || text === "time" || text === "text";
}

/** A decimal as text, for tables that were told that theirs are numbers. */
const DECIMAL = /^([+-]?)0*(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** The number in a decimal's text, exact where it is whole; `null` where there is none. */
function decimalOf(text: string): number | bigint | null {
  const match = DECIMAL.exec(text);
  if (match === null) return null;
  const [, sign = "", digits = "", fraction = "", exponent] = match;
  const number = Number(text);
  if (!Number.isFinite(number)) return null;
  const isWhole = exponent === undefined && !/[^0]/.test(fraction);
  if (isWhole && !Number.isSafeInteger(number)) {
    return sign === "-" ? -BigInt(digits) : BigInt(digits);
  }
  return number === 0 ? 0 : number;
}

/**
 * The order that a record's value stands for, as it is compared; `null` where the value is none of
 * the table's type.
 *
 * Numbers finer than a double are compared as the doubles nearest to them; so is the record that
 * is stored. The origin is asked by their text, which is kept beside the cursor.
 *
 * @param type `null` where the table has none yet: whatever may be an order stands for itself
 */
export function readOrder(value: unknown, type: OrderType | null): Order | null {
  if (typeof value === "number") {
    if (type !== null && type !== "number") return null;
    return value === 0 ? 0 : value;
  }
  if (typeof value === "string") {
    if (type === "time") return canonicalTime(value);
    return type === "number" ? decimalOf(value) : value;
  }
  return typeof value === "bigint" && (type === null || type === "number") ? value : null;
}

/** The type that an order without any other sign has: of a string, `text`. */
export function plainType(order: Order): OrderType {
  return typeof order === "string" ? "text" : "number";
}

/**
 * Negative, zero or positive as `a` comes before, with or after `b`.
 *
 * Numbers and bigints are compared by value, strings by code unit. A table never mixes the two
 * kinds; so that sorting is total all the same, every number comes before every string.
 */
export function compareOrder(a: Order, b: Order): number {
  const isText = typeof a === "string";
  if (isText !== (typeof b === "string")) return isText ? 1 : -1;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The greater of two orders; `a` where they are equal. `null` is below every order. */
export function maxOrder(a: Order | null, b: Order): Order;
/** The greater of two orders, or `null` where there is none. */
export function maxOrder(a: Order | null, b: Order | null): Order | null;
export function maxOrder(a: Order | null, b: Order | null): Order | null {
  if (a === null || b === null) return a ?? b;
  return compareOrder(a, b) < 0 ? b : a;
}

/**
 * The text of an order, as requests, logs and headers carry it; integers without an exponent.
 * {@linkcode parseOrder} with the table's type reads it back.
 */
export function formatOrder(order: Order): string {
  // String(1e21) would be "1e+21", which no origin expects of an integer.
  return Number.isInteger(order) ? BigInt(order).toString() : String(order);
}

/** A number as JSON writes it; `007` and `+1` are strings. */
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/**
 * An order from its text: a bigint for an integer beyond 2^53, a number, a time's canonical text,
 * or a string.
 *
 * @param type the table's type where it is known; without it, whatever reads as a JSON number is a
 *   number, and any other text stands for itself
 * @throws {LockstepError} of kind `usage` where the text is no order of that type
 *
 * @example
 * ```ts
 * import { parseOrder } from "./cursor.ts";
 * console.assert(parseOrder("998") === 998);
 * console.assert(parseOrder("9007199254740993") === 9007199254740993n);
 * console.assert(parseOrder("2026-01-31T12:00:00Z") === "2026-01-31T12:00:00Z");
 * console.assert(parseOrder("2026-01-31 13:00+01", "time") === "2026-01-31T12:00:00");
 * ```
 */
export function parseOrder(text: string, type?: OrderType | null): Order {
  if (type === "text") return text;
  const isNumber = type === "number" || (type !== "time" && JSON_NUMBER.test(text));
  const order = isNumber ? decimalOf(text) : type === "time" ? canonicalTime(text) : text;
  if (order !== null) return order;
  if (type === undefined || type === null) return text;
  throw new LockstepError(`${JSON.stringify(text)} is no cursor of this table`, {
    kind: "usage",
    retry: "never",
    hint: type === "number"
      ? "its order field is a number: give a number, such as 998"
      : "its order field is a time: give a time, such as 2026-01-31T12:00:00Z",
  });
}

/**
 * A number's text that no origin can take for more than any number that a double stands for. Of a
 * number with a fraction the shortest text may lie above the one that was sent.
 */
export function roundedDown(order: number): string {
  if (Number.isInteger(order)) return formatOrder(order);
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, order);
  bits.setBigInt64(0, bits.getBigInt64(0) + (order > 0 ? -1n : 1n));
  return String(bits.getFloat64(0));
}

/**
 * The cursor to ask from so that the last `overlap` before `order` comes again (`--overlap`).
 *
 * For a number, `overlap` is a number in the order field's own unit, and the result doesn't pass
 * below 0. For an ISO-8601 time it is a duration (`"5m"`, or a number of seconds), and the result
 * has the same format, rounded down. An overlap of 0 leaves every order as it is.
 *
 * @throws {LockstepError} of kind `usage` where order and overlap don't fit together
 *
 * @example
 * ```ts
 * import { rewind } from "./cursor.ts";
 * console.assert(rewind(998, "100") === 898);
 * console.assert(rewind("2026-01-31T00:01:00.5Z", "5m") === "2026-01-30T23:56:00.5Z");
 * ```
 */
export function rewind(order: Order, overlap: string | number): Order {
  const text = String(overlap).trim();
  const ms = readDuration(text);
  if (ms === 0 || Number(text) === 0) return order;
  if (typeof order === "string") {
    const earlier = ms === null ? null : isoEarlier(order, ms);
    if (earlier !== null) return earlier;
    throw overlapError(
      text,
      order,
      ms === null
        ? "give a duration, such as 30s or 5m"
        : "an overlap needs numbers or ISO-8601 times in the order field: leave --overlap out",
    );
  }
  const back = parseOrder(text);
  if (typeof back === "string" || back < 0) {
    throw overlapError(
      text,
      order,
      "the order field is a number: give a number in the order field's own unit, such as 300",
    );
  }
  return subtract(order, back);
}

function subtract(order: number | bigint, back: number | bigint): number | bigint {
  if (Number.isSafeInteger(order) && Number.isSafeInteger(back)) {
    const result = Number(order) - Number(back);
    return order >= 0 && result < 0 ? 0 : result;
  }
  if (typeof order === "number" && !Number.isInteger(order)) {
    const result = order - Number(back);
    return order >= 0 && result < 0 ? 0 : result;
  }
  // Rounded so that the overlap never gets shorter than asked for.
  const result = BigInt(order) - BigInt(typeof back === "number" ? Math.ceil(back) : back);
  if (order >= 0 && result < 0n) return 0;
  return Number.isSafeInteger(Number(result)) ? Number(result) : result;
}

function overlapError(overlap: string, order: Order, hint: string): LockstepError {
  return new LockstepError(
    `--overlap ${overlap} makes no sense before the cursor ${JSON.stringify(formatOrder(order))}`,
    { kind: "usage", retry: "never", hint },
  );
}

/** 2000-01-01 and 2100-01-01 in seconds: a number in between is taken for a time in seconds. */
const EPOCH_FROM = 946_684_800;
const EPOCH_TO = 4_102_444_800;

/**
 * The order as a time, or `null` where it doesn't look like one: ISO-8601 text, or a number that
 * lies between the years 2000 and 2100 when read as seconds, milliseconds, microseconds or
 * nanoseconds since the epoch (the four ranges don't meet). A guess, for display only.
 */
export function orderTime(order: Order): Date | null {
  if (typeof order === "string") {
    const ms = isoMilliseconds(order);
    return ms === null ? null : new Date(ms);
  }
  const value = Number(order);
  for (const perSecond of [1, 1e3, 1e6, 1e9]) {
    if (value >= EPOCH_FROM * perSecond && value < EPOCH_TO * perSecond) {
      return new Date(Math.floor(value / perSecond * 1000));
    }
  }
  return null;
}

/** Orders a year from now and more are as likely counters as times. */
const NEAR_MS = 366 * 86_400_000;

/** Units in which numbers count time: how many of them make a second. */
const UNITS_PER_SECOND = [1, 1e3, 1e6, 1e9] as const;

/**
 * The unit, as so many in a second, in which a number is a time near `nowMs`; `null` where it is
 * near it in none. The ranges of the units don't meet, so that at most one fits.
 *
 * @param nearMs how far from now a time may lie, in milliseconds
 */
export function instantUnit(
  order: number | bigint,
  nowMs: number,
  nearMs = NEAR_MS,
): number | null {
  const value = Number(order);
  return UNITS_PER_SECOND.find((unit) => Math.abs(value / unit * 1000 - nowMs) <= nearMs) ?? null;
}

/**
 * The instant of an order, in milliseconds since the epoch, where it is known to be one; else null.
 *
 * An order of type `time` is one for certain. A number is one only where it lies near `nowMs` when
 * read as seconds, milliseconds, microseconds or nanoseconds: a counter may look like any year.
 * To tell the time of a number far from now (a record dated 2099), take the unit of other orders
 * of the same table by {@linkcode instantUnit}.
 *
 * @param nowMs the origin's own clock where it tells, in milliseconds since the epoch
 * @param nearMs how far from `nowMs` a number may lie; default a year
 *
 * @example
 * ```ts
 * import { orderInstant } from "./cursor.ts";
 * const now = Date.UTC(2026, 0, 31, 12);
 * console.assert(orderInstant(now / 1000 + 1, "number", now) === now + 1000);
 * console.assert(orderInstant(2_000_000_000, "number", now) === null);
 * console.assert(orderInstant("2099-01-01T00:00:00", "time", now) === Date.UTC(2099));
 * ```
 */
export function orderInstant(
  order: Order,
  type: OrderType | null,
  nowMs: number,
  nearMs = NEAR_MS,
): number | null {
  if (type === "text") return null;
  // A table without a type has texts that may be times.
  if (typeof order === "string") return isoMilliseconds(order);
  const unit = instantUnit(order, nowMs, nearMs);
  return unit === null ? null : Number(order) / unit * 1000;
}
