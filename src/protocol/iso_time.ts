/**
 * Times as databases and languages write them, ISO 8601 and RFC 3339: compared as instants, moved
 * back, and written again as the origin wrote them.
 *
 * Understood: `2026-01-31`, `2026-01-31T12:00Z`, `2026-01-31 12:00:00.123456+01`,
 * `20260131T120000Z`, `2026-01-31 12:00:00 UTC`, `2026-01-31T12:00:00+01:00[Europe/Paris]`. Any
 * number of fraction digits behind a point or a comma; `T`, `t` or a blank between date and time;
 * `Z`, `UTC`, `GMT`, an offset down to seconds, or nothing at the end, which is taken for UTC. A
 * second 60 comes after 59; 24:00 is the next day's beginning. Years run from 0000 to 9999.
 *
 * The **canonical text** `YYYY-MM-DDTHH:MM:SS[.fraction]`, in UTC and without trailing zeros, sorts
 * by code unit as the instants do, whatever the number of digits: it is what a table of times
 * compares.
 *
 * @module
 */

const ISO =
  /^(\d{4})-(\d\d)-(\d\d)(?:([Tt ])(\d\d):(\d\d)(?::(\d\d)(?:([.,])(\d+))?)?(?:\s?([Zz]|UTC|GMT|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)(?: UTC| GMT)?(?:\[[^\]]*\])?)?)?$/;

/** The basic format, without separators. */
const BASIC =
  /^(\d{4})(\d\d)(\d\d)([Tt])(\d\d)(\d\d)(?:(\d\d)(?:([.,])(\d+))?)?([Zz]|[+-]\d\d(?::?\d\d)?)?$/;

/** Seconds of 0000-01-01 and of 10000-01-01: four digits hold no other year. */
const YEAR_ZERO = -62_167_219_200;
const YEAR_TEN_THOUSAND = 253_402_300_800;

/** The parts of a time's text. */
interface TimeParts {
  /** Date and time as they stand, as seconds since the epoch, as if they were UTC. */
  readonly wall: number;
  /** Whether it stands in a leap second: `wall` is then the second before. */
  readonly isLeap: boolean;
  readonly fraction: string;
  readonly offset: number;
  readonly match: RegExpExecArray;
}

function partsOf(text: string): TimeParts | null {
  const match = ISO.exec(text) ?? BASIC.exec(text);
  if (match === null) return null;
  const [year, month, day, , hour, minute, second] = match.slice(1).map((part) => Number(part));
  const date = new Date(0);
  date.setUTCFullYear(year ?? 0, (month ?? 0) - 1, day ?? 0);
  // 2026-02-31 and 2026-13-01 are no dates.
  if (date.getUTCMonth() !== (month ?? 0) - 1 || date.getUTCDate() !== day) return null;
  const [h, m, s] = [hour || 0, minute || 0, second || 0];
  const fraction = match[9] ?? "";
  if (h > 24 || m > 59 || s > 60) return null;
  if (h === 24 && (m > 0 || s > 0 || /[^0]/.test(fraction))) return null;
  const offset = offsetSeconds(match[10]);
  if (offset === null) return null;
  const wall = date.getTime() / 1000 + h * 3600 + m * 60 + Math.min(s, 59);
  return { wall, isLeap: s === 60, fraction, offset, match };
}

function offsetSeconds(zone: string | undefined): number | null {
  if (zone === undefined || !/^[+-]/.test(zone)) return 0;
  const digits = zone.slice(1).replaceAll(":", "").padEnd(6, "0");
  const [h, m, s] = [0, 2, 4].map((at) => Number(digits.slice(at, at + 2)));
  if ((h ?? 0) > 23 || (m ?? 0) > 59 || (s ?? 0) > 59) return null;
  const seconds = (h ?? 0) * 3600 + (m ?? 0) * 60 + (s ?? 0);
  return zone.startsWith("-") ? -seconds : seconds;
}

/** The time in the text as milliseconds since the epoch, or `null` where it holds none. */
export function isoMilliseconds(text: string): number | null {
  const parts = partsOf(text);
  if (parts === null) return null;
  const milliseconds = Number(parts.fraction.padEnd(3, "0").slice(0, 3));
  return (parts.wall + (parts.isLeap ? 1 : 0) - parts.offset) * 1000 + milliseconds;
}

/** Characters of `YYYY-MM-DDTHH:MM:SS`. */
const SECONDS_LENGTH = 19;

const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const ZERO = 0x30;
const NINE = 0x39;
const DASH = 0x2d;
const COLON = 0x3a;
const POINT = 0x2e;
const PLUS = 0x2b;
const BLANK = 0x20;
const UPPER_T = 0x54;
const UPPER_Z = 0x5a;

/** Two digits as a number; above 99 where they are none. */
function two(text: string, at: number): number {
  const tens = text.charCodeAt(at) - ZERO;
  const ones = text.charCodeAt(at + 1) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : 100;
}

/** The latest day that was read: most times have it, too. */
let knownDay = "0000-01-01";

