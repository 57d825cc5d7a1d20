/**
 * Durations as people write them: `1s`, `500ms`, `7d`, `1m30s`.
 *
 * @module
 */

import { LockstepError } from "./errors.ts";

/** Milliseconds in each unit, largest first: the order in which {@linkcode formatDuration} uses them. */
const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
];

/** One part of a duration: a decimal number and its unit. */
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/gy;
const BARE = /^\d+(?:\.\d+)?$/;

/**
 * Milliseconds of a duration, or `null` where the text is none.
 *
 * A duration is one or more numbers with the units `d`, `h`, `m`, `s`, `ms` (`1m30s`, `1.5s`),
 * or a bare number, which counts seconds. It is never negative.
 *
 * @example
 * ```ts
 * import { readDuration } from "./duration.ts";
 * console.assert(readDuration("1m30s") === 90_000);
 * console.assert(readDuration("2") === 2_000);
 * console.assert(readDuration("soon") === null);
 * ```
 */
export function readDuration(text: string): number | null {
  const trimmed = text.trim();
  if (BARE.test(trimmed)) return finite(Number(trimmed) * 1000);
  let total = 0;
  let end = 0;
  for (const part of trimmed.matchAll(PART)) {
    end += part[0].length;
    const ms = UNITS.find(([unit]) => unit === part[2])?.[1] ?? NaN;
    total += Number(part[1]) * ms;
  }
  return end > 0 && end === trimmed.length ? finite(total) : null;
}

/** Whole milliseconds; `null` beyond what a number counts exactly. */
function finite(ms: number): number | null {
  const whole = Math.round(ms);
  return Number.isSafeInteger(whole) ? whole : null;
}

/**
 * Like {@linkcode readDuration}, for an option's value.
 *
 * @param what the option the text was given for, such as `--poll`
 * @throws {LockstepError} of kind `usage`, naming the option, the text and what is accepted
 */
export function parseDuration(text: string, what = "the duration"): number {
  const ms = readDuration(text);
  if (ms !== null) return ms;
  throw new LockstepError(`${what}: ${JSON.stringify(text)} is no duration`, {
    kind: "usage",
    retry: "never",
    hint: "give a number with a unit out of ms, s, m, h, d, such as 500ms, 1m30s or 7d; " +
      "a bare number counts seconds",
  });
}

/**
 * The shortest exact text for a number of milliseconds; {@linkcode readDuration} reads it back.
 *
 * @example
 * ```ts
 * import { formatDuration } from "./duration.ts";
 * console.assert(formatDuration(90_000) === "1m30s");
 * ```
 */
export function formatDuration(ms: number): string {
  let left = Math.max(0, Math.round(ms));
  let text = "";
  for (const [unit, size] of UNITS) {
    const count = Math.floor(left / size);
    if (count > 0) text += `${count}${unit}`;
    left -= count * size;
  }
  return text === "" ? "0s" : text;
}
