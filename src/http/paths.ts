/**
 * Tables and keys in URLs: `/tables/TABLE/records/KEY…`, one path element for each part of a key.
 *
 * Paths are read as they were sent, not as a framework decoded them, so that an encoded slash
 * stays part of its name.
 *
 * @module
 */

import { parseJson, stringifyJson } from "../protocol/json_text.ts";
import type { Key } from "../protocol/record.ts";

/** Percent-encodes one path element. Lone surrogates, which no URL can carry, are replaced. */
export function segment(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** The decoded elements of a URL's path; null where one is not well-formed. */
export function segments(url: string): string[] | null {
  const elements = new URL(url).pathname.split("/").slice(1);
  try {
    return elements.map((element) => decodeURIComponent(element));
  } catch {
    return null;
  }
}

export function tablePath(table: string): string {
  return `/tables/${segment(table)}`;
}

/**
 * The path of a record. Keys with an empty part, or with `.` or `..`, which URLs swallow, are
 * given as `?key=` once for each part.
 */
export function recordPath(table: string, key: Key): string {
  const parts = key.map((part) => String(part));
  const base = `${tablePath(table)}/records`;
  if (parts.some((part) => part === "" || part === "." || part === "..")) {
    return `${base}?${parts.map((part) => `key=${segment(part)}`).join("&")}`;
  }
  return `${base}/${parts.map(segment).join("/")}`;
}

/** A place in a table's list, for `?after=`: the key as a JSON array, exact for every kind of key. */
export function afterToken(key: Key): string {
  return stringifyJson([...key]);
}

/** Reads {@linkcode afterToken}; null where it is none. */
export function parseAfter(token: string): Key | null {
  try {
    const parts = parseJson(token);
    if (!Array.isArray(parts) || parts.length === 0) return null;
    const key: Key = parts.filter((part) => part !== null && typeof part !== "object");
    return key.length === parts.length ? key : null;
  } catch {
    return null;
  }
}
