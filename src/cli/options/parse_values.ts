/**
 * Texts of option values → values. Each throws an `Error` that says what was given and what is
 * accepted; the caller puts the option's name before it.
 *
 * @module
 */

import { parseAddress } from "../../http/address.ts";
import { readDuration } from "../../base/duration.ts";
import { quote } from "../quote.ts";

/** Milliseconds. */
export function duration(text: string): number {
  const ms = readDuration(text);
  if (ms !== null) return ms;
  throw new Error(
    `${
      quote(text)
    } is not a duration; give one such as 500ms, 10s, 1m30s or 7d; a bare number is seconds`,
  );
}

/** Milliseconds, more than none: a time-out of zero would never let anything happen. */
export function positiveDuration(text: string): number {
  const ms = duration(text);
  if (ms > 0) return ms;
  throw new Error(`${quote(text)} is no time at all; give a duration such as 500ms, 10s or 1m30s`);
}

export function positiveInteger(text: string): number {
  if (/^[0-9]+$/.test(text)) {
    const number = Number(text);
    if (number >= 1 && Number.isSafeInteger(number)) return number;
  }
  throw new Error(`${quote(text)} is not a whole number of at least 1`);
}

/** `50%` or `50` → 0.5. */
export function percent(text: string): number {
  const match = /^([0-9]+(?:\.[0-9]+)?)\s*%?$/.exec(text.trim());
  const number = Number(match?.[1]);
  if (number >= 0 && number <= 100) return number / 100;
  throw new Error(`${quote(text)} is not a percentage from 0% to 100%`);
}

/** A percentage of any size, as a part: 1 is all of it. */
export function growth(text: string): number {
  const match = /^([0-9]+(?:\.[0-9]+)?)\s*%?$/.exec(text.trim());
  if (match !== null) return Number(match[1]) / 100;
  throw new Error(`${quote(text)} is not a percentage`);
}

/** A whole number from 0 on. */
export function wholeNumber(text: string): number {
  const number = /^[0-9]+$/.test(text.trim()) ? Number(text) : NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new Error(`${quote(text)} is not a whole number`);
}

const BYTE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
};

/** `16MiB`, `512 KiB`, `1000` → bytes. */
export function bytes(text: string): number {
  const match = /^([0-9]+)\s*([a-z]*)$/i.exec(text.trim());
  const unit = BYTE_UNITS[(match?.[2] ?? "").toLowerCase()];
  const size = Number(match?.[1]) * (unit ?? NaN);
  if (size >= 1 && Number.isSafeInteger(size)) return size;
  throw new Error(`${quote(text)} is not a size; give bytes, or a size such as 512KiB or 16MiB`);
}

/** Something on one line, and nothing that would hide in a terminal or a file name. */
export function line(what: string): (text: string) => string {
  return (text) => {
    if (text === "") throw new Error(`nothing was given; give ${what}`);
    // deno-lint-ignore no-control-regex -- control characters are just what is refused
    if (/[\x00-\x1f\x7f]/.test(text)) {
      throw new Error(`${quote(text)} has control characters in it; give ${what} without them`);
    }
    return text;
  };
}

export const name = line("a name");

/** A shell's command: it may have several lines. */
export function command(text: string): string {
  if (text.trim() === "") throw new Error("nothing was given; give a command for the shell");
  return text;
}

export function path(text: string): string {
  if (text === "") throw new Error("nothing was given; give a path");
  if (text.includes("\0")) throw new Error(`${quote(text)} is not a path`);
  return text;
}

/** `--kv`: a file, a folder, or `:memory:`. */
export function storePath(text: string): string {
  if (/^https?:/i.test(text) && !URL.canParse(text)) {
    throw new Error(`${quote(text)} is no address; give https://HOST/…, a file, or a folder`);
  }
  return path(text);
}

/** `--status`: checked here, read by the status server. */
export function statusAddress(text: string): string {
  parseAddress(text);
  return text;
}

/** A table's name: anything printable but the name that the store keeps for itself. */
export function table(text: string): string {
  if (text === "lockstep") {
    throw new Error('a table may not be called "lockstep": the store keeps its own keys there');
  }
  if (text === "." || text === "..") {
    throw new Error(`a table may not be called "${text}": no URL could name it`);
  }
  return name(text);
}

const placeLine = line("a field, or a JSON pointer such as /attributes/id");

/** A field's name or, beginning with `/`, a JSON pointer. */
export function place(text: string): string {
  placeLine(text);
  if (text.startsWith("/") && /~(?![01])/.test(text)) {
    throw new Error(
      `${quote(text)} is not a JSON pointer: in one, ~ is written ~0, and a / in a name ~1`,
    );
  }
  return text;
}

/** `id`, `region,id`, or `/attributes/id`. */
export function fields(text: string): string[] {
  const names = text.split(",").map((part) => part.trim());
  if (names.includes("")) {
    throw new Error(`${quote(text)} is not a list of fields; give FIELD or FIELD,FIELD`);
  }
  const twice = names.find((part, index) => names.indexOf(part) !== index);
  if (twice !== undefined) throw new Error(`${quote(text)} names ${quote(twice)} twice`);
  return names.map(place);
}

/** A number in the order field's unit, or a duration: kept as text, the order's kind decides. */
export function overlap(text: string): string {
  if (readDuration(text) !== null) return text;
  throw new Error(
    `${quote(text)} is neither a number (in the order field's unit) nor a duration such as 30s`,
  );
}

/** One of a few words. */
export function oneOf<const T extends string>(words: readonly T[]): (text: string) => T {
  return (text) => {
    const word = words.find((candidate) => candidate === text);
    if (word !== undefined) return word;
    throw new Error(`${quote(text)} is not one of ${words.join(", ")}`);
  };
}

/**
 * `Name: value` → its two parts. What was given isn't shown again: it is usually a secret.
 */
export function header(text: string): [string, string] {
  const colon = text.indexOf(":");
  if (colon < 0) throw new Error("there is no colon in it; give 'Name: value'");
  const key = text.slice(0, colon).trim();
  const content = text.slice(colon + 1).trim();
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(key)) {
    throw new Error(`${quote(key)} is not a header's name; give 'Name: value'`);
  }
  // deno-lint-ignore no-control-regex -- a header's value may hold a tab and no other control
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(content)) {
    throw new Error(`the value of ${quote(key)} has a line break or a control character in it`);
  }
  return [key, content];
}
