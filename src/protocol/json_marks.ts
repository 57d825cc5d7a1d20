/**
 * What single bytes mean in JSON, outside of strings, and what they cost.
 *
 * @module
 */

/** Most bytes of a value where nothing else is said. */
export const DEFAULT_MAX_LENGTH = 16 * 1024 * 1024;

export const NEWLINE = 0x0a;
export const RETURN = 0x0d;
export const BRACE = 0x7b;
export const QUOTE = 0x22;
export const BACKSLASH = 0x5c;

/** What a byte means outside of strings. */
export const PLAIN = 0, BLANK = 1, OPENING = 2, CLOSING = 3, QUOTING = 4, DIVIDING = 5;
export const MEANING = new Uint8Array(256);
for (const mark of " \t\r\n") MEANING[mark.charCodeAt(0)] = BLANK;
for (const mark of "{[") MEANING[mark.charCodeAt(0)] = OPENING;
for (const mark of "}]") MEANING[mark.charCodeAt(0)] = CLOSING;
for (const mark of ",:") MEANING[mark.charCodeAt(0)] = DIVIDING;
MEANING[QUOTE] = QUOTING;

/**
 * Bytes of memory that a value takes on its way from text to the store, by the marks in it: parsed,
 * looked through, compared and serialised. Measured with Deno 2.9.6 as growth of the resident size,
 * times one and a half, since a collector runs late: `{}` 157 bytes, `[]` 133, a number or a string
 * in a list 20, a name that no other object has 220. Characters of strings are bounded by the length.
 */
export const MEMORY = new Uint16Array(256);
MEMORY["{".charCodeAt(0)] = 240;
MEMORY["[".charCodeAt(0)] = 200;
MEMORY[",".charCodeAt(0)] = 32;
MEMORY[":".charCodeAt(0)] = 340;

/** Most memory of one value: 32 times the length of the longest one where nothing else is said. */
export const MOST_MEMORY_BYTES = 32 * DEFAULT_MAX_LENGTH;
