/**
 * How many files and sockets this process may still open.
 *
 * @module
 */

import { LockstepError } from "../protocol/errors.ts";

/** What is opened to find out: it is there on every system, and costs nothing. */
const NOTHING = Deno.build.os === "windows" ? "NUL" : "/dev/null";

/**
 * How many descriptors are free, up to `most`. Found by opening and closing them: the limit itself
 * is told to nobody who may not look into `/proc` or run a shell. Takes some 15 µs each.
 */
export function freeDescriptors(most: number): number {
  const open: Deno.FsFile[] = [];
  try {
    while (open.length < most) open.push(Deno.openSync(NOTHING));
  } catch {
    // No more.
  } finally {
    for (const file of open) file.close();
  }
  return open.length;
}

/** Descriptors that the program needs besides those of its tables: files, logs, commands, timers. */
const RESERVED = 32;

/** Descriptors that one table needs: the origin's connections, the store's, a window's file. */
const RESERVED_PER_TABLE = 8;

/** What the replica itself needs, whoever asks the status server for what. */
export function reservedDescriptors(tables: number): number {
  return RESERVED + RESERVED_PER_TABLE * tables;
}

/**
 * Sees to it that a replica can work.
 *
 * @throws {LockstepError} of kind `usage` where too few files may be open
 */
export function checkDescriptors(tables: number): void {
  const needed = reservedDescriptors(tables);
  const free = freeDescriptors(needed);
  if (free >= needed) return;
  throw new LockstepError(
    `only ${free} more files may be open at once, and ${needed} are needed`,
    {
      kind: "usage",
      retry: "never",
      hint: "raise the limit: ulimit -n 1024, or LimitNOFILE= in a unit",
    },
  );
}
