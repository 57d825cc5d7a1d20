/**
 * Where a path leads to, without being led by others.
 *
 * A program that runs with more rights than the owner of a symbolic link does the owner's work with
 * its own rights when it follows the link: only links of this user and of root are followed.
 *
 * @module
 */

import { dirname, join, resolve } from "node:path";

/** Links of one path, as many as the system follows. */
const MOST_LINKS = 40;

/** The owner of what this process makes. */
let ownUid: Promise<number | null> | undefined;

/** Asked of a file, since asking the system takes a permission. */
function findOwnUid(): Promise<number | null> {
  return ownUid ??= (async () => {
    const path = await Deno.makeTempFile({ prefix: "lockstep-" });
    try {
      return (await Deno.lstat(path)).uid;
    } finally {
      await Deno.remove(path);
    }
  })();
}

/**
 * The path without symbolic links. What is behind the last link need not be there: a link that
 * dangles leads to where a file can be made.
 *
 * @throws {Error} where a link on the way belongs to another user
 */
export async function followOwnLinks(path: string): Promise<string> {
  const parts = resolve(path).split("/").filter((part) => part !== "");
  let real = "/";
  let links = 0;
  while (parts.length > 0) {
    const next = join(real, parts.shift() ?? "");
    const info = await Deno.lstat(next).catch((error: unknown) => {
      // The last part, of the path or of a link, may be missing.
      if (error instanceof Deno.errors.NotFound && parts.length === 0) return null;
      throw error;
    });
    if (info === null || !info.isSymlink) {
      real = next;
      continue;
    }
    if (++links > MOST_LINKS) throw new Error(`${path} leads in a circle of links`);
    if (info.uid !== null && info.uid !== 0 && info.uid !== await findOwnUid()) {
      throw new Error(`${next} is a link of another user (${info.uid}), and isn't followed`);
    }
    const target = resolve(dirname(next), await Deno.readLink(next));
    parts.unshift(...target.split("/").filter((part) => part !== ""));
    real = "/";
  }
  return real;
}
