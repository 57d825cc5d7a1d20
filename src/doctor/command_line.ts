/**
 * The command line that copies an origin.
 *
 * @module
 */

import { Endpoint } from "../origin/endpoint.ts";
import type { FoundOptions } from "./report.ts";

/** An option as it was typed; null for a flag. */
export interface CommandOption {
  readonly name: string;
  readonly value: string | null;
}

/** Values that need not be given. */
const DEFAULTS: Readonly<Record<string, string>> = {
  key: "id",
  "order-by": "updated_at",
  "deleted-by": "deleted_at",
};

/** A word as a POSIX shell reads it. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * `lockstep-replicate --url … `, with the options that differ from their defaults. A password in the
 * URL stays out of it: it would be left in the shell's history.
 */
export function commandLine(
  url: string,
  found: FoundOptions,
  others: readonly CommandOption[],
): string {
  const endpoint = new Endpoint(url);
  const words = [
    "lockstep-replicate",
    "--url",
    endpoint.authorization() === null ? url : found.url,
  ];
  const table = others.find(({ name }) => name === "table");
  if (endpoint.defaultTable === null && table === undefined) words.push("--table", "records");
  const set = new Map(Object.entries(found).filter(([name]) => name !== "url"));
  for (const { name, value } of others) {
    if (set.has(name) || name === "url" || name === "seconds" || name === "json") continue;
    words.push(`--${name}`, ...(value === null ? [] : [value]));
  }
  for (const [name, value] of set) {
    if (DEFAULTS[name] !== value) words.push(`--${name}`, ...(value === "" ? [] : [value]));
  }
  return words.map(shellWord).join(" ");
}
