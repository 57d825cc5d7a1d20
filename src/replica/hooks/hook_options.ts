/**
 * What the options say about hooks: which table gets which file.
 *
 * @module
 */

import { resolve } from "node:path";
import { LockstepError } from "../../protocol/errors.ts";
import type { HookSettings } from "./hooks.ts";
import type { ReplicatorOptions } from "../options.ts";

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
  options: Pick<ReplicatorOptions, "onChange" | "onChangeWaitMs" | "write">,
  tables: readonly string[],
): (table: string) => HookSettings {
  const files = filesOf(options.write, tables);
  return (table) => ({
    command: options.onChange ?? null,
    file: files.get(table) ?? null,
    waitMs: options.onChangeWaitMs ?? WAIT_MS,
  });
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
