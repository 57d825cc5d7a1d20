/**
 * What an answer holds in place of records, in words, and the option that reads it.
 *
 * @module
 */

import { type BodyFault, describeFields, envelopeHint } from "../protocol/json_document.ts";
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  type RecordShape,
  valueAt,
} from "../protocol/record.ts";

/** How deep in an envelope records are looked for: `/result/data/items`. */
const ENVELOPE_DEPTH = 3;

/** Places of arrays of objects inside of an object, the shallowest first. */
export function arraysIn(value: JsonObject): string[] {
  const found: string[] = [];
  let level: [string[], JsonObject][] = [[[], value]];
  for (let depth = 0; depth < ENVELOPE_DEPTH; depth++) {
    const next: [string[], JsonObject][] = [];
    for (const [path, object] of level) {
      for (const [name, part] of Object.entries(object)) {
        if (Array.isArray(part) && part[0] !== undefined && isJsonObject(part[0])) {
          found.push(placeOf([...path, name]));
        } else if (isJsonObject(part)) next.push([[...path, name], part]);
      }
    }
    level = next;
  }
  return found;
}

/** The way to a value, as an option takes it. */
function placeOf(names: readonly string[]): string {
  const [name = ""] = names;
  if (names.length === 1 && !name.startsWith("/")) return name;
  return names.map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

function isLikeRecord(value: JsonValue | undefined, shape: RecordShape): boolean {
  return value !== undefined && isJsonObject(value) &&
    [...shape.key, shape.orderBy].some((place) => valueAt(value, place) !== undefined);
}

/**
 * The fault of an answer that begins with an object around records; null for any other object. Sure
 * where something inside has a record's key or order.
 */
export function envelopeFault(value: JsonObject, shape: RecordShape): BodyFault | null {
  if (isLikeRecord(value, shape)) return null;
  const places = arraysIn(value);
  const isSure = places.some((place) => {
    const list = valueAt(value, place);
    return Array.isArray(list) && isLikeRecord(list[0], shape);
  });
  return isSure ? wrapped(Object.keys(value), places) : null;
}

/** The fault of an answer that is one object, and no record: what is in it may be the records. */
export function loneObjectFault(value: JsonObject): BodyFault | null {
  const places = arraysIn(value);
  return places.length === 0 ? null : wrapped(Object.keys(value), places);
}

function wrapped(names: readonly string[], places: readonly string[]): BodyFault {
  return {
    kind: "not-records",
    seen: `answered with ${describeFields(names)}`,
    hint: envelopeHint(places),
  };
}

/** The fault of an answer that begins with this line, which isn't JSON; null for any other. */
export function textFault(text: string, shape: RecordShape): BodyFault | null {
  const [line = ""] = text.split(/\r?\n/, 1);
  for (const [separator, name] of [[",", "commas"], [";", "semicolons"], ["\t", "tabs"]] as const) {
    const columns = line.split(separator).map((column) => column.trim().replace(/^"(.*)"$/, "$1"));
    const isHeader = columns.length > 1 && columns.every((column) =>
      /^[\w .-]{1,60}$/.test(column)
    ) &&
      [...shape.key, shape.orderBy].some((field) => columns.includes(field));
    if (!isHeader) continue;
    return {
      kind: "not-records",
      seen: `answered with columns between ${name} (CSV): ${columns.slice(0, 8).join(", ")}`,
      hint: "records are read as JSON: ask the origin for JSON, or put a converter between",
    };
  }
  if (/^(data|event|id|retry): ?/.test(line)) {
    return {
      kind: "not-records",
      seen: "answered with server-sent events under another content type",
      hint: "let the origin send them as Content-Type: text/event-stream",
    };
  }
  const field = /^\{\s*"([^"\\]{1,60})"\s*:\s*\[\s*\{/.exec(text)?.[1];
  return field === undefined ? null : wrapped([field, "…"], [field]);
}
