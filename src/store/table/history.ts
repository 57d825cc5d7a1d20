/**
 * The journal of what changed a table in bulk: resyncs, sweeps, holds, and what was noticed of the
 * origin. Bounded; the newest entries are in memory as well, for the status.
 *
 * @module
 */

import { historyKey, historyPrefix } from "../kv/keys.ts";
import type { Operation } from "../kv/operation.ts";
import type { HistoryEntry } from "../kv/stored_values.ts";

/** Entries kept for each table, the newest. */
const HISTORY_KEPT = 100;

/** Entries in memory. */
const RECENT = 5;

/** Serialised size of an entry at most. */
const ENTRY_BYTES = 16_384;

/** UTF-16 units of an entry's text at most. */
const TEXT_LENGTH = 2_000;

/** The table that a journal is of. */
export interface JournalTable {
  readonly name: string;
  readonly store: { readonly writer: Deno.Kv };
  readonly clock: { now(): number };
  operation(): Operation;
}

export class History {
  readonly #table: JournalTable;
  #recent: readonly HistoryEntry[] = [];

  constructor(table: JournalTable) {
    this.#table = table;
  }

  /** Reads what is stored; to be called before anything is added. */
  async load(): Promise<void> {
    const recent: HistoryEntry[] = [];
    const { name, store } = this.#table;
    const options = { reverse: true, limit: RECENT };
    const entries = store.writer.list<HistoryEntry>({ prefix: historyPrefix(name) }, options);
    for await (const { value } of entries) recent.push(value);
    this.#recent = recent;
  }

  /** The newest entries, newest first. */
  get recent(): readonly HistoryEntry[] {
    return this.#recent;
  }

  /** Adds an entry, durably; the oldest beyond what is kept goes. */
  async add(entry: Omit<HistoryEntry, "number" | "time">): Promise<void> {
    const { name, clock } = this.#table;
    const number = (this.#recent[0]?.number ?? 0) + 1;
    const text = entry.text.slice(0, TEXT_LENGTH).toWellFormed();
    const added: HistoryEntry = { number, time: clock.now(), ...entry, text };
    this.#recent = [added, ...this.#recent].slice(0, RECENT);
    const operation = this.#table.operation();
    operation.set(historyKey(name, number), added, ENTRY_BYTES);
    if (number > HISTORY_KEPT) operation.delete(historyKey(name, number - HISTORY_KEPT));
    await operation.commit();
  }
}
