/**
 * Entries that were committed below the cursor lately: a reader of the index in order has passed them.
 *
 * @module
 */

import { compareOrder, type Order } from "../../protocol/cursor.ts";
import { between, type ChangeEntry, firstBehind, type SortedEntries } from "./entry.ts";

/** Entries that are kept. */
const KEPT = 1_000;

/** Late entries since some version of the index. */
export interface Late {
  readonly entries: readonly ChangeEntry[];
  /** The least order among all that were late, where those are more than are kept; else null. */
  readonly least: Order | null;
}

export class LateEntries {
  #kept: { readonly version: number; readonly entries: readonly ChangeEntry[] }[] = [];
  #count = 0;
  /** Entries no longer kept: up to which version, and their least order. */
  #lost: { version: number; least: Order } | null = null;

  /** Takes note of sorted entries that became durable when the cursor stood at `cursor`. */
  note(entries: SortedEntries, cursor: Order | null, version: number): void {
    if (cursor === null) return;
    const count = firstBehind(entries, { order: cursor, key: null });
    const first = entries.at(0);
    if (count === 0 || first === undefined) return;
    if (count > KEPT) return this.#lose(version, first.order);
    this.#kept.push({ version, entries: [...between(entries, 0, count)] });
    this.#count += count;
    while (this.#count > KEPT) {
      const oldest = this.#kept.shift();
      const [first] = oldest?.entries ?? [];
      if (oldest === undefined || first === undefined) break;
      this.#count -= oldest.entries.length;
      this.#lose(oldest.version, first.order);
    }
  }

  #lose(version: number, least: Order): void {
    const lost = this.#lost;
    this.#lost = lost === null ? { version, least } : {
      version: Math.max(version, lost.version),
      least: compareOrder(least, lost.least) < 0 ? least : lost.least,
    };
  }

  /** Entries that became durable after a version. */
  since(version: number): Late {
    const entries = this.#kept.filter((late) => late.version > version)
      .flatMap((late) => late.entries);
    const isLost = this.#lost !== null && this.#lost.version > version;
    return { entries, least: isLost ? this.#lost?.least ?? null : null };
  }
}
