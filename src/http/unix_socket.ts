/**
 * The file of a unix socket: a killed process leaves it behind, a living one must keep it.
 *
 * @module
 */

import { LockstepError, messageOf } from "../protocol/errors.ts";

/**
 * Makes the path free to listen on: removes a socket that nobody answers on.
 *
 * @throws {LockstepError} of kind `usage` where somebody does, or where it is another kind of file
 */
export async function claimSocket(path: string): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.lstat(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return;
    throw taken(path, "can't be looked at", cause);
  }
  if (!info.isSocket) throw taken(path, "is a file, and no socket");
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (cause) {
    if (cause instanceof Deno.errors.ConnectionRefused) return await Deno.remove(path);
    throw taken(path, "can't be probed", cause);
  }
  throw taken(path, "is in use by a running program");
}

/** What is said where no socket can be made at the path. */
export function unusableSocket(path: string, cause: unknown): LockstepError {
  return taken(path, `can't be made: ${messageOf(cause)}`, cause);
}

/** Lets only this user, and its group, connect. */
export async function secureSocket(path: string): Promise<void> {
  await Deno.chmod(path, 0o660);
}

function taken(path: string, what: string, cause?: unknown): LockstepError {
  return new LockstepError(`the status socket ${path} ${what}`, {
    kind: "usage",
    retry: "never",
    hint: "give another --status unix:PATH, or --no-status",
    cause,
  });
}
