/**
 * Which fields of some records may be key, order and deletion mark.
 *
 * @module
 */

import { instantUnit, type Order } from "../protocol/cursor.ts";
import { isoMilliseconds } from "../protocol/iso_time.ts";
import { isJsonObject, type JsonObject, type JsonValue, valueAt } from "../protocol/record.ts";

/** How deep fields are looked for. */
const DEPTH = 3;

/** Fields of records that are looked at. */
const MOST_PLACES = 300;

/** Places of scalar values in records, the shallowest first: names, or pointers where nested. */
export function placesIn(records: readonly JsonObject[]): string[] {
  const places = new Map<string, number>();
  const visit = (value: JsonObject, prefix: string, depth: number) => {
    for (const [name, part] of Object.entries(value)) {
      if (places.size >= MOST_PLACES) return;
      const escaped = name.replaceAll("~", "~0").replaceAll("/", "~1");
      const place = prefix === "" && !name.startsWith("/") ? name : `${prefix}/${escaped}`;
      if (!isJsonObject(part)) places.set(place, depth);
      else if (depth < DEPTH) visit(part, `${prefix}/${escaped}`, depth + 1);
    }
  };
  for (const record of records.slice(0, 100)) visit(record, "", 1);
  return [...places].sort(([, a], [, b]) => a - b).map(([place]) => place);
}

/** The last name of a place, and how deep it lies. */
function nameOf(place: string): { readonly name: string; readonly depth: number } {
  const names = place.startsWith("/") ? place.split("/").slice(1) : [place];
  return { name: names.at(-1) ?? place, depth: names.length };
}

/** The first pattern that a name matches; null for none. */
function rankOf(place: string, patterns: readonly RegExp[]): number | null {
  const { name, depth } = nameOf(place);
  const rank = patterns.findIndex((pattern) => pattern.test(name));
  return rank < 0 ? null : rank + (depth - 1) / 10;
}

const KEY_NAMES = [
  /^_?id$/i,
  /^(uuid|guid|key|pk|sku|code|slug)$/i,
  /(_id|Id|ID|_key|Key|_uuid)$/,
  /^(name|host(name)?|domain|login|username|email|path|url)$/i,
];

function isScalar(value: JsonValue | undefined): value is string | number | bigint | boolean {
  return value !== undefined && value !== null && typeof value !== "object";
}

/** Distinct values, or combinations of values, of places that every record has; null else. */
function distinct(records: readonly JsonObject[], places: readonly string[]): number | null {
  const seen = new Set<string>();
  for (const record of records) {
    const values = places.map((place) => valueAt(record, place));
    if (!values.every(isScalar)) return null;
    seen.add(values.map((value) => `${typeof value} ${String(value)}`).join("\0"));
  }
  return seen.size;
}

/** What a key was chosen by. */
export interface KeyChoice {
  readonly places: readonly string[];
  /** Records, and distinct keys among them: fewer where records were sent again. */
  readonly records: number;
  readonly distinct: number;
  /** Other places that would do. */
  readonly others: readonly string[];
}

/**
 * The key of some records; null where nothing tells them apart.
 *
 * @param taken places that mean something else: a time is no key, though it tells records apart
 */
export function chooseKey(
  records: readonly JsonObject[],
  taken: readonly (string | null)[],
): KeyChoice | null {
  const candidates = placesIn(records).flatMap((place) => {
    if (taken.includes(place)) return [];
    const count = distinct(records, [place]);
    if (count === null) return [];
    const rank = rankOf(place, KEY_NAMES);
    const [sample] = records;
    const value = sample === undefined ? undefined : valueAt(sample, place);
    const isPlain = typeof value === "string" || Number.isInteger(value) ||
      typeof value === "bigint";
    const isTime = typeof value === "string" && isoMilliseconds(value) !== null;
    if (rank === null && (!isPlain || isTime)) return [];
    return [{ place, count, rank: rank ?? KEY_NAMES.length }];
  });
  const named = (rank: number) => rank < KEY_NAMES.length - 1;
  // A record that is sent again, or changed meanwhile, has its key again.
  const most = Math.max(
    0,
    ...candidates.filter(({ rank }) => named(rank)).map(({ count }) => count),
  );
  const unique = candidates.filter(({ count, rank }) =>
    count === records.length || (named(rank) && count === most && count * 2 > records.length) ||
    (rank < 1 && count === most && records.length > 1 && count > 1)
  ).sort((a, b) => a.rank - b.rank);
  const [best, ...others] = unique;
  if (best !== undefined) {
    return {
      places: [best.place],
      records: records.length,
      distinct: best.count,
      others: others.map(({ place }) => place).slice(0, 5),
    };
  }
  return chooseTwo(records, candidates.sort((a, b) => a.rank - b.rank).slice(0, 8));
}