/** Whether a text begins with a day of the calendar; the 29th of February is left to others. */
function isDay(text: string): boolean {
  const month = two(text, 5);
  const day = two(text, 8);
  if (two(text, 0) > 99 || two(text, 2) > 99 || month === 0 || month > 12) return false;
  if (day === 0 || day > (MONTH_DAYS[month - 1] ?? 0)) return false;
  if (text.charCodeAt(4) !== DASH || text.charCodeAt(7) !== DASH) return false;
  knownDay = text.slice(0, 10);
  return true;
}

/**
 * Where the digits of a time of the common shape end, `YYYY-MM-DD[T ]HH:MM:SS[.fraction]…`; 0 for
 * a text of another shape, which may be a time all the same.
 */
function plainEnd(text: string): number {
  const { length } = text;
  if (length < SECONDS_LENGTH || !(text.startsWith(knownDay) || isDay(text))) return 0;
  if (two(text, 11) > 23 || two(text, 14) > 59 || two(text, 17) > 59) return 0;
  if (text.charCodeAt(13) !== COLON || text.charCodeAt(16) !== COLON) return 0;
  let end = SECONDS_LENGTH;
  if (end === length || text.charCodeAt(end) !== POINT) return end;
  for (end++; end < length; end++) {
    const digit = text.charCodeAt(end) - ZERO;
    if (digit < 0 || digit > 9) break;
  }
  return end === SECONDS_LENGTH + 1 ? 0 : end;
}

/** Minutes of an offset `+HH:MM` at the end of a text; NaN for anything else. */
function plainOffset(text: string, at: number): number {
  if (text.length !== at + 6 || text.charCodeAt(at + 3) !== COLON) return NaN;
  const sign = text.charCodeAt(at);
  const hours = two(text, at + 1);
  const minutes = two(text, at + 4);
  if ((sign !== PLUS && sign !== DASH) || hours > 23 || minutes > 59) return NaN;
  return (sign === DASH ? -1 : 1) * (hours * 60 + minutes);
}

const TWO_DIGITS = Array.from({ length: 60 }, (_, i) => String(i).padStart(2, "0"));

/** The end of a fraction without its trailing zeros, and of no fraction without its point. */
function trimmedEnd(text: string, end: number): number {
  let at = end;
  if (at <= SECONDS_LENGTH) return at;
  while (text.charCodeAt(at - 1) === ZERO) at--;
  return at === SECONDS_LENGTH + 1 ? SECONDS_LENGTH : at;
}

/**
 * The canonical text of a time, or `null` where the text holds none.
 *
 * @example
 * ```ts
 * import { canonicalTime } from "./iso_time.ts";
 * console.assert(canonicalTime("2026-01-31 12:00:00.500+01") === "2026-01-31T11:00:00.5");
 * ```
 */
export function canonicalTime(text: string): string | null {
  const end = plainEnd(text);
  if (end === 0) return canonicalOf(partsOf(text));
  const isUtc = end === text.length ||
    (end === text.length - 1 && text.charCodeAt(end) === UPPER_Z);
  const offset = isUtc ? 0 : plainOffset(text, end);
  const separator = text.charCodeAt(10);
  if (separator === UPPER_T && offset === 0) return text.slice(0, trimmedEnd(text, end));
  const minutes = two(text, 11) * 60 + two(text, 14) - offset;
  // Another day, a shorter offset, or no time at all.
  if (!(minutes >= 0 && minutes < 1440) || (separator !== UPPER_T && separator !== BLANK)) {
    return canonicalOf(partsOf(text));
  }
  const hour = TWO_DIGITS[Math.trunc(minutes / 60)];
  const minute = TWO_DIGITS[minutes % 60];
  return `${text.slice(0, 10)}T${hour}:${minute}${text.slice(16, trimmedEnd(text, end))}`;
}

function canonicalOf(parts: TimeParts | null): string | null {
  if (parts === null) return null;
  const { wall, offset, isLeap, fraction } = parts;
  const seconds = wall - offset;
  if (seconds < YEAR_ZERO || seconds >= YEAR_TEN_THOUSAND) return null;
  let text = new Date(seconds * 1000).toISOString().slice(0, SECONDS_LENGTH);
  // An offset with seconds of its own moves the leap second out of a minute's end.
  if (isLeap && text.endsWith("59")) text = `${text.slice(0, 17)}60`;
  else if (isLeap) text = new Date((seconds + 1) * 1000).toISOString().slice(0, SECONDS_LENGTH);
  const digits = fraction.replace(/0+$/, "");
  return digits === "" ? text : `${text}.${digits}`;
}

/** How an origin writes its times. Two of one form sort as text as they do as instants. */
export interface TimeForm {
  /** `T`, `t` or a blank; empty for a date alone. */
  readonly separator: string;
  /** Whether there are no separators in date and time. */
  readonly isBasic: boolean;
  readonly hasSeconds: boolean;
  /** Digits of the fraction; 0 for none. */
  readonly digits: number;
  /** What stands before the fraction: a point or a comma. */
  readonly point: string;
  /** What stands behind: `Z`, an offset with the blank before it, or nothing. */
  readonly zone: string;
  /** The zone's offset in seconds. */
  readonly offset: number;
  /** Whether there is a zone. */
  readonly isZoned: boolean;
  /** The length of a text of this form. */
  readonly length: number;
}

