/**
 * The source files of a folder.
 *
 * @module
 */

import { join } from "node:path";

/** Paths of all TypeScript files in a folder and in those below it, sorted. */
export async function filesBelow(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) files.push(...await filesBelow(path));
    else if (/\.tsx?$/.test(name)) files.push(path);
  }
  return files.toSorted();
}
