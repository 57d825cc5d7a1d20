/**
 * Which files a store is. A connection keeps the files that it has opened, wherever their names go:
 * deleted, moved, or swapped for a copy, they can be written for ever, and nobody reads it. So the
 * names are compared with what they meant when the store was opened, by device and inode, which no
 * other file gets while ours is open.
 *
 * @module
 */

import { LockstepError, messageOf } from "../../protocol/errors.ts";

/** SQLite's files: the database, what is not merged into it yet, and the index of that. */
const SUFFIXES = ["", "-wal", "-shm"] as const;

interface Identity {
  readonly dev: number;
  readonly ino: number | null;
}

function identityOf(path: string): Identity | null {
  try {
    const { dev, ino } = Deno.statSync(path);
    return { dev, ino };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return null;
    }
    throw error;
  }
}

/** The files of an open store. */
export class StoreFiles {
  readonly #path: string;
  readonly #known = new Map<string, Identity>();

  /** @param path the store's file, which is open; the others are made when it is first read */
  constructor(path: string) {
    this.#path = path;
    this.#look();
  }

  /**
   * Whether the names still lead to the files that are written.
   *
   * @throws {LockstepError} `store`, saying which doesn't
   */
  assertSame(): void {
    const fault = this.#look();
    if (fault !== null) throw fault;
  }

  #look(): LockstepError | null {
    for (const suffix of SUFFIXES) {
      const path = this.#path + suffix;
      const known = this.#known.get(suffix);
      let now: Identity | null;
      try {
        now = identityOf(path);
      } catch (error) {
        return lost(`${path} can't be looked at any more (${messageOf(error)})`, "nobody can read");
      }
      if (known === undefined) {
        if (now !== null) this.#known.set(suffix, now);
      } else if (now === null) {
        return lost(`${path} was deleted or moved away`, "nobody can read");
      } else if (now.dev !== known.dev || now.ino !== known.ino) {
        return lost(`${path} was replaced by another file`, "readers of that one don't see");
      }
    }
    return null;
  }
}

function lost(what: string, consequence: string): LockstepError {
  return new LockstepError(`${what}: ${consequence} what is written since`, {
    kind: "store",
    retry: "slow",
    hint: "put the files back where they were, or restart this process: it goes on with the " +
      "files that are there, or makes them anew and reads everything again",
  });
}
