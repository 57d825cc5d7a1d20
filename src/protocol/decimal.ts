/**
 * Decimal texts, compared exactly: a double holds no more than 17 digits.
 *
 * @module
 */

const DECIMAL = /^([+-]?)0*(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,4}))?$/;

/** A decimal as `digits / 10 ** scale`. */
interface Scaled {
  readonly digits: bigint;
  readonly scale: number;
}

function scaled(text: string): Scaled {
  const [, sign = "", whole = "0", fraction = "", exponent = "0"] = DECIMAL.exec(text) ?? [];
  const digits = BigInt(whole + fraction);
  return { digits: sign === "-" ? -digits : digits, scale: fraction.length - Number(exponent) };
}

/** Whether a text is a decimal, with or without a fraction or an exponent. */
export function isDecimal(text: string): boolean {
  return DECIMAL.test(text);
}

/**
 * Negative, zero or positive as the decimal `a` is less than, equal to or greater than `b`.
 *
 * @example
 * ```ts
 * import { compareDecimals } from "./decimal.ts";
 * console.assert(compareDecimals("1790000000.1234568801", "1790000000.12345688015") < 0);
 * ```
 */
export function compareDecimals(a: string, b: string): number {
  const [x, y] = [scaled(a), scaled(b)];
  const scale = Math.max(x.scale, y.scale);
  const left = x.digits * 10n ** BigInt(scale - x.scale);
  const right = y.digits * 10n ** BigInt(scale - y.scale);
  return left < right ? -1 : left > right ? 1 : 0;
}

/**
 * The digits of a number of a JSON text, where the field's name stands in it only once; null where
 * they can't be told so.
 *
 * @param name the field's own name
 */
export function numberText(json: string, name: string, value: number): string | null {
  const quoted = JSON.stringify(name);
  const at = json.indexOf(quoted);
  if (at < 0 || json.indexOf(quoted, at + 1) >= 0) return null;
  NUMBER.lastIndex = at + quoted.length;
  const text = NUMBER.exec(json)?.[1] ?? null;
  return text !== null && Number(text) === value ? text : null;
}

const NUMBER = /[ \t\r\n]*:[ \t\r\n]*(-?[0-9][0-9.eE+-]*)/y;
