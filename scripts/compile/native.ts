/**
 * `deno compile`: the program and Deno's own base runtime in one executable.
 *
 * @module
 */

import { parse, resolve } from "node:path";
import { RUNTIME_FLAGS } from "../permissions.ts";
import type { Target } from "./platform.ts";
import { attempt } from "./run.ts";

/** Options of {@linkcode compileNative}. */
export interface NativeOptions {
  /** The executable; one for Windows must end in `.exe`. */
  readonly output: string;
  /** Default: this machine's. */
  readonly target?: Target;
  /** Added to the environment: `DENORT_BIN`, `DENO_DIR`, a proxy. */
  readonly env?: Readonly<Record<string, string>>;
}

/** `no-runtime`: the base runtime is neither at hand nor to be had. */
export type NativeOutcome = "built" | "no-runtime";

/**
 * Compiles a bundled program.
 *
 * The base runtime comes from `DENORT_BIN`, or from
 * `$DENO_DIR/dl/release/vVERSION/denort-TARGET.zip`, or is downloaded to there.
 *
 * Without `--no-code-cache` the executable would keep V8's code in a file of a well-known name
 * below /tmp, for anybody to lay there first.
 *
 * @throws {Error} with Deno's words, when it fails for any other reason
 */
export async function compileNative(
  bundle: string,
  options: NativeOptions,
): Promise<NativeOutcome> {
  // Beside the output, for the rename: Deno doesn't overwrite what it didn't write itself.
  const { dir, base } = parse(resolve(options.output));
  const folder = await Deno.makeTempDir({ dir, prefix: ".lockstep-compile-" });
  try {
    const entry = `${folder}/program.js`;
    await Deno.writeTextFile(entry, bundle);
    const { code, stderr } = await attempt(Deno.execPath(), [
      ...["compile", "--quiet", "--no-config", "--no-lock", "--no-check", "--no-code-cache"],
      ...["--app-name", "lockstep-replicate", ...RUNTIME_FLAGS],
      ...(options.target === undefined ? [] : ["--target", options.target]),
      ...["--output", `${folder}/${base}`, entry],
    ], options.env);
    if (code === 0) {
      await Deno.rename(`${folder}/${base}`, options.output);
      return "built";
    }
    if (isDownloadFailure(stderr)) return "no-runtime";
    throw new Error(`deno compile failed with ${code}:\n${stderr.trim()}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The base runtime is all that is fetched: the program is one local file. */
function isDownloadFailure(stderr: string): boolean {
  return /Setting up base binary|dl\.deno\.land|denort-/.test(stderr) &&
    /error sending request|client error|dns error|Connect|Download|404|status/i.test(stderr);
}
