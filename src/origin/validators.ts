/**
 * Conditional requests: asking only for what has changed since an answer (RFC 9110, 13).
 *
 * Validators belong to one request and to one answer that was read whole. With another URL or
 * another header they aren't sent.
 *
 * @module
 */

import type { Header } from "./headers.ts";
import { httpDate } from "./http_date.ts";

/** How an answer can be told from a later one. */
export interface Validators {
  /** The request that was answered, by {@linkcode requestOf}. It holds secrets: never to be shown. */
  readonly request: string;
  /** The `ETag`, where there was one. */
  readonly etag: string | null;
  /** The `Last-Modified`, where there was one. */
  readonly lastModified: string | null;
}

/**
 * Between a file's modification and the answer, for its validators to be of use: dates count whole
 * seconds, and a tag made of date and size is the same after another change within the second.
 */
const SETTLED_MS = 2_000;

/** A text that two requests share where their URL and their headers are the same. */
export function requestOf(url: URL, headers: Headers): string {
  return JSON.stringify([url.href, ...headers]);
}

/**
 * The validators of an answer; null where it has none that can be relied on. Of use only once the
 * answer was read whole and is stored.
 */
export function validatorsOf(headers: Headers, request: string): Validators | null {
  const etag = headers.get("etag");
  const lastModified = headers.get("last-modified");
  if (etag === null && lastModified === null) return null;
  if (lastModified !== null) {
    const modified = httpDate(lastModified);
    const date = httpDate(headers.get("date"));
    if (modified === null || date === null || date - modified < SETTLED_MS) return null;
  }
  return { request, etag, lastModified };
}

/** The headers that make a request conditional; none where the validators are of another one. */
export function conditionsOf(request: string, validators: Validators | null): readonly Header[] {
  if (validators === null || validators.request !== request) return [];
  const { etag, lastModified } = validators;
  const conditions: Header[] = [];
  if (etag !== null) conditions.push(["if-none-match", etag]);
  if (lastModified !== null) conditions.push(["if-modified-since", lastModified]);
  return conditions;
}
