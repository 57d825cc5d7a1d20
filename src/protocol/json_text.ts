/**
 * JSON text to values and back, without loss: integers beyond 2^53 are `bigint`.
 *
 * A value goes through the engine's own `JSON.parse` first. Only when it turns out to hold a number
 * of 2^53 or more is its text read again, this time with a reviver that sees each number's digits
 * (about six times slower). Looking at the values that were parsed is exact, where a search
 * through the text also finds digits in strings, and it costs a third of such a search.
 *
 * @module
 */

import type { JsonValue } from "./record.ts";

/**
 * Most arrays and objects inside each other. Far more than records have, and far less than the
 * recursion of `JSON.stringify`, of the reviver, or of the store's serialiser can bear (about 4,000).
 */
export const MAX_DEPTH = 1000;

/** Numbers of this magnitude and more may stand for another integer than the one that was written. */
const FIRST_INEXACT = 2 ** 53;

// What the TypeScript library doesn't know yet of "JSON.parse source text access".
const parseWithSource = JSON.parse as (
  text: string,
  reviver: (name: string, value: JsonValue, context: { readonly source?: string }) => JsonValue,
) => JsonValue;
const { rawJSON } = JSON as unknown as { rawJSON(text: string): object };

/**
 * Reads one JSON value.
 *
 * A number is a `bigint` when it is written as an integer (no fraction, no exponent) and lies
 * outside ±(2^53 − 1); every other number is a `number`. Of equal names in an object the last one
 * counts, and `__proto__` is a name like any other.
 *
 * @param depth levels of arrays and objects, default {@linkcode MAX_DEPTH}
 * @throws {SyntaxError} when the text isn't JSON.
 * @throws {RangeError} `number out of range` when a number is too big for a double (`1e400`), and
 * `nested too deep` beyond `depth` levels.
 *
 * @example
 * ```ts
 * import { parseJson } from "./json_text.ts";
 * const row = parseJson('{"id":9007199254740993}') as { id: bigint };
 * console.assert(row.id === 9007199254740993n);
 * ```
 */
export function parseJson(text: string, depth = MAX_DEPTH): JsonValue {
  const value: JsonValue = JSON.parse(text);
  if (isPlain(value, depth)) return value;
  if (isDeeper(value, depth)) throw new RangeError("nested too deep");
  return parseWithSource(text, exactNumber);
}

/**
 * Writes one JSON value on one line; {@linkcode parseJson} reads the same value from it.
 *
 * A `bigint` is written with all its digits, and a whole `number` beyond 2^53 with an exponent
 * (`1e+20`), which tells the two apart. As in `JSON.stringify`, `-0` becomes `0`, and a lone
 * surrogate becomes an escape.
 *
 * @example
 * ```ts
 * import { stringifyJson } from "./json_text.ts";
 * console.assert(stringifyJson({ id: 9007199254740993n }) === '{"id":9007199254740993}');
 * ```
 */
export function stringifyJson(value: JsonValue): string {
  return isPlain(value, MAX_DEPTH) ? JSON.stringify(value) : JSON.stringify(value, exactText);
}

/**
 * Whether the engine's own JSON is exact for the value: no bigint, no number of 2^53 or more, and no
 * more than `room` levels. One call per array or object, since it runs over every value that arrives.
 */
function isPlain(value: JsonValue, room: number): boolean {
  if (typeof value === "number") return value < FIRST_INEXACT && value > -FIRST_INEXACT;
  if (typeof value !== "object" || value === null) return typeof value !== "bigint";
  return isPlainInside(value, room);
}

function isPlainInside(value: JsonValue[] | { [name: string]: JsonValue }, room: number): boolean {
  if (room === 0) return false;
  if (Array.isArray(value)) {
    for (const part of value) {
      if (typeof part === "number") {
        if (!(part < FIRST_INEXACT && part > -FIRST_INEXACT)) return false;
      } else if (typeof part === "object") {
        if (part !== null && !isPlainInside(part, room - 1)) return false;
      } else if (typeof part === "bigint") return false;
    }
    return true;
  }
  // `for…in` beats `Object.values` here, and sees own names only: nothing inherited is enumerable.
  for (const name in value) {
    const part = value[name];
    if (typeof part === "number") {
      if (!(part < FIRST_INEXACT && part > -FIRST_INEXACT)) return false;
    } else if (typeof part === "object") {
      if (part !== null && !isPlainInside(part, room - 1)) return false;
    } else if (typeof part === "bigint") return false;
  }
  return true;
}

function isDeeper(value: JsonValue, room: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return room === 0 || Object.values(value).some((part) => isDeeper(part, room - 1));
}

function exactNumber(
  _name: string,
  value: JsonValue,
  context: { readonly source?: string },
): JsonValue {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  if (!Number.isFinite(value)) throw new RangeError("number out of range");
  const source = context.source;
  return source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value;
}

function exactText(_name: string, value: JsonValue): unknown {
  if (typeof value === "bigint") return rawJSON(String(value));
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    return rawJSON(value.toExponential());
  }
  return value;
}
