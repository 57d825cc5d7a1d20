/**
 * What was committed below the cursor lately: who reads the index in order has passed it by.
 *
 * @module
 */

import { compareOrder, type Order } from "../protocol/cursor.ts";
import { type ChangeEntry, firstBehind } from "./change_entry.ts";

/** Entries that are kept. */
const KEPT = 1_000;

/** Late entries since some version of the index. */
export interface Late {
  readonly entries: readonly ChangeEntry[];
  /** Where more were late than are kept: the least order among all of them; else null. */
  readonly least: Order | null;
}

export class LateEntries {
  #kept: { readonly version: number; readonly entries: readonly ChangeEntry[] }[] = [];
  #count = 0;
  /** What is no longer kept: up to which version, and the least order. */
  #lost: { version: number; least: Order } | null = null;

  /** Takes note of sorted entries that became durable when the cursor stood at `cursor`. */
  note(entries: readonly ChangeEntry[], cursor: Order | null, version: number): void {
    if (cursor === null) return;
    const late = entries.slice(0, firstBehind(entries, { order: cursor, key: null }));
    if (late.length === 0) return;
    this.#kept.push({ version, entries: late });
    this.#count += late.length;
    while (this.#count > KEPT) {
      const oldest = this.#kept.shift();
      const least = oldest?.entries[0]?.order;
      if (oldest === undefined || least === undefined) break;
      this.#count -= oldest.entries.length;
      const isLeast = this.#lost === null || compareOrder(least, this.#lost.least) < 0;
      this.#lost = {
        version: oldest.version,
        least: isLeast || this.#lost === null ? least : this.#lost.least,
      };
    }
  }

  /** What became durable after a version. */
  since(version: number): Late {
    const entries = this.#kept.filter((late) => late.version > version)
      .flatMap((late) => late.entries);
    const isLost = this.#lost !== null && this.#lost.version > version;
    return { entries, least: isLost ? this.#lost?.least ?? null : null };
  }
}
