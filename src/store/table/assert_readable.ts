/**
 * Whether what is written can be read by others.
 *
 * @module
 */

import { LockstepError } from "../../protocol/errors.ts";
import type { Store } from "../kv/open_store.ts";
import { retryWhileLocked } from "../kv/retry_locked.ts";
import { storeFault } from "../kv/store_error.ts";
import type { Lease } from "./lease.ts";

/**
 * What is written is what readers see: a connection of their kind finds the holder's sign of life.
 *
 * @throws {LockstepError} `store`, saying what is wrong
 */
export async function assertReadable({ files, path }: Store, lease: Lease): Promise<void> {
  if (files === null) return;
  files.assertSame();
  const isSeen = await retryWhileLocked(async () => {
    using kv = await Deno.openKv(path);
    return await lease.isSeenBy(kv);
  }).catch((error: unknown) => {
    throw storeFault(path, error);
  });
  if (isSeen) return;
  throw new LockstepError(`what is written to the store ${path} isn't there for its readers`, {
    kind: "store",
    retry: "slow",
    hint: `restart this process: it goes on with what is at ${path}`,
  });
}
