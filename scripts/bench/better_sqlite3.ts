/**
 * Installs better-sqlite3 for Node into a cache folder of the user's, once.
 *
 * @module
 */

import { homedir } from "node:os";
import { join } from "node:path";
import { firstLine } from "./machine.ts";

/** A compiler may have to run. */
const PATIENCE_MS = 300_000;

/** The folder whose `node_modules` holds it, and its version. */
export interface Installed {
  readonly folder: string;
  readonly version: string;
}

/** Where it is installed, installing it where it isn't; null where that can't be done. */
export async function installBetterSqlite3(
  say: (text: string) => void,
): Promise<Installed | null> {
  const cache = Deno.env.get("XDG_CACHE_HOME") || join(homedir(), ".cache");
  const folder = join(cache, "lockstep-replicate-bench");
  const found = await versionIn(folder);
  if (found !== null) return found;
  say(`installing better-sqlite3 in ${folder}`);
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, "package.json"), `{"private":true}\n`);
  try {
    await new Deno.Command("npm", {
      args: ["install", "--no-audit", "--no-fund", "--loglevel=error", "better-sqlite3"],
      cwd: folder,
      stdout: "null",
      stderr: "null",
      signal: AbortSignal.timeout(PATIENCE_MS),
    }).output();
  } catch {
    return null;
  }
  return await versionIn(folder);
}

async function versionIn(folder: string): Promise<Installed | null> {
  const load =
    `const from = require("node:module").createRequire(${
      JSON.stringify(join(folder, "package.json"))
    });` +
    `new (from("better-sqlite3"))(":memory:").close();` +
    `console.log(from("better-sqlite3/package.json").version)`;
  const version = await firstLine("node", "--eval", load);
  return version === null ? null : { folder, version };
}
