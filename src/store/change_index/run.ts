/**
 * Runs of the change index in the store: written, read page by page, merged and removed.
 *
 * A run is written before the state names it and removed after the state has ceased to, so all of
 * this may run beside the table's commits. Memory: one page of each run that takes part.
 *
 * @module
 */

import type { Clock } from "../../base/clock.ts";
import { mergeBlocks } from "../../base/merge_blocks.ts";
import type { Order } from "../../protocol/cursor.ts";
import type { RecordShape } from "../../protocol/record.ts";
import {
  type ChangeEntry,
  type ChangePage,
  type ChangePlace,
  compareEntries,
  isBehind,
  packPages,
  sortEntries,
  unpackPage,
} from "./entry.ts";
import type { ChangeRun } from "./manifest_state.ts";
import type { OperationQueue } from "../kv/committer.ts";
import { changeLogPrefix, changePageKey, changePagePrefix } from "../kv/keys.ts";
import type { TableMeta } from "../kv/stored_values.ts";
import type { Operation } from "../kv/operation.ts";
import type { Store } from "../kv/open_store.ts";

/** The index's view of its table. */
export interface IndexedTable {
  readonly name: string;
  readonly shape: RecordShape;
  readonly store: Store;
  readonly clock: Clock;
  readonly committer: OperationQueue;
  /** As it will be: rows, or an estimate; the cursor; the resync that is under way. */
  readonly meta: Pick<TableMeta, "rows" | "cursor" | "resync">;
  /** The durable cursor. */
  readonly cursor: Order | null;
  operation(): Operation;
}

/** A page was removed while it was needed: the state has changed since. */
export class PageGone extends Error {
  override readonly name = "PageGone";
}

/** The store has another writer by now, or the work was told to stop. */
export class NotOurs extends Error {
  override readonly name = "NotOurs";
}

/** A run that has just been written. */
export interface WrittenRun extends ChangeRun {
  /** Its last entry; null for a run without any. */
  readonly last: ChangeEntry | null;
}

/** Pages of one operation that writes a run. */
const PAGES_A_COMMIT = 16;

/** Bytes of a page's key at most. */
const PAGE_KEY_BYTES = 2_048;

/** Pages removed in one operation. */
const DROPPED_A_COMMIT = 200;

async function commit(operation: Operation, signal: AbortSignal): Promise<void> {
  if (signal.aborted) throw new NotOurs();
  if (!(await operation.commit()).ok) throw new NotOurs();
}

/** Reads a page. */
export async function readPage(kv: Deno.Kv, table: string, run: number, page: number) {
  const { value } = await kv.get<ChangePage>(changePageKey(table, run, page));
  if (value === null) throw new PageGone();
  return unpackPage(value);
}

/** The number of the first page that holds something behind a place; `run.pages` for none. */
export async function findPage(
  kv: Deno.Kv,
  table: string,
  run: ChangeRun,
  place: ChangePlace | null,
): Promise<number> {
  if (place === null) return 0;
  let from = 0;
  let to = run.pages;
  while (from < to) {
    const middle = (from + to) >> 1;
    const last = (await readPage(kv, table, run.id, middle)).at(-1);
    if (last !== undefined && isBehind(last, place)) to = middle;
    else from = middle + 1;
  }
  return from;
}

/** All entries of several runs, sorted and each once, in slices. */
export async function* mergedRuns(
  kv: Deno.Kv,
  table: string,
  runs: readonly ChangeRun[],
): AsyncGenerator<ChangeEntry[]> {
  const sources = runs.map(({ id, pages }) => {
    let page = 0;
    return { next: async () => page < pages ? await readPage(kv, table, id, page++) : [] };
  });
  for await (const block of mergeBlocks(sources, compareEntries)) yield sortEntries(block);
}

/** Writes sorted entries as a new run of the given number. */
export async function writeRun(
  table: IndexedTable,
  id: number,
  slices: AsyncIterable<readonly ChangeEntry[]> | Iterable<readonly ChangeEntry[]>,
  signal: AbortSignal,
): Promise<WrittenRun> {
  let pages = 0;
  let last: ChangeEntry | null = null;
  let entries = 0;
  let pending: ChangeEntry[] = [];
  let operation = table.operation();
  let inOperation = 0;
  const flush = async (isLast: boolean) => {
    const packed = [...packPages(pending)];
    pending = [];
    for (const [i, { page, bytes, entries: count }] of packed.entries()) {
      if (!isLast && i === packed.length - 1) {
        // The last one may not be full yet.
        for (const entry of unpackPage(page)) pending.push(entry);
        break;
      }
      operation.set(changePageKey(table.name, id, pages++), page, bytes);
      entries += count;
      if (++inOperation >= PAGES_A_COMMIT || !operation.fits(1, 65_536, PAGE_KEY_BYTES)) {
        await commit(operation, signal);
        operation = table.operation();
        inOperation = 0;
      }
    }
  };
  for await (const slice of slices) {
    for (const entry of slice) pending.push(last = entry);
    if (pending.length >= 4_096) await flush(false);
  }
  await flush(true);
  if (inOperation > 0) await commit(operation, signal);
  return { id, pages, entries, last };
}

/** Removes the pages of a run that the state doesn't name any more. */
export async function dropRun(
  table: IndexedTable,
  run: ChangeRun,
  signal: AbortSignal,
): Promise<void> {
  for (let page = 0; page < run.pages;) {
    const operation = table.operation();
    for (let n = 0; n < DROPPED_A_COMMIT && page < run.pages; n++, page++) {
      operation.delete(changePageKey(table.name, run.id, page));
    }
    await commit(operation, signal);
  }
}

/** Removes everything below a prefix. */
async function dropAll(table: IndexedTable, prefix: Deno.KvKey, signal: AbortSignal) {
  for (;;) {
    const entries = table.store.writer.list(
      { prefix },
      { limit: DROPPED_A_COMMIT, batchSize: DROPPED_A_COMMIT },
    );
    const operation = table.operation();
    for await (const { key } of entries) operation.delete(key);
    if (operation.empty) return;
    await commit(operation, signal);
  }
}

/** Removes every entry of a table's index; the state goes first, by other hands. */
export async function dropEntries(table: IndexedTable, signal: AbortSignal): Promise<void> {
  for (const prefix of [changeLogPrefix(table.name), changePagePrefix(table.name)]) {
    await dropAll(table, prefix, signal);
  }
}

/** Removes pages that a crash has left: of runs that the state doesn't name, and behind a run's end. */
export async function dropLeftovers(
  table: IndexedTable,
  runs: readonly ChangeRun[],
  signal: AbortSignal,
): Promise<void> {
  const kv = table.store.writer;
  const prefix = changePagePrefix(table.name);
  const known = new Map(runs.map((run) => [run.id, run]));
  for (let start: Deno.KvKey = [...prefix, 0];;) {
    const [first] = await Array.fromAsync(kv.list({ prefix, start }, { limit: 1 }));
    const id = first?.key.at(-2);
    if (typeof id !== "number") return;
    for (let page = known.get(id)?.pages ?? 0;;) {
      const operation = table.operation();
      const from = { prefix: [...prefix, id], start: changePageKey(table.name, id, page) };
      let isLast = true;
      const options = { limit: DROPPED_A_COMMIT, batchSize: DROPPED_A_COMMIT };
      for await (const { key } of kv.list(from, options)) {
        operation.delete(key);
        isLast = false;
      }
      if (isLast) break;
      await commit(operation, signal);
      page = known.get(id)?.pages ?? 0;
    }
    start = [...prefix, id + 1];
  }
}
