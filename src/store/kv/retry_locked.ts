/**
 * Waiting for the commits of others: another process may write another table of the same store,
 * and Deno KV removes what has expired by itself.
 *
 * SQLite has one writer at a time. An operation that begins with a check has read before it writes,
 * and SQLite lets nobody wait who has: it refuses at once, "database is locked", having written
 * nothing.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { isLocked } from "./store_error.ts";

/** Attempts at most. With the pauses that is two to four seconds; a commit takes 1 to 100 ms. */
const ATTEMPTS = 64;

/** The longest pause between two attempts, in milliseconds; the first is 1. */
const MOST_MS = 64;

/**
 * Attempts a commit until no other is in the way.
 *
 * @throws what it failed with: something else, or the last of too many locks
 */
export async function retryWhileLocked<T>(attempt: () => Promise<T>): Promise<T> {
  for (let attempts = 1;; attempts++) {
    try {
      return await attempt();
    } catch (error) {
      if (!isLocked(error) || attempts === ATTEMPTS) throw error;
    }
    // The machine's own time: that is what the other one's commit takes.
    const most = Math.min(MOST_MS, 2 ** (attempts - 1));
    await systemClock.sleep(most * (1 + systemClock.random()) / 2);
  }
}
