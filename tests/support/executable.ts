/**
 * The executable that packaging and end-to-end tests run: the self-extracting one, built when a
 * test first asks for it and again when anything that goes into it has changed.
 *
 * It is kept in `lockstep-replicate-test/` in the repository (ignored by git), named by a hash of
 * its sources; test processes that run at the same time build it once.
 *
 * @module
 */

import { type Build, bundleProgram } from "../../scripts/compile/program.ts";
import { repositoryPath } from "../../scripts/compile/run.ts";
import { selfExtracting } from "../../scripts/compile/self_extracting.ts";

const FOLDER = repositoryPath("lockstep-replicate-test");

/** What goes into the executable. */
const SOURCES = [
  "main.ts",
  "deno.json",
  "deno.lock",
  "src",
  "scripts/compile",
  "scripts/permissions.ts",
];

/** What a tested executable says of itself. */
export const TEST_BUILD: Build = { version: "0.0.0-test", commit: "0123456789ab" };

const built = new Map<string, Promise<string>>();

/**
 * The path of the executable of the whole program, or of another first module.
 *
 * @param entry default: the repository's `main.ts`
 */
export function testExecutable(entry = repositoryPath("main.ts")): Promise<string> {
  const path = built.get(entry) ?? build(entry);
  built.set(entry, path);
  return path;
}

/** Where the executable unpacks itself in tests: shared, so that only one test waits for it. */
export const TEST_CACHE = `${FOLDER}/cache`;

async function build(entry: string): Promise<string> {
  await Deno.mkdir(TEST_CACHE, { recursive: true, mode: 0o700 });
  const hash = await hashOf([...SOURCES.map(repositoryPath), entry]);
  const path = `${FOLDER}/${hash}/lockstep-replicate`;
  using lock = await Deno.open(`${FOLDER}/lock`, { create: true, write: true });
  await lock.lock(true);
  if (await exists(path)) return path;
  await removeOld();
  const bundle = await bundleProgram(TEST_BUILD, { entry });
  const executable = await selfExtracting(bundle, TEST_BUILD, { gzipCache: FOLDER });
  await Deno.mkdir(`${FOLDER}/${hash}`, { recursive: true });
  await Deno.writeFile(`${path}.new`, executable, { mode: 0o755 });
  await Deno.rename(`${path}.new`, path);
  return path;
}

/** A build is 42 MB: what no test of the last hour can still be running goes. */
async function removeOld(): Promise<void> {
  const builds = (await Array.fromAsync(Deno.readDir(FOLDER)))
    .filter(({ name, isDirectory }) => isDirectory && `${FOLDER}/${name}` !== TEST_CACHE)
    .map(({ name }) => `${FOLDER}/${name}`);
  const programs = (await Array.fromAsync(Deno.readDir(TEST_CACHE)))
    .filter(({ name }) => name.startsWith("program-"))
    .map(({ name }) => `${TEST_CACHE}/${name}`);
  for (const path of [...builds, ...programs]) {
    const { mtime } = await Deno.stat(path);
    if (mtime !== null && Date.now() - mtime.getTime() > 3_600_000) {
      await Deno.remove(path, { recursive: true });
    }
  }
}

async function hashOf(paths: readonly string[]): Promise<string> {
  const facts: string[] = [Deno.version.deno, Deno.build.target];
  for (const path of paths) await gather(path, facts);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(facts.join("\0")));
  return new Uint8Array(digest).toHex().slice(0, 16);
}

async function gather(path: string, facts: string[]): Promise<void> {
  if ((await Deno.stat(path)).isDirectory) {
    const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).sort();
    for (const name of names) await gather(`${path}/${name}`, facts);
  } else {
    facts.push(path, await Deno.readTextFile(path));
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}
