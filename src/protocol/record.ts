/**
 * A record of the lockstep protocol: a JSON object with a key, an order and a tombstone mark.
 *
 * The rules (which values may be keys and orders, what counts as deleted) are those of the
 * protocol's own description (orionz/lockstep, README, 2011), made exact.
 *
 * @module
 */

import { type Order, type OrderType, readOrder } from "./cursor.ts";
import { canonicalTime } from "./iso_time.ts";

/** Any JSON value; integers beyond 2^53 are `bigint`. */
export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | JsonValue[]
  | { [name: string]: JsonValue };

/** A JSON object as an origin sent it. Own properties only: `__proto__` is a name like any other. */
export type JsonObject = { [name: string]: JsonValue };

/** One part of a key. Integers beyond 2^53 are `bigint`, all other numbers `number`. */
export type KeyPart = string | number | bigint | boolean;

/** The key of a record: one part for each key field. */
export type Key = readonly KeyPart[];

/** A key as callers may give it: of a single field, the bare value will do. */
export function asKey(key: Key | KeyPart): Key {
  return typeof key === "object" ? key : [key];
}

/**
 * Which values of a record mean what. Each is a field's name or, where it begins with `/`, a JSON
 * pointer (RFC 6901): `/attributes/id`.
 */
export interface RecordShape {
  /** The key field(s); default `["id"]`. */
  readonly key: readonly string[];
  /** The order field; default `updated_at`. */
  readonly orderBy: string;
  /** The tombstone field; default `deleted_at`. */
  readonly deletedBy: string;
  /** The tombstone field's value that means deleted; without it, all that isn't nothing does. */
  readonly deletedValue?: string | undefined;
  /** How orders compare; null until it is decided, and every order stands for itself. */
  readonly orderType?: OrderType | null | undefined;
}

/** From a record's value to its order. */
export interface OrderReading {
  /**
   * The order, or why it can't be used.
   *
   * @param source the text of a number with a fraction, as it was sent
   */
  read(value: unknown, source?: () => string | null): Order | RefusedOrder;
}

/** A value that is no order: a text may be one, so that it can't say why. */
export interface RefusedOrder {
  readonly refusal: Refusal;
}

/** The shape of the protocol's own records. */
export const DEFAULT_SHAPE: RecordShape = {
  key: ["id"],
  orderBy: "updated_at",
  deletedBy: "deleted_at",
};

/** A record that can be stored: read from a JSON object by {@linkcode readRecord}. */
export interface Row {
  readonly key: Key;
  readonly order: Order;
  /** The tombstone field's value; `null` for a live record. */
  readonly deletedAt: JsonValue;
  readonly value: JsonObject;
  /** Length of the record's JSON text in UTF-16 units, or a little more: sizes are bounded by it. */
  readonly length: number;
}

/** Why a record can't be stored: the reason of its quarantine entry. */
export type Refusal =
  | "not an object"
  | "no key"
  | "bad key"
  | "no order"
  | "bad order"
  | "order of another kind"
  | "zoned and naive times"
  | "year beyond 9999"
  | "key too long"
  | "transform failed";

