/**
 * An exclusive file lock per table, beside the store: the kernel frees it when its holder ends,
 * however that ends, and no earlier. So it tells a dead writer from a paused one at once, which
 * neither a pid (another namespace has the same) nor a time (another clock has another) can.
 *
 * The file is empty, and stays when the lock is given back: removed, the next two who come might
 * lock two files of one name.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { statfsSync } from "node:fs";
import { dirname } from "node:path";

/**
 * File systems that other hosts may mount as well (Linux: `statfs(2)`): some of them lock only
 * among the processes of one host.
 */
const SHARED_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0x0000_6969, // NFS
  0x0000_517b, // SMB
  0xff53_4d42, // CIFS
  0xfe53_4d42, // SMB 2
  0x0102_1997, // 9P
  0x6573_5546, // FUSE, virtiofs
  0x5346_414f, // AFS
  0x00c3_6400, // Ceph
  0x0116_1970, // GFS2
  0x7461_636f, // OCFS2
  0x0bd0_0bd0, // Lustre
  0x786f_4256, // VirtualBox' shared folders
]);

/** Names that are file names everywhere, also where `A` and `a` are one. */
const PLAIN_NAME = /^[a-z0-9_-]{1,64}$/;

/** Tries at a file that was replaced between opening and locking it. */
const REPLACED_TRIES = 8;

/** Where the lock of a table is. */
export function lockPath(store: string, table: string): string {
  const name = PLAIN_NAME.test(table)
    ? table
    : `.${createHash("sha256").update(table).digest("hex").slice(0, 32)}`;
  return `${store}.lock-${name}`;
}

/** Whether a lock beside the store would say something; a store in memory, or afar, has none. */
function canLock(store: string): boolean {
  if (store === ":memory:" || /^https?:/i.test(store)) return false;
  if (Deno.build.os !== "linux") return true;
  // Asked without the permission, a terminal would be asked for it.
  if (Deno.permissions.querySync({ name: "sys", kind: "statfs" }).state !== "granted") return true;
  try {
    return !SHARED_FILE_SYSTEMS.has(statfsSync(dirname(store)).type >>> 0);
  } catch {
    return true;
  }
}

/** A lock that is held. */
export class TableLock implements Disposable {
  readonly #file: Deno.FsFile;

  private constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  /**
   * Tries to lock a table.
   *
   * @returns the lock; `held` while somebody has it; `unavailable` where locks tell nothing
   */
  static async take(store: string, table: string): Promise<TableLock | "held" | "unavailable"> {
    if (!canLock(store)) return "unavailable";
    const path = lockPath(store, table);
    for (let tries = 0; tries < REPLACED_TRIES; tries++) {
      let file: Deno.FsFile | null = null;
      try {
        file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
        if (!await file.tryLock(true)) {
          file.close();
          return "held";
        }
        if (await isAt(file, path)) return new TableLock(file);
      } catch {
        // Not ours to open, or no such thing as a lock here.
        file?.close();
        return "unavailable";
      }
      file.close();
    }
    return "unavailable";
  }

  /** Gives it back. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Whether the file is the one that the path leads to: else it was removed since it was opened. */
async function isAt(file: Deno.FsFile, path: string): Promise<boolean> {
  const [ours, theirs] = await Promise.all([file.stat(), Deno.stat(path).catch(() => null)]);
  return theirs !== null && ours.ino === theirs.ino && ours.dev === theirs.dev;
}

/** Whether somebody holds the lock of a table; null where that can't be told. */
export async function isLockHeld(store: string, table: string): Promise<boolean | null> {
  if (!canLock(store)) return null;
  try {
    using file = await Deno.open(lockPath(store, table), { read: true });
    // Shared: two who look don't see each other.
    return !await file.tryLock(false);
  } catch {
    return null;
  }
}
