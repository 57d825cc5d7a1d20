/**
 * What the options say about hooks: which table gets which file.
 *
 * @module
 */

import { resolve } from "node:path";
import type { Endpoint } from "../../origin/endpoint.ts";
import { readHeaderFile } from "../../origin/headers.ts";
import { LockstepError } from "../../protocol/errors.ts";
import type { HookSettings } from "./hooks.ts";
import type { ReplicatorOptions } from "../options.ts";
import { isSqliteFile } from "./sqlite_name.ts";

/** Default of `--on-change-wait`. */
const WAIT_MS = 1_000;

/** Stands for the table's name in a path. */
const TABLE = "{table}";

/**
 * Checks the hooks' options for the given tables. Returns the settings of each.
 *
 * @throws {LockstepError} of kind `usage` where two tables would share a file, or a file is no
 * table's
 */
export function hooksOf(
  options:
    & Pick<ReplicatorOptions, "onChange" | "onChangeWaitMs" | "write" | "check">
    & Pick<ReplicatorOptions, "headers" | "headerFile">,
  tables: readonly string[],
  endpoints: readonly Endpoint[] = [],
): (table: string) => HookSettings {
  const files = filesOf(options.write, tables);
  if (options.check !== undefined) {
    if (files.size === 0) throw usage("check has no file to look at", "give --write with it");
    const database = files.values().find(isSqliteFile);
    if (database !== undefined) {
      throw usage(
        `check can't look at ${database}: a database is changed in place`,
        "write a file of another kind, or leave --check out",
      );
    }
  }
  return (table) => ({
    command: options.onChange ?? null,
    file: files.get(table) ?? null,
    check: options.check ?? null,
    waitMs: options.onChangeWaitMs ?? WAIT_MS,
    secrets: () => secretsOf(options, endpoints),
  });
}

/** Characters that a secret has at least: a shorter value may be anything. */
const LEAST_SECRET = 4;

/** What the origin is told and nobody else shall know. */
async function secretsOf(
  { headers = [], headerFile }: Pick<ReplicatorOptions, "headers" | "headerFile">,
  endpoints: readonly Endpoint[],
): Promise<string[]> {
  const filed = headerFile === undefined ? [] : await readHeaderFile(headerFile).catch(() => []);
  const values = [...headers, ...filed].flatMap(([, value]) => [value, value.replace(/^\w+ /, "")]);
  return [...values, ...endpoints.flatMap((endpoint) => endpoint.secrets())]
    .filter((value) => value.length >= LEAST_SECRET);
}

function filesOf(
  write: ReplicatorOptions["write"],
  tables: readonly string[],
): Map<string, string> {
  const files = new Map<string, string>();
  if (write === undefined) return files;
  const paths = typeof write === "string" ? tables.map((table) => [table, write]) : [
    ...Object.entries(write),
  ];
  for (const [table = "", path = ""] of paths) {
    if (!tables.includes(table)) {
      throw usage(
        `write names a file for ${table}, which is no table here`,
        `name one of ${tables.join(", ")}`,
      );
    }
    if (path === "") throw usage(`write names no file for ${table}`, "name one");
    // A table's name may hold what a file's can't.
    const file = resolve(path.replaceAll(TABLE, table.replaceAll("/", "%2F")));
    for (const [other, taken] of files) {
      if (taken !== file) continue;
      throw usage(
        `write would put ${other} and ${table} into one file, ${file}`,
        `put ${TABLE} into the path, or name a file for each table`,
      );
    }
    files.set(table, file);
  }
  return files;
}

function usage(message: string, hint: string): LockstepError {
  return new LockstepError(message, { kind: "usage", retry: "never", hint });
}
