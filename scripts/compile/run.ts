/**
 * Other programs, run from the repository's root.
 *
 * @module
 */

const ROOT = new URL("../../", import.meta.url);

/** A path in the repository → an absolute path. */
export function repositoryPath(path: string): string {
  const url = new URL(path, ROOT);
  const decoded = decodeURIComponent(url.pathname);
  return Deno.build.os === "windows" ? decoded.replace(/^\/(?=[A-Za-z]:)/, "") : decoded;
}

/** What a program said. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program and waits for it; `env` is added to the environment. */
export async function attempt(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/**
 * {@linkcode attempt}, where failure is an error.
 *
 * @throws {Error} with what the program said
 */
export async function run(command: string, args: readonly string[]): Promise<Outcome> {
  const outcome = await attempt(command, args);
  if (outcome.code === 0) return outcome;
  throw new Error(
    `${command} ${args.slice(0, 2).join(" ")} failed with ${outcome.code}:\n` +
      outcome.stderr.trim(),
  );
}
