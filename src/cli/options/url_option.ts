/**
 * `--url [TABLE=]URL`.
 *
 * @module
 */

import { Endpoint } from "../../origin/endpoint.ts";
import { table as tableName } from "./parse_values.ts";

/** A URL and the table name before it, where there is one. */
export interface Source {
  readonly table: string | null;
  /** As given: it may hold a password. */
  readonly url: string;
  readonly endpoint: Endpoint;
}

/** A URL's scheme can't hold a `=`: what stands before a `=` and a scheme is a table's name. */
const WITH_TABLE = /^([^=]*)=([a-z][a-z0-9+.-]*:.*)$/is;
const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;

/**
 * @example
 * ```ts
 * import { parseSource } from "./url_option.ts";
 * console.assert(parseSource("https://origin/a?x=https://b").table === null);
 * console.assert(parseSource("servers=https://origin/a?x=1").table === "servers");
 * ```
 * @throws where the URL is none, or the name can't be a table's; never with a password in the text
 */
export function parseSource(text: string): Source {
  const match = SCHEME.test(text) ? null : WITH_TABLE.exec(text);
  const table = match?.[1] ?? null;
  const url = match?.[2] ?? text;
  if (table !== null) tableName(table);
  return { table, url, endpoint: new Endpoint(url) };
}
