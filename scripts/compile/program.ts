/**
 * The program as one JavaScript module: bundled, knowing its version and commit, and
 * without anything that only development needs.
 *
 * @module
 */

import { repositoryPath, run } from "./run.ts";

/** The npm packages that may be inside; a new one is added here on purpose or not at all. */
export const PACKAGES: readonly string[] = [
  "@logtape/logtape",
  "@optique/core",
  "hono",
  "uplot",
];

/** Which program was built. */
export interface Build {
  readonly version: string;
  /** Short commit, with `-dirty` where the working tree differs; `unknown` without git. */
  readonly commit: string;
}

/**
 * What build is this? The version is `deno.json`'s; the commit is git's, or `LOCKSTEP_COMMIT` for
 * packagers who build from a tarball.
 */
export async function currentBuild(): Promise<Build> {
  const config: unknown = JSON.parse(await Deno.readTextFile(repositoryPath("deno.json")));
  const version = (config as { version?: unknown }).version;
  if (typeof version !== "string") throw new Error("deno.json has no version");
  const commit = Deno.env.get("LOCKSTEP_COMMIT") ?? await gitCommit();
  if (!/^[\w.+-]+$/.test(commit)) throw new Error(`LOCKSTEP_COMMIT=${commit} is no commit`);
  return { version, commit };
}

async function gitCommit(): Promise<string> {
  try {
    const head = await run("git", ["rev-parse", "--short=12", "HEAD"]);
    const changes = await run("git", ["status", "--porcelain", "--untracked-files=no"]);
    return head.stdout.trim() + (changes.stdout.trim() === "" ? "" : "-dirty");
  } catch {
    return "unknown";
  }
}

/** Options of {@linkcode bundleProgram}. */
export interface BundleOptions {
  /** The program's first module. Default: the repository's `main.ts`. */
  readonly entry?: string;
}

/**
 * Bundles the program.
 *
 * @throws {Error} when a package would be inside that is not one of {@linkcode PACKAGES}
 */
export async function bundleProgram(build: Build, options: BundleOptions = {}): Promise<string> {
  const entry = options.entry ?? repositoryPath("main.ts");
  const stowaways = (await packagesOf(entry)).filter((name) => !PACKAGES.includes(name));
  if (stowaways.length > 0) {
    throw new Error(`the program imports ${stowaways.join(", ")}, which isn't to be shipped`);
  }
  const folder = await Deno.makeTempDir({ prefix: "lockstep-bundle-" });
  try {
    const output = `${folder}/program.js`;
    // Not minified: Deno 2.9.6 then drops a `using` whose variable is read once, and never closes it.
    await run(Deno.execPath(), [
      ...["bundle", "--quiet", "--platform", "deno", "--output", output, entry],
    ]);
    const bundle = (await Deno.readTextFile(output)).replace(/^#!.*\n/, "");
    return `globalThis.LOCKSTEP_BUILD=${JSON.stringify(build)};\n${bundle}`;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Names of the npm packages that a module reaches. */
async function packagesOf(entry: string): Promise<string[]> {
  const { stdout } = await run(Deno.execPath(), ["info", "--json", entry]);
  const { modules } = JSON.parse(stdout) as { modules: InfoModule[] };
  const names = new Set<string>();
  for (const { npmPackage, error } of modules) {
    if (error !== undefined) throw new Error(error);
    if (npmPackage !== undefined) names.add(npmPackage.replace(/(?<=.)@.*$/, ""));
  }
  return [...names].sort();
}

/** What `deno info --json` says of a module, as far as it is read here. */
interface InfoModule {
  /** `@optique/core@1.3.6` */
  readonly npmPackage?: string;
  readonly error?: string;
}
