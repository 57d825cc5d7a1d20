/**
 * The file of a unix socket: a killed process leaves it behind, a living one must keep it.
 *
 * @module
 */

import { dirname } from "node:path";
import type { Server } from "node:http";
import { LockstepError, messageOf } from "../protocol/errors.ts";
import { listening, type Reach } from "./listener.ts";

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

/**
 * Lets a server listen on a socket that only this user, and its group, may connect to: made in a
 * folder that nobody else may enter, and moved to its place when it has its mode.
 *
 * @throws {LockstepError} of kind `usage` where it can't be made
 */
export async function bindSocket(server: Server, path: string): Promise<Reach> {
  await claimSocket(path);
  let folder: string | null = null;
  try {
    folder = await Deno.makeTempDir({ dir: dirname(path), prefix: ".s" });
    const made = `${folder}/s`;
    await listening(server, () => server.listen(made));
    await Deno.chmod(made, 0o660);
    await Deno.rename(made, path);
    return { transport: "unix", path };
  } catch (cause) {
    throw taken(path, `can't be made: ${messageOf(cause)}`, cause);
  } finally {
    if (folder !== null) await Deno.remove(folder, { recursive: true }).catch(() => {});
  }
}

function taken(path: string, what: string, cause?: unknown): LockstepError {
  return new LockstepError(`the status socket ${path} ${what}`, {
    kind: "usage",
    retry: "never",
    hint: "give another --status unix:PATH, or --no-status",
    cause,
  });
}
