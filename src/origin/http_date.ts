/**
 * The dates of HTTP headers.
 *
 * @module
 */

const WEEKDAY = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /i;

/**
 * Milliseconds since the epoch of an HTTP date in any of the three forms of RFC 9110; `null` where
 * the header is missing or something else.
 */
export function httpDate(value: string | null): number | null {
  const text = value?.trim() ?? "";
  if (!WEEKDAY.test(text)) return null;
  // asctime, the oldest of the three forms, has no zone and means GMT.
  const ms = Date.parse(/\d{4}$/.test(text) ? `${text} GMT` : text);
  return Number.isNaN(ms) ? null : ms;
}