/** True for a JSON object: neither null nor an array. */
export function isJsonObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A field of a record; an inherited name such as `constructor` is no field. */
export function field(record: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/** The pointers that were met: options name them, so that they are few. */
const pointers = new Map<string, readonly string[]>();

/** The names on the way to a place; of a plain field only its own. */
export function placeNames(place: string): readonly string[] {
  if (!place.startsWith("/")) return [place];
  let names = pointers.get(place);
  if (names === undefined) {
    names = place.slice(1).split("/").map((name) =>
      name.replaceAll("~1", "/").replaceAll("~0", "~")
    );
    pointers.set(place, names);
  }
  return names;
}

/**
 * The value at a place of a record: a field's name or, beginning with `/`, a JSON pointer.
 *
 * @example
 * ```ts
 * import { valueAt } from "./record.ts";
 * console.assert(valueAt({ id: 1 }, "id") === 1);
 * console.assert(valueAt({ meta: { ids: [7, 8] } }, "/meta/ids/1") === 8);
 * ```
 */
export function valueAt(record: JsonObject, place: string): JsonValue | undefined {
  if (place.charCodeAt(0) !== 0x2f) return field(record, place);
  let value: JsonValue | undefined = record;
  for (const name of placeNames(place)) {
    if (Array.isArray(value)) {
      value = /^(?:0|[1-9]\d*)$/.test(name) ? value[Number(name)] : undefined;
    } else value = value !== undefined && isJsonObject(value) ? field(value, name) : undefined;
  }
  return value;
}

/** A record of nothing but these values at their places; of a pointer, objects lead there. */
export function recordOf(values: Iterable<readonly [place: string, value: JsonValue]>): JsonObject {
  const record: JsonObject = {};
  for (const [place, value] of values) {
    const names = placeNames(place);
    let parent = record;
    for (const name of names.slice(0, -1)) {
      const child = field(parent, name);
      const next: JsonObject = child !== undefined && isJsonObject(child) ? child : {};
      setField(parent, name, next);
      parent = next;
    }
    setField(parent, names.at(-1) ?? "", value);
  }
  return record;
}

/** `__proto__` is a name like any other. */
function setField(record: JsonObject, name: string, value: JsonValue): void {
  const property = { value, writable: true, enumerable: true, configurable: true };
  Object.defineProperty(record, name, property);
}

function isKeyPart(value: JsonValue | undefined): value is KeyPart {
  return typeof value === "string" || typeof value === "number" || typeof value === "bigint" ||
    typeof value === "boolean";
}

/** Where a record's order is, and how it compares. */
export type OrderField = Pick<RecordShape, "orderBy" | "orderType">;

/** The order of a stored record; a record without one was not written by this program. */
export function orderOf(record: JsonObject, field: OrderField): Order | undefined {
  return readOrder(valueAt(record, field.orderBy), field.orderType ?? null) ?? undefined;
}

/** Dates that stand for none: what databases and languages make of nothing. */
const ZERO_DATE =
  /^(?:0000-.*|-0001-11-30.*|(?:0001|1970)-01-01(?:[Tt ]00:00(?::00(?:[.,]0*)?)?\s?(?:[Zz]|UTC|GMT|[+-][\d:]+)?)?)$/;

/** The beginning of 1970 in another zone. */
const EPOCH = "1970-01-01T00:00:00";

/**
 * Whether a tombstone field's value means that the record is deleted.
 *
 * Null, false, 0, nothing, and the zero dates that databases and languages write for no date mean
 * that it lives.
 *
 * @param deletedValue the one value that means deleted, where there is such a one
 */
export function isDeletion(value: JsonValue | undefined, deletedValue?: string): boolean {
  if (value === undefined || value === null) return false;
  if (deletedValue !== undefined) {
    return typeof value !== "object" && String(value) === deletedValue;
  }
  if (typeof value === "object") return true;
  if (typeof value !== "string") return Number(value) !== 0;
  const text = value.trim();
  if (text === "" || text === "0" || text.toLowerCase() === "false") return false;
  return !ZERO_DATE.test(text) && !(/^19(?:69|70)/.test(text) && canonicalTime(text) === EPOCH);
}

/** `FIELD`, or `FIELD=VALUE` where that value means deleted. */
export function deletionOf(text: string): Pick<RecordShape, "deletedBy" | "deletedValue"> {
  const at = text.indexOf("=");
  return at < 1
    ? { deletedBy: text }
    : { deletedBy: text.slice(0, at), deletedValue: text.slice(at + 1) };
}

/** The key of a record that is stored; null where it has none. */
export function keyOf(record: JsonObject, places: readonly string[]): Key | null {
  const key: KeyPart[] = [];
  for (const place of places) {
    const part = valueAt(record, place);
    if (!isKeyPart(part)) return null;
    key.push(part === 0 ? 0 : part);
  }
  return key;
}

/** What means deleted, as text: `FIELD` or `FIELD=VALUE`. */
export function deletionText({ deletedBy, deletedValue }: RecordShape): string {
  return deletedValue === undefined ? deletedBy : `${deletedBy}=${deletedValue}`;
}

/** A value of the tombstone field that means deleted, for a deletion that has none of its own. */
export function deletionMark(shape: RecordShape, order: JsonValue): JsonValue {
  return shape.deletedValue ?? (isDeletion(order) ? order : true);
}

/** The tombstone field's value where it means deleted; else null. */
function markOf(value: JsonObject, { deletedBy, deletedValue }: RecordShape): JsonValue {
  const mark = valueAt(value, deletedBy) ?? null;
  return mark !== null && isDeletion(mark, deletedValue) ? mark : null;
}

/**
 * Reads a record's key, order and tombstone mark, or says why it can't be stored.
 *
 * A key field is a string, a number or a boolean; the order is a number or a string; what
 * `deleted_at` means, {@linkcode isDeletion} says.
 *
 * @param orders how orders are read; by the shape's order type where nothing else is said
 * @param source the text of the order, where it is a number with a fraction
 *
 * @example
 * ```ts
 * import { DEFAULT_SHAPE, readRow } from "./record.ts";
 * const row = readRow({ id: 123, updated_at: 999, deleted_at: null }, 46, DEFAULT_SHAPE);
 * console.assert(typeof row === "object" && row.order === 999);
 * console.assert(readRow({ updated_at: 999 }, 18, DEFAULT_SHAPE) === "no key");
 * ```
 */
export function readRow(
  value: JsonValue,
  length: number,
  shape: RecordShape,
  orders?: OrderReading,
  source?: () => string | null,
): Row | Refusal {
  if (!isJsonObject(value)) return "not an object";
  const key: KeyPart[] = [];
  for (const name of shape.key) {
    const part = valueAt(value, name);
    if (part === undefined || part === null) return "no key";
    if (!isKeyPart(part)) return "bad key";
    // Deno KV takes -0 for another key than 0.
    key.push(part === 0 ? 0 : part);
  }
  const sent = valueAt(value, shape.orderBy);
  if (sent === undefined || sent === null) return "no order";
  const order = orders === undefined
    ? readOrder(sent, shape.orderType ?? null)
    : orders.read(sent, source);
  if (order === null) return "bad order";
  if (typeof order === "object") return order.refusal;
  return { key, order, deletedAt: markOf(value, shape), value, length };
}
