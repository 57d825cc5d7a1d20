/**
 * `Retry-After`, in both forms of RFC 9110: seconds, or an HTTP date.
 *
 * @module
 */

import { RETRY_AFTER_MAX_MS } from "../base/backoff.ts";
import { httpDate } from "./http_date.ts";

/**
 * Milliseconds to wait, from 0 to one hour; `undefined` where the header is missing or unreadable.
 *
 * @param date the answer's own `Date`: an HTTP date is compared with the origin's clock where it
 *   tells it, because ours may be wrong
 * @param now milliseconds since the epoch, for where it doesn't
 */
export function retryAfterMs(
  value: string | null,
  date: string | null,
  now: number,
): number | undefined {
  const text = value?.trim() ?? "";
  if (/^\d+(\.\d+)?$/.test(text)) return capped(Number(text) * 1000);
  const until = httpDate(text);
  return until === null ? undefined : capped(until - (httpDate(date) ?? now));
}

function capped(ms: number): number {
  return Math.max(0, Math.min(Math.round(ms), RETRY_AFTER_MAX_MS));
}