function chooseTwo(
  records: readonly JsonObject[],
  candidates: readonly { readonly place: string; readonly count: number }[],
): KeyChoice | null {
  for (const [i, a] of candidates.entries()) {
    for (const b of candidates.slice(i + 1)) {
      if (a.count < 2 || b.count < 2) continue;
      const places = [a.place, b.place];
      const count = distinct(records, places);
      if (count === records.length) {
        return { places, records: records.length, distinct: count, others: [] };
      }
    }
  }
  return null;
}

const ORDER_NAMES = [
  /^(updated|modified|changed)(_?(at|on|time|date|timestamp|ms|ts))?$/i,
  /^(last_?(updated|modified|changed)|(update|modification|change)(_?(time|date))?|mtime)(_?(at|on|time|date))?$/i,
  /^_?(version|rev(ision)?|seq(uence)?(_?n(r|o|um|umber))?|lsn|position|offset)$/i,
  /(updated|modified|changed)/i,
  /^_?(ts|timestamp|time|date)$/i,
  /^(created|inserted)(_?(at|on|time|date))?$/i,
];

/** Of these names an order says when a record was made, not when it changed. */
const CREATION = /^(created|inserted)/i;

/** How the values of an order are to be compared. */
export type OrderUnit =
  | "seconds"
  | "milliseconds"
  | "microseconds"
  | "nanoseconds"
  | "counter"
  | "times"
  | "digits"
  | "text";

/** What an order was chosen by. */
export interface OrderChoice {
  readonly place: string;
  readonly unit: OrderUnit;
  /** Of texts: different lengths, or zones. */
  readonly isUneven: boolean;
  readonly isCreation: boolean;
  readonly others: readonly string[];
}

const UNITS = new Map<number, OrderUnit>([
  [1, "seconds"],
  [1e3, "milliseconds"],
  [1e6, "microseconds"],
  [1e9, "nanoseconds"],
]);

/** The order at a place; null where a record has none. */
export function orderAt(record: JsonObject, place: string): Order | null {
  const value = valueAt(record, place);
  return typeof value === "number" || typeof value === "bigint" || typeof value === "string"
    ? value
    : null;
}

/** How orders at a place are to be read; null where they can't all be compared. */
export function unitOf(
  records: readonly JsonObject[],
  place: string,
  nowMs: number,
): { readonly unit: OrderUnit; readonly isUneven: boolean } | null {
  const orders = records.map((record) => orderAt(record, place)).filter((order) => order !== null);
  // Some records without an order are bad records; many mean that the field is another thing.
  if (orders.length === 0 || orders.length < 0.95 * records.length) return null;
  const texts = orders.filter((order) => typeof order === "string");
  if (texts.length === 0) {
    const numbers = orders.filter((order) => typeof order !== "string");
    const units = new Set(numbers.map((order) => instantUnit(order, nowMs, 20 * 366 * 86_400_000)));
    const [unit] = units;
    const name = units.size === 1 && unit !== null && unit !== undefined
      ? UNITS.get(unit)
      : undefined;
    return { unit: name ?? "counter", isUneven: false };
  }
  if (texts.length < orders.length) return null;
  if (texts.every((text) => /^-?\d+$/.test(text))) {
    return { unit: "digits", isUneven: new Set(texts.map((text) => text.length)).size > 1 };
  }
  const isTime = texts.every((text) => isoMilliseconds(text) !== null);
  const forms = new Set(texts.map((text) => text.replaceAll(/\d/g, "0")));
  return { unit: isTime ? "times" : "text", isUneven: forms.size > 1 };
}

