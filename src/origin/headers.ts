/**
 * Request headers from the command line, from a file, and our own.
 *
 * A header's value may be a token: no message shows one, nor a line that couldn't be read.
 *
 * @module
 */

import { LockstepError } from "../protocol/errors.ts";

/** Name and value of a request header. */
export type Header = readonly [name: string, value: string];

const TOKEN = /^[!#$%&'*+.^_`|~\dA-Za-z-]+$/;
/** Printable Latin-1 and tab: what fetch can send. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * Headers that belong to the connection: fetch ignores them, or can't read the answer any more. With
 * a condition of the user's the origin would say "nothing new" to who has nothing.
 */
const RESERVED = new Set([
  "accept-encoding",
  "connection",
  "content-length",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "keep-alive",
  "range",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Why a line is no header, in words without the line; or the header. */
function readHeader(line: string): Header | string {
  const colon = line.indexOf(":");
  if (colon < 0) return "has no colon";
  const name = line.slice(0, colon).trim();
  const value = line.slice(colon + 1).trim();
  if (name === "") return "has no name before its colon";
  if (!TOKEN.test(name)) return "has a name with a character that no header name may have";
  if (!VALUE.test(value)) return "has a value with a character that no header can carry";
  if (RESERVED.has(name.toLowerCase())) return `sets ${name}, which is the connection's own`;
  return [name, value];
}

/**
 * A header from an option's value, `Name: value`.
 *
 * @param what the option, such as `--header`
 * @throws {LockstepError} of kind `usage`, which doesn't show the value
 */
export function parseHeader(text: string, what = "--header"): Header {
  const header = readHeader(text);
  if (typeof header !== "string") return header;
  throw new LockstepError(`${what} ${header} (it isn't shown: it may hold a secret)`, {
    kind: "usage",
    retry: "never",
    hint: "give 'Name: value'",
  });
}

/** Checks headers that came as pairs; the errors of {@linkcode parseHeader}. */
export function checkHeaders(headers: readonly Header[]): readonly Header[] {
  return headers.map(([name, value]) => {
    if (!name.includes(":")) return parseHeader(`${name}: ${value}`);
    // Else the name would be cut at its colon and pass.
    return parseHeader(`${name.replaceAll(":", "\0")}: ${value}`);
  });
}

/**
 * The headers in a `--header-file`: one `Name: value` a line; blank lines and lines that start
 * with `#` are skipped.
 *
 * @throws {LockstepError} of kind `usage`, retried slowly, naming the file and the line's number:
 *   the file may be in the middle of a rotation
 */
export async function readHeaderFile(path: string): Promise<Header[]> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw fileError(
      `the header file ${path} can't be read (${reasonOf(error)})`,
      "check the path and its permissions",
    );
  }
  const headers: Header[] = [];
  text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/).forEach((line, index) => {
    if (/^\s*(#|$)/.test(line)) return;
    const header = readHeader(line);
    if (typeof header === "string") {
      throw fileError(
        `${path}:${index + 1} ${header} (the line isn't shown: it may hold a secret)`,
        "write 'Name: value' on a line of its own, or start the line with #",
      );
    }
    headers.push(header);
  });
  return headers;
}

/**
 * Why a file couldn't be read, without what the error's message says of it.
 */
export function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.NotCapable) {
    return "the program runs without --allow-read for it";
  }
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
  return error instanceof Error ? error.name : "unknown error";
}

function fileError(message: string, hint: string): LockstepError {
  return new LockstepError(message, { kind: "usage", retry: "slow", hint });
}

/**
 * The headers of every request, before those of the user, which replace them by name.
 *
 * @param version the program's version
 */
export function ownHeaders(version: string): Headers {
  return new Headers({
    "accept": "application/x-ndjson, application/jsonl, application/json;q=0.9, */*;q=0.1",
    "user-agent": `lockstep-replicate/${version}`,
  });
}

/**
 * Puts a user's headers over others: the first of a name replaces what was there, more of the same
 * name are added to it.
 */
export function overlay(headers: Headers, over: readonly Header[]): void {
  const replaced = new Set<string>();
  for (const [name, value] of over) {
    const lower = name.toLowerCase();
    if (replaced.has(lower)) headers.append(name, value);
    else headers.set(name, value);
    replaced.add(lower);
  }
}
