/**
 * Keys as people type them and as they stand in a URL.
 *
 * @module
 */

import type { Key, KeyPart } from "./record.ts";

/** Parts of a key that is looked up by texts, at most: each may mean two things. */
const MOST_PARTS = 8;

/** What a text may mean: `123` is the number first, then the string. */
function candidates(text: string): KeyPart[] {
  const parts: KeyPart[] = [];
  if (/^-?(0|[1-9]\d*)(\.\d+)?$/.test(text)) {
    const number = Number(text);
    const isInteger = !text.includes(".");
    parts.push(isInteger && !Number.isSafeInteger(number) ? BigInt(text) : number);
  }
  if (text === "true" || text === "false") parts.push(text === "true");
  parts.push(text);
  return parts;
}

/**
 * Every key that the texts may mean, the likeliest first.
 *
 * @example
 * ```ts
 * import { keyCandidates } from "./key_text.ts";
 * console.assert(JSON.stringify(keyCandidates(["123"])) === '[[123],["123"]]');
 * ```
 */
export function keyCandidates(texts: readonly string[]): Key[] {
  // A key has few fields; who asks for more asks for none that there is.
  if (texts.length > MOST_PARTS) return [];
  let keys: KeyPart[][] = [[]];
  for (const text of texts) {
    keys = keys.flatMap((key) => candidates(text).map((part) => [...key, part]));
  }
  return keys;
}

/** A key as text: its parts, joined by `/`, each percent-encoded where it must be. */
export function keyText(key: Key): string {
  return key.map((part) => encodeURIComponent(String(part).toWellFormed())).join("/");
}
