/**
 * A store that is there, and that this user may not open: which user, which file, whose it is.
 *
 * @module
 */

import { dirname, resolve } from "node:path";
import { LockstepError } from "../../protocol/errors.ts";

/** What the file system and SQLite say where a user lacks the right to open or to write a file. */
const DENIED = /permission denied|EACCES|unable to open database|readonly database/i;

/** Names of users by their numbers, as `/etc/passwd` has them. */
function userName(uid: number | null): string {
  if (uid === null) return "another user";
  try {
    const lines = Deno.readTextFileSync("/etc/passwd").split("\n").map((line) => line.split(":"));
    const name = lines.find((fields) => fields[2] === String(uid))?.[0];
    if (name !== undefined) return name;
  } catch {
    // A system without one: the number will do.
  }
  return `uid ${uid}`;
}

/** This user's number: that of a file of its own, for which no permission of its own is needed. */
function ownUid(): number | null {
  try {
    const path = Deno.makeTempFileSync({ prefix: "lockstep-user-" });
    try {
      return Deno.statSync(path).uid;
    } finally {
      Deno.removeSync(path);
    }
  } catch {
    return null;
  }
}

/** Links that are followed, at most: a circle of them has no end. */
const MOST_LINKS = 40;

/** Where systemd keeps the folders of services whose users it makes anew (`DynamicUser=`). */
const DYNAMIC = "/var/lib/private";

/** The store's file, or the folder above it that hides it; null where none of them can be seen. */
function whatDenies(file: string): { readonly path: string; readonly info: Deno.FileInfo } | null {
  let links = 0;
  for (let path = file;;) {
    try {
      return { path, info: Deno.statSync(path) };
    } catch {
      // A link that can be seen hides nothing: what it leads to does.
      const target = links++ < MOST_LINKS ? linkTarget(path) : null;
      if (target === null && path === dirname(path)) return null;
      path = target ?? dirname(path);
    }
  }
}

function linkTarget(path: string): string | null {
  try {
    return resolve(dirname(path), Deno.readLinkSync(path));
  } catch {
    return null;
  }
}

/**
 * What to say where a store can't be opened for want of rights; null where it failed otherwise.
 *
 * @param isReader whether it was to be read only
 */
export function accessFault(
  file: string,
  error: unknown,
  isReader: boolean,
): LockstepError | null {
  if (!(error instanceof Error) || error instanceof LockstepError) return null;
  if (!(error instanceof Deno.errors.PermissionDenied) && !DENIED.test(error.message)) return null;
  const found = whatDenies(file);
  const uid = ownUid();
  // Root may do everything: what stops it is no right.
  if (found === null || uid === 0) return null;
  const { path, info } = found;
  const isFile = path === file;
  const me = uid === null ? "this user" : `this user (${userName(uid)})`;
  const owner = userName(info.uid);
  const mode = ((info.mode ?? 0) & 0o7777).toString(8).padStart(4, "0");
  const isMine = info.uid === uid;
  const act = isReader ? "read" : "written";
  // SQLite's readers keep their place in a file beside the store.
  const needs = isReader && isFile ? "; readers need to write it, too, and its folder" : "";
  return new LockstepError(
    `the store ${file} can't be ${act} by ${me}: ` +
      `${isFile ? "it" : `its folder ${path}`} belongs to ${isMine ? "it" : owner}, ` +
      `mode ${mode}${needs}`,
    {
      kind: "store-access",
      retry: "slow",
      hint: isMine
        ? `give yourself the right: chmod u+rw${isFile ? "" : "x"} ${path}`
        : path === DYNAMIC
        ? "its service has no fixed user: read it as root (sudo …), over HTTP from the service's " +
          "status page, or give the service one (User= and DynamicUser=no)"
        : isReader
        ? `run this as ${owner} (sudo -u ${owner} …), or ask the running process by its status ` +
          "page: status --status ADDRESS"
        : `run this as ${owner}, or name another --kv`,
      cause: error,
    },
  );
}
