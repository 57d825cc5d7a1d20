/**
 * Which program this is.
 *
 * A source tree takes its version from `deno.json`; a build sets
 * `globalThis.LOCKSTEP_BUILD = { version, commit, date }` before the program's first line.
 *
 * @module
 */

import config from "../../deno.json" with { type: "json" };

interface Build {
  readonly version?: string;
  readonly commit?: string;
  readonly date?: string;
}

const build: Build = (globalThis as { LOCKSTEP_BUILD?: Build }).LOCKSTEP_BUILD ?? {};

/** The program's version, such as `0.1.0`. */
export const VERSION: string = build.version ?? config.version;

/** The commit that the program was built from; `source` in a source tree. */
export const COMMIT: string = build.commit ?? "source";

/** The day of the version, for the manual page. */
export const RELEASED: string = build.date ?? "2026-11-22";
