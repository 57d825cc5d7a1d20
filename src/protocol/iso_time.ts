/**
 * ISO-8601 times as origins write them, moved back without a change of their format.
 *
 * Understood: `2026-01-31`, `2026-01-31T12:00Z`, `2026-01-31 12:00:00.123456+01:00`, with any
 * number of fraction digits, `T`, `t` or a blank between date and time, and `Z`, an offset, or
 * nothing at the end (which is taken for UTC).
 *
 * @module
 */

const ISO =
  /^(\d{4})-(\d\d)-(\d\d)(?:([Tt ])(\d\d):(\d\d)(?::(\d\d)(?:([.,])(\d+))?)?\s?([Zz]|[+-]\d\d(?::?\d\d)?)?)?$/;

/** The ISO time in the text as milliseconds since the epoch, or `null` where it holds none. */
export function isoMilliseconds(text: string): number | null {
  const match = ISO.exec(text);
  if (match === null) return null;
  const seconds = wallSeconds(match);
  if (seconds === null) return null;
  const milliseconds = Math.floor(Number(`0.${match[9] ?? "0"}`) * 1000);
  return (seconds - offsetSeconds(match[10])) * 1000 + milliseconds;
}

/**
 * An earlier time in the format of `text`, or `null` where that is no ISO time. What the format
 * can't express is rounded down, never up: a date moves back by whole days.
 */
export function isoEarlier(text: string, ms: number): string | null {
  const match = ISO.exec(text);
  if (match === null) return null;
  const seconds = wallSeconds(match);
  if (seconds === null) return null;
  const fraction = match[9] ?? "";
  // Exact for any number of fraction digits: counted in the finest of milliseconds and digits.
  const digits = Math.max(3, fraction.length);
  const scale = 10n ** BigInt(digits);
  const ticks = BigInt(seconds) * scale + BigInt(fraction.padEnd(digits, "0")) -
    BigInt(Math.ceil(ms)) * scale / 1000n;
  const whole = Number(floorDivide(ticks, scale));
  const rest = ticks - BigInt(whole) * scale;
  // Wall-clock fields are moved and the offset stays as text, so no zone arithmetic is needed.
  const moved = new Date(Math.max(whole, YEAR_ZERO) * 1000).toISOString();
  const date = moved.slice(0, 10);
  if (match[4] === undefined) return date;
  const time = moved.slice(11, match[7] === undefined ? 16 : 19);
  const fractionText = fraction === ""
    ? ""
    : match[8] + String(rest).padStart(digits, "0").slice(0, fraction.length);
  const zone = text.slice(text.length - zoneLength(text, match[10]));
  return `${date}${match[4]}${time}${fractionText}${zone}`;
}

/** Seconds of 0000-01-01: four digits hold no earlier year. */
const YEAR_ZERO = -62_167_219_200;

function zoneLength(text: string, zone: string | undefined): number {
  if (zone === undefined) return 0;
  return zone.length + (/\s/.test(text.charAt(text.length - zone.length - 1)) ? 1 : 0);
}

/** The date and time fields as seconds since the epoch, as if they were UTC. */
function wallSeconds(match: RegExpExecArray): number | null {
  const [year, month, day, , hour, minute, second] = match.slice(1).map((part) => Number(part));
  const date = new Date(0);
  date.setUTCFullYear(year ?? 0, (month ?? 0) - 1, day ?? 0);
  // 2026-02-31 and 2026-13-01 are no dates.
  if (date.getUTCMonth() !== (month ?? 0) - 1 || date.getUTCDate() !== day) return null;
  if ((hour || 0) > 24 || (minute || 0) > 59 || (second || 0) > 60) return null;
  return date.getTime() / 1000 + (hour || 0) * 3600 + (minute || 0) * 60 + (second || 0);
}

function offsetSeconds(zone: string | undefined): number {
  if (zone === undefined || zone === "Z" || zone === "z") return 0;
  const digits = zone.slice(1).replace(":", "").padEnd(4, "0");
  const seconds = Number(digits.slice(0, 2)) * 3600 + Number(digits.slice(2)) * 60;
  return zone.startsWith("-") ? -seconds : seconds;
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}