/** A number that sorts as the order does; texts without one sort by themselves. */
export function comparable(order: Order, unit: OrderUnit): Order {
  if (typeof order !== "string") return order;
  if (unit === "digits") return BigInt(order);
  return unit === "times" ? isoMilliseconds(order) ?? order : order;
}

/** Negative, zero or positive as `a` comes before, with or after `b`. */
export function compareAs(a: Order, b: Order, unit: OrderUnit): number {
  const [x, y] = [comparable(a, unit), comparable(b, unit)];
  if (x < y) return -1;
  if (x > y) return 1;
  // Digits of a time beyond the millisecond.
  return unit === "times" && String(a).length === String(b).length && a !== b
    ? (a < b ? -1 : 1)
    : 0;
}

/** The order of some records; null where no field will do. */
export function chooseOrder(records: readonly JsonObject[], nowMs: number): OrderChoice | null {
  const candidates = placesIn(records).flatMap((place) => {
    const read = unitOf(records, place, nowMs);
    if (read === null) return [];
    const rank = rankOf(place, ORDER_NAMES);
    // Without a telling name only a time will do.
    if (
      rank === null && (read.unit === "counter" || read.unit === "digits" || read.unit === "text")
    ) {
      return [];
    }
    if (rank !== null && read.unit === "text") return [];
    const isDeletion = rankOf(place, DELETION_NAMES) !== null;
    return isDeletion ? [] : [{ place, ...read, rank: rank ?? ORDER_NAMES.length }];
  }).sort((a, b) => a.rank - b.rank);
  const [best, ...others] = candidates;
  if (best === undefined) return null;
  return {
    place: best.place,
    unit: best.unit,
    isUneven: best.isUneven,
    isCreation: CREATION.test(nameOf(best.place).name),
    others: others.map(({ place }) => place).slice(0, 5),
  };
}

const DELETION_NAMES = [
  /^(deleted|removed|archived|destroyed|trashed|tombstoned?)(_?(at|on|time|date|timestamp))?$/i,
  /^(is|has)_?(been_?)?(deleted|removed|archived|trashed)$/i,
  /^_?deleted$/i,
];
const STATE_NAMES = [/^(status|state|lifecycle)$/i, /^(op|operation|action|event|type|kind)$/i];
const GONE = /^(delete|deleted|remove|removed|archived|destroyed|trashed|gone|d)$/i;

/** What deletions are told by. */
export interface DeletionChoice {
  readonly place: string;
  /** The value that means deleted, where only one of several does. */
  readonly value: string | null;
  /** Records that are deletions. */
  readonly count: number;
  /** Some of the values that mean deleted. */
  readonly values: readonly string[];
}

function isLive(value: JsonValue | undefined): boolean {
  return value === undefined || value === null || value === false || value === 0 ||
    value === "" || value === "0" || value === "false" ||
    (typeof value === "string" && /^(0000-|0001-01-01T00:00:00|1970-01-01T00:00:00)/.test(value));
}

/** Whether a record is no deletion. */
export function isLiveRecord(record: JsonObject, { place, value }: DeletionChoice): boolean {
  const found = valueAt(record, place);
  return value === null ? isLive(found) : found !== value;
}

/** The deletion mark of some records; null where there is none. */
export function chooseDeletion(records: readonly JsonObject[]): DeletionChoice | null {
  const places = placesIn(records);
  const [named] = places.flatMap((place) => {
    const rank = rankOf(place, DELETION_NAMES);
    return rank === null ? [] : [{ place, rank }];
  }).sort((a, b) => a.rank - b.rank);
  if (named !== undefined) {
    const gone = records.map((record) => valueAt(record, named.place)).filter((value) =>
      !isLive(value)
    );
    const values = [...new Set(gone.map((value) => String(value).slice(0, 40)))].slice(0, 3);
    return { place: named.place, value: null, count: gone.length, values };
  }
  for (const place of places.filter((name) => rankOf(name, STATE_NAMES) !== null)) {
    const values = records.map((record) => valueAt(record, place));
    const gone = values.filter((value): value is string =>
      typeof value === "string" && GONE.test(value)
    );
    const [value] = gone;
    if (value !== undefined && gone.length < records.length) {
      return { place, value, count: gone.length, values: [value] };
    }
  }
  return null;
}
