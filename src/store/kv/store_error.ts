/**
 * What Deno KV and the file system throw, said in the operator's words.
 *
 * @module
 */

import { isRemote, remoteFault } from "./remote_store.ts";
import { LockstepError, messageOf } from "../../protocol/errors.ts";

const FULL = /disk is full|no transaction is active|ENOSPC|No space left|File too large/i;
const READ_ONLY = /readonly|read-only|EROFS|permission denied|EACCES|unable to open/i;
const FOREIGN = /not a database|malformed|corrupt|file is encrypted/i;
const BUSY = /database is locked|database table is locked|busy/i;

/** Whether another connection's commit was in the way of one: nothing was written. */
export function isLocked(error: unknown): boolean {
  // The message of one of ours names a path, which may hold any word.
  return BUSY.test(messageOf(error instanceof LockstepError ? error.cause : error));
}

/** A store failure as a {@linkcode LockstepError} that names the path and the next step. */
export function storeFault(path: string, error: unknown): LockstepError {
  if (error instanceof LockstepError) return error;
  if (isRemote(path)) return remoteFault(path, error);
  const text = messageOf(error);
  const fault = (kind: "store" | "store-full", retry: "soon" | "slow", hint: string) =>
    new LockstepError(`the store ${path} failed: ${text}`, { kind, retry, hint, cause: error });
  if (FULL.test(text)) {
    return fault(
      "store-full",
      "soon",
      `free space on the disk that holds ${path}; it then goes on`,
    );
  }
  if (FOREIGN.test(text)) {
    return fault(
      "store",
      "slow",
      `${path} is damaged or no Deno KV store: move it away (it is rebuilt from the origin), or name another with --kv`,
    );
  }
  if (READ_ONLY.test(text)) {
    return fault("store", "slow", `make ${path} and its folder writable for this user`);
  }
  if (BUSY.test(text)) {
    return fault("store", "soon", `another process holds ${path}; it is tried again`);
  }
  return fault("store", "soon", `look at ${path} and the disk under it`);
}
