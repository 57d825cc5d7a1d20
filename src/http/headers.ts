/**
 * Response headers: the security headers of every answer, and a data answer's cursor and age.
 *
 * @module
 */

import type { TableStatus } from "../replica/status.ts";

/**
 * Everything comes from this server, no script or style is inline, nothing may frame the page.
 * `data:` images are the tab's icon.
 */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join("; ");

/**
 * On every answer. There is no HSTS: the server speaks plain HTTP, and a promise made for
 * `localhost` would bind every other program on the machine. The referrer policy is `same-origin`
 * because under `no-referrer` a browser sends `Origin: null` with the page's own forms.
 */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
};

/**
 * Text that is safe as a header value or an event's id: whatever is not printable ASCII, and `%`,
 * is percent-encoded as UTF-8. Numbers and ISO-8601 times come out as they are.
 */
export function headerText(text: string): string {
  return text.toWellFormed().replace(
    /[^ -~]|%/gu,
    (char) => char === "%" ? "%25" : encodeURIComponent(char),
  ).replace(/^ | $/g, "%20");
}

/** The inverse of {@linkcode headerText}; null where the text is no such encoding. */
export function parseHeaderText(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** How fresh a data answer is: `lockstep-cursor`, and `lockstep-age` in seconds. */
export function freshness(status: TableStatus): Record<string, string> {
  const headers: Record<string, string> = {};
  if (status.cursor !== null) headers["lockstep-cursor"] = headerText(status.cursor);
  if (status.ageSeconds !== null) headers["lockstep-age"] = status.ageSeconds.toFixed(1);
  return headers;
}
