/**
 * A window's entries on their way to the log, or into pages.
 *
 * @module
 */

import {
  between,
  type ChangeEntry,
  type ChangePage,
  entryBytes,
  firstBehind,
  packPages,
  type SortedEntries,
} from "./entry.ts";
import type { ChangeRun } from "./manifest_state.ts";
import { changePageKey } from "../kv/keys.ts";
import type { Operation } from "../kv/operation.ts";

/** Entries that are logged at once; more become a run. */
export const LOGGED_ENTRIES = 1_000;

/** Bytes that are logged at once: one value. */
export const LOGGED_BYTES = 49_152;

/** One value to be written. */
export interface PlannedValue {
  readonly key: Deno.KvKey;
  readonly value: ChangePage;
  readonly bytes: number;
}

/** The index's part of a window's last operations. */
export interface ChangePlan {
  /** Pages that no state names yet: they may go into any operation before the last. */
  readonly pages: Iterable<PlannedValue>;
  /** WindowLimits that {@linkcode ChangePlan.finish} needs in the last operation. */
  readonly mutations: number;
  readonly bytes: number;
  readonly keyBytes: number;
  /**
   * Everything that is on its way has to be durable before {@linkcode ChangePlan.finish}:
   * of two operations in flight the earlier one can fail alone, and what it was to write is built
   * on.
   */
  readonly mustWait: boolean;
  /** Adds the rest to the last operation, right before the state is added. */
  finish(operation: Operation): void;
}

/** Pages to be added to a run. */
export interface PlannedRun {
  readonly id: number;
  /** The number of its first page. */
  readonly first: number;
  readonly from: number;
  readonly to: number;
  /** Pages so far. */
  pages: number;
  /** True of the run that grows. */
  readonly grows: boolean;
  readonly last: ChangeEntry;
}

/** Pages, and what is better logged. */
export interface PlannedRuns {
  /** Made one at a time: a window's are several megabytes. */
  readonly pages: Iterable<PlannedValue>;
  /** How many pages each has got is known when all were made. */
  readonly runs: readonly PlannedRun[];
  readonly late: readonly ChangeEntry[];
}

/** The run that grows, and its last entry. */
export interface GrowingRun {
  readonly run: ChangeRun;
  readonly last: ChangeEntry;
}

/** Sorted entries: those that follow the run that grows join it; of the rest a few are logged. */
export function planRuns(
  table: string,
  entries: SortedEntries,
  growing: GrowingRun | null,
  newRun: () => number,
): PlannedRuns {
  const from = growing === null ? 0 : firstBehind(entries, growing.last);
  const runs: PlannedRun[] = [];
  const plan = (id: number, first: number, range: { from: number; to: number }, grows: boolean) => {
    const last = entries.at(range.to - 1);
    if (last !== undefined) runs.push({ id, first, ...range, pages: 0, grows, last });
  };
  let late: readonly ChangeEntry[] = [];
  if (from <= LOGGED_ENTRIES) late = [...between(entries, 0, from)];
  if (from > 0 && (late.length === 0 || logged(late).bytes > LOGGED_BYTES)) {
    late = [];
    plan(newRun(), 0, { from: 0, to: from }, false);
  }
  if (from < entries.length) {
    const { id, pages } = growing?.run ?? { id: newRun(), pages: 0 };
    plan(id, pages, { from, to: entries.length }, true);
  }
  return { pages: pagesOf(table, entries, runs), runs, late };
}

function* pagesOf(
  table: string,
  entries: SortedEntries,
  runs: readonly PlannedRun[],
): Generator<PlannedValue> {
  for (const run of runs) {
    for (const { page, bytes } of packPages(between(entries, run.from, run.to))) {
      yield { key: changePageKey(table, run.id, run.first + run.pages++), value: page, bytes };
    }
  }
}

/** Entries as one value of the log. */
export function logged(entries: readonly ChangeEntry[]): { page: ChangePage; bytes: number } {
  return {
    page: { orders: entries.map(({ order }) => order), parts: entries.flatMap(({ key }) => key) },
    bytes: entries.reduce((sum, entry) => sum + entryBytes(entry), 128),
  };
}