/** The form of a time's text; `null` where it holds none. */
export function timeForm(text: string): TimeForm | null {
  const parts = partsOf(text);
  if (parts === null) return null;
  const { match, fraction, offset } = parts;
  const isBasic = text.charCodeAt(4) !== DASH;
  const hasSeconds = match[7] !== undefined;
  const separator = match[4] ?? "";
  const clock = separator === "" ? 0 : (isBasic ? 5 : 6) + (hasSeconds ? (isBasic ? 2 : 3) : 0);
  const digitsEnd = (isBasic ? 8 : 10) + clock + (fraction === "" ? 0 : 1 + fraction.length);
  return {
    separator,
    isBasic,
    hasSeconds,
    digits: fraction.length,
    point: match[8] ?? "",
    zone: text.slice(digitsEnd),
    offset,
    isZoned: match[10] !== undefined,
    length: text.length,
  };
}

/** Whether two texts of these forms sort as their instants do. */
export function isSameForm(a: TimeForm, b: TimeForm): boolean {
  return a.length === b.length && a.separator === b.separator && a.zone === b.zone &&
    a.digits === b.digits && a.point === b.point && a.isBasic === b.isBasic &&
    a.hasSeconds === b.hasSeconds;
}

/**
 * Whether a time's text has a form, seen at its length and its ends only: quick, and false where
 * that doesn't tell.
 */
export function hasPlainForm(text: string, form: TimeForm): boolean {
  if (text.length !== form.length || form.isBasic || !form.hasSeconds) return false;
  const isFraction = text.charCodeAt(SECONDS_LENGTH) === POINT;
  if (isFraction !== (form.point === ".") || text.charAt(10) !== form.separator) return false;
  if (form.zone !== "") return text.endsWith(form.zone);
  // Of this length, too: 12:00+01, .5+01.
  const last = text.charCodeAt(text.length - 1);
  return last <= NINE && text.indexOf("+", 16) < 0 && text.indexOf("-", 16) < 0;
}

/** The form with as many parts and digits as a time needs to be written whole. */
export function fullForm(canonical: string, form: TimeForm): TimeForm {
  const digits = Math.max(form.digits, canonical.length - SECONDS_LENGTH - 1);
  const hasSeconds = form.hasSeconds || digits > 0 || !canonical.endsWith(":00");
  const hasTime = form.separator !== "" || !canonical.endsWith("T00:00:00");
  return {
    ...form,
    digits,
    point: digits > 0 && form.point === "" ? "." : form.point,
    hasSeconds,
    separator: hasTime && form.separator === "" ? "T" : form.separator,
  };
}

/**
 * A time as an origin of that form writes it, at `earlierMs` before; rounded down, never up, to
 * what the form can express.
 *
 * @param canonical from {@linkcode canonicalTime}
 */
export function writeTime(canonical: string, form: TimeForm, earlierMs = 0): string {
  const parts = partsOf(canonical);
  if (parts === null) return canonical;
  const { ticks, digits } = ticksOf(parts, Math.max(3, form.digits), earlierMs);
  const scale = 10n ** BigInt(digits);
  const whole = Number(floorDivide(ticks, scale));
  const rest = ticks - BigInt(whole) * scale;
  const isLeap = parts.isLeap && earlierMs === 0;
  const local = Math.min(Math.max(whole + form.offset, YEAR_ZERO), YEAR_TEN_THOUSAND - 1);
  const moved = new Date(local * 1000).toISOString();
  const second = isLeap ? "60" : moved.slice(17, 19);
  const fraction = String(rest).padStart(digits, "0").slice(0, form.digits);
  const [dash, colon] = form.isBasic ? ["", ""] : ["-", ":"];
  const date = [moved.slice(0, 4), moved.slice(5, 7), moved.slice(8, 10)].join(dash);
  if (form.separator === "") return date;
  const clock = [moved.slice(11, 13), moved.slice(14, 16), ...(form.hasSeconds ? [second] : [])];
  return date + form.separator + clock.join(colon) +
    (form.digits === 0 ? "" : form.point + fraction) + form.zone;
}

/** Exact for any number of fraction digits: counted in the finest of those of time and span. */
function ticksOf({ wall, offset, fraction }: TimeParts, least: number, earlierMs: number) {
  const digits = Math.max(least, fraction.length);
  const scale = 10n ** BigInt(digits);
  const ticks = BigInt(wall - offset) * scale + BigInt(fraction.padEnd(digits, "0")) -
    BigInt(Math.ceil(earlierMs)) * scale / 1000n;
  return { ticks, digits };
}

/**
 * An earlier time in the format of `text`, or `null` where that is no ISO time. What the format
 * can't express is rounded down, never up: a date moves back by whole days.
 */
export function isoEarlier(text: string, ms: number): string | null {
  const form = timeForm(text);
  const canonical = form === null ? null : canonicalTime(text);
  return form === null || canonical === null ? null : writeTime(canonical, form, ms);
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}
