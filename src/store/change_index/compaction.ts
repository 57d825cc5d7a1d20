/**
 * The change index's work in the background: entries for the rows that were there before it, and the
 * merging of runs, so that it stays proportional to the table and quick to read.
 *
 * @module
 */

import { logger } from "../../base/log.ts";
import { messageOf } from "../../protocol/errors.ts";
import { type Key, orderOf } from "../../protocol/record.ts";
import { type ChangeEntry, sortEntries } from "./entry.ts";
import { lookUpChanges } from "./resolve_rows.ts";
import type { RunSet } from "./run_set.ts";
import {
  dropRun,
  type IndexedTable,
  mergedRuns,
  NotOurs,
  writeRun,
  type WrittenRun,
} from "./run.ts";
import type { ChangeRun } from "./manifest_state.ts";
import { tombstonePrefix } from "../kv/keys.ts";
import type { Tombstone } from "../kv/stored_values.ts";
import { TableReader } from "../read/table_reader.ts";

const log = logger("feed");

/** Entries gathered and sorted in memory while the index is made: about 10 MB. */
const BUILD_ENTRIES = 50_000;

/** Runs that are merged together while the index is made. */
const BUILD_RUNS = 16;

/** A reader has to look into every run: more than this are merged. */
const MOST_RUNS = 6;

/** Entries beyond twice the table that are let be. */
const SLACK_ENTRIES = 16_384;

/** After a failure, until the next try, in milliseconds. */
const RETRY_MS = 10_000;

/** A commit failed, and the state was read again as it had been before. */
const FORGOTTEN = "a commit failed, and this has to be done again";

/** The index's side of it. */
export interface CompactedIndex {
  /** Entries that there are. */
  total(): number;
  /** True while all that was begun is durable. */
  isQuiet(): boolean;
  /** Resolves when what was changed is stored. */
  durable(): Promise<void>;
}

/**
 * The runs that are worth merging: the smaller ones, and a larger one only when the rest has grown
 * to half of it, so that each entry is merged a few times in its life.
 */
export function runsToMerge(runs: readonly ChangeRun[]): readonly ChangeRun[] {
  if (runs.length <= MOST_RUNS) return [];
  const sorted = runs.toSorted((a, b) => a.entries - b.entries);
  const chosen: ChangeRun[] = [];
  let sum = 0;
  for (const run of sorted) {
    if (chosen.length >= 2 && run.entries > 2 * sum) break;
    chosen.push(run);
    sum += run.entries;
  }
  return chosen;
}

export class Compaction {
  readonly #table: IndexedTable;
  readonly #runs: RunSet;
  readonly #index: CompactedIndex;
  readonly #stop = new AbortController();
  #work: Promise<void> | null = null;

  constructor(table: IndexedTable, runs: RunSet, index: CompactedIndex) {
    this.#table = table;
    this.#runs = runs;
    this.#index = index;
  }

  /** Aborts when the table is closed. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Ends, and waits for what is under way. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#work;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#work !== null) await this.#work;
  }

  /** Begins to make entries for all rows and tombstones. */
  build(): void {
    this.#start(() => this.#build());
  }

  /** Begins to merge where that is due. */
  look(): void {
    if (this.#work !== null || this.signal.aborted || !this.#index.isQuiet()) return;
    const runs = this.#runs.all;
    const counted = Math.max(this.#table.meta.rows, this.#runs.valid);
    if (this.#index.total() > 2 * counted + SLACK_ENTRIES && runs.length > 0) {
      return this.#start(() => this.#merge(runs, true));
    }
    const chosen = runsToMerge(runs);
    if (chosen.length > 0) this.#start(() => this.#merge(chosen, false));
  }

  #start(work: () => Promise<void>): void {
    const run = async () => {
      try {
        await work();
      } catch (error) {
        if (this.signal.aborted || error instanceof NotOurs) return;
        log.warn("{table}: the change index: {error}", {
          table: this.#table.name,
          error: messageOf(error),
        });
        await this.#table.clock.sleep(RETRY_MS, this.signal).catch(() => {});
        if (!this.signal.aborted) await run();
      }
    };
    this.#work = run().finally(() => {
      this.#work = null;
      this.#runs.seal([]);
      this.look();
    });
  }

  async #build(): Promise<void> {
    const { name, store, shape } = this.#table;
    const runs: WrittenRun[] = [];
    let entries: ChangeEntry[] = [];
    const write = async () => {
      if (entries.length === 0) return;
      const slice = sortEntries(entries);
      entries = [];
      runs.push(await writeRun(this.#table, this.#runs.create(), [slice], this.signal));
      if (runs.length < BUILD_RUNS) return;
      const old = runs.splice(0);
      const slices = mergedRuns(store.reader, name, old);
      runs.push(await writeRun(this.#table, this.#runs.create(), slices, this.signal));
      for (const run of old) await dropRun(this.#table, run, this.signal);
    };
    try {
      for await (const { key, value } of new TableReader(store.reader, name).list()) {
        const order = orderOf(value, shape);
        if (order !== undefined) entries.push({ order, key });
        if (entries.length >= BUILD_ENTRIES) await write();
      }
      const prefix = tombstonePrefix(name);
      const tombstones = store.reader.list<Tombstone>({ prefix }, { batchSize: 500 });
      for await (const { key, value } of tombstones) {
        const part = key.slice(prefix.length) as unknown as Key;
        entries.push({ order: value.order, key: part });
        if (entries.length >= BUILD_ENTRIES) await write();
      }
      await write();
    } catch (error) {
      if (!this.signal.aborted) {
        for (const run of runs) await dropRun(this.#table, run, this.signal).catch(() => {});
      }
      throw error;
    }
    this.#runs.complete(runs);
    await this.#index.durable();
    if (!runs.every((run) => this.#runs.isStored(run))) throw new Error(FORGOTTEN);
  }

  /** @param sweeps whether entries that don't count any more are left out */
  async #merge(old: readonly ChangeRun[], sweeps: boolean): Promise<void> {
    const { name, store } = this.#table;
    this.#runs.seal(old);
    const slices = mergedRuns(store.reader, name, old);
    const id = this.#runs.create();
    const merged = await writeRun(
      this.#table,
      id,
      sweeps ? this.#swept(slices) : slices,
      this.signal,
    );
    this.#runs.replace(old, merged, sweeps ? merged.entries : null);
    await this.#index.durable();
    if (old.some((run) => this.#runs.isStored(run))) throw new Error(FORGOTTEN);
    for (const run of old) await dropRun(this.#table, run, this.signal);
  }

  /** The entries that still count: of a row, or a tombstone, that has not been written since. */
  async *#swept(slices: AsyncIterable<ChangeEntry[]>): AsyncGenerator<ChangeEntry[]> {
    const { name, store, shape } = this.#table;
    const source = { kv: store.reader, table: name, shape };
    for await (const slice of slices) {
      const changes = await lookUpChanges(source, slice);
      yield slice.filter((_, i) => changes[i] !== null && changes[i] !== undefined);
    }
  }
}
