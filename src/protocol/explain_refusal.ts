/**
 * Why a record can't be stored, in words: the field, the option that names it, and what the record
 * has instead.
 *
 * @module
 */

import {
  type JsonObject,
  type JsonValue,
  placeNames,
  type RecordShape,
  type Refusal,
  valueAt,
} from "./record.ts";

/** Fields of a record that are named. */
const MOST_NAMES = 12;

/** Characters of a field's name that are shown. */
const NAME_LENGTH = 40;

function shownName(name: string): string {
  return name.length > NAME_LENGTH ? `${name.slice(0, NAME_LENGTH)}…` : name;
}

/** The names of a record's fields, as a list. */
function fieldsOf(record: JsonObject): string {
  const names = Object.keys(record);
  const shown = names.slice(0, MOST_NAMES).map(shownName).join(", ");
  if (names.length === 0) return "no field at all";
  return names.length > MOST_NAMES ? `${shown} and ${names.length - MOST_NAMES} more` : shown;
}

function kindOf(value: JsonValue): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function missing(record: JsonObject, place: string, option: string, refusal: Refusal): string {
  const value = valueAt(record, place);
  if (typeof value === "string") return `${refusal}: field ${JSON.stringify(place)} (${option})`;
  const what = value === undefined
    ? `no field ${JSON.stringify(place)} (${option})`
    : `field ${JSON.stringify(place)} (${option}) is ${kindOf(value)}`;
  return `${what}; the record has: ${fieldsOf(record)}`;
}

/**
 * A refusal in words.
 *
 * @example
 * ```ts
 * import { explainRefusal } from "./explain_refusal.ts";
 * import { DEFAULT_SHAPE } from "./record.ts";
 * const words = explainRefusal({ id: 1, updatedAt: 5 }, "no order", DEFAULT_SHAPE);
 * console.assert(words === 'no field "updated_at" (--order-by); the record has: id, updatedAt');
 * ```
 */
export function explainRefusal(value: JsonValue, refusal: Refusal, shape: RecordShape): string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refusal;
  }
  switch (refusal) {
    case "no key":
    case "bad key": {
      const place = shape.key.find((name) => {
        const part = valueAt(value, name);
        return part === undefined || typeof part === "object";
      });
      return missing(value, place ?? shape.key[0] ?? "", "--key", refusal);
    }
    case "no order":
    case "bad order":
      return missing(value, shape.orderBy, "--order-by", refusal);
    case "order of another kind":
      return `${orderField(shape)} is ${kindOf(valueAt(value, shape.orderBy) ?? null)}, ` +
        `and the table's orders are compared as ${shape.orderType ?? "others"} (--order-type)`;
    case "zoned and naive times":
      return `${orderField(shape)} ${shown(value, shape)} has ` +
        "a zone where the others have none, or none where they have: mend the origin";
    case "year beyond 9999":
      return `${orderField(shape)} ${shown(value, shape)} has a year beyond 9999`;
    default:
      return refusal;
  }
}

function orderField({ orderBy }: RecordShape): string {
  return `field ${JSON.stringify(orderBy)} (--order-by)`;
}

function shown(record: JsonObject, { orderBy }: RecordShape): string {
  return JSON.stringify(String(valueAt(record, orderBy)).slice(0, NAME_LENGTH));
}

/**
 * The kind of an object that has neither a key nor an order, such as a heartbeat: its fields' names.
 * Null for whatever is, or was meant to be, a record.
 */
export function foreignKind(value: JsonValue, shape: RecordShape): string | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const isField = (place: string) =>
    Object.hasOwn(value, placeNames(place)[0] ?? "") && valueAt(value, place) !== undefined;
  if (shape.key.some(isField) || isField(shape.orderBy)) return null;
  return Object.keys(value).sort().slice(0, 50).map(shownName).join("\0");
}
