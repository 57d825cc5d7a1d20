/**
 * The latest entries of the change index, one value a commit, held in memory as well.
 *
 * @module
 */

import {
  type ChangeEntry,
  type ChangePage,
  compareEntries,
  firstBehind,
  sortEntries,
  unpackPage,
} from "./entry.ts";
import { changeLogKey, changeLogPrefix } from "../kv/keys.ts";
import type { Operation } from "../kv/operation.ts";

/** Entries before they become a run. */
const MOST_ENTRIES = 8_192;

/** Values before they become a run: they are removed in one operation. */
const MOST_VALUES = 256;

export class ChangeLog {
  readonly #table: string;
  /** The durable entries, sorted. */
  #entries: ChangeEntry[] = [];
  #first = 0;
  #next = 0;

  constructor(table: string) {
    this.#table = table;
  }

  /** Reads what is stored. */
  async load(kv: Deno.Kv): Promise<void> {
    const entries: ChangeEntry[] = [];
    const numbers: number[] = [];
    for await (
      const { key, value } of kv.list<ChangePage>({ prefix: changeLogPrefix(this.#table) })
    ) {
      numbers.push(Number(key.at(-1)));
      for (const entry of unpackPage(value)) entries.push(entry);
    }
    this.#entries = sortEntries(entries);
    this.#first = numbers[0] ?? 0;
    this.#next = (numbers.at(-1) ?? -1) + 1;
  }

  /** The durable entries, sorted. */
  get entries(): readonly ChangeEntry[] {
    return this.#entries;
  }

  /** True when it is time to make a run of it. */
  get isFull(): boolean {
    return this.#entries.length >= MOST_ENTRIES || this.values >= MOST_VALUES;
  }

  /** Values, those on their way included. */
  get values(): number {
    return this.#next - this.#first;
  }

  /** The key of the next value. */
  get nextKey(): Deno.KvKey {
    return changeLogKey(this.#table, this.#next);
  }

  has(entry: ChangeEntry): boolean {
    const before = this.#entries[firstBehind(this.#entries, entry) - 1];
    return before !== undefined && compareEntries(before, entry) === 0;
  }

  /** Removes all values with an operation. */
  drop(operation: Operation): void {
    for (; this.#first < this.#next; this.#first++) {
      operation.delete(changeLogKey(this.#table, this.#first));
    }
  }

  /** Adds a value to an operation. */
  set(operation: Operation, page: ChangePage, bytes: number): void {
    operation.set(this.nextKey, page, bytes);
    this.#next++;
  }

  /** An operation is durable that has dropped the log, or added sorted entries to it. */
  became(dropped: boolean, added: readonly ChangeEntry[]): void {
    if (dropped) this.#entries = [];
    const last = this.#entries.at(-1);
    const [first] = added;
    const isNext = first === undefined || last === undefined || compareEntries(last, first) < 0;
    for (const entry of added) this.#entries.push(entry);
    if (!isNext) sortEntries(this.#entries);
  }
}
