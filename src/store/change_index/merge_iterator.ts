/**
 * The change index read in order: the log and all runs, merged a few hundred entries at a time.
 *
 * @module
 */

import { compareOrder, type Order } from "../../protocol/cursor.ts";
import {
  type ChangeEntry,
  type ChangePlace,
  compareEntries,
  firstBehind,
  isBehind,
  sortEntries,
} from "./entry.ts";
import { findPage, PageGone, readPage } from "./run.ts";
import type { ChangeRun } from "./manifest_state.ts";

/** How often a reader begins anew whose pages are merged under its hands. */
const ATTEMPTS = 5;

/** Entries given from the log at a time. */
const SLICE_ENTRIES = 512;

/** One state of the index, to be read. */
export interface IndexSnapshot {
  readonly kv: Deno.Kv;
  readonly table: string;
  readonly runs: readonly ChangeRun[];
  /** Sorted. */
  readonly log: readonly ChangeEntry[];
}

/** Entries in a reader's order, and whether there are no more. */
export interface ChangeSlice {
  readonly entries: readonly ChangeEntry[];
  readonly done: boolean;
}

/** A reader's page in each run: a hint that saves the search. Only for a place that moves on. */
export type PageHints = Map<number, number>;

/**
 * Entries behind a place, up to an order and inclusive.
 *
 * @param snapshot the index as it is now: asked again where it has changed meanwhile
 */
export async function readSlice(
  snapshot: () => IndexSnapshot,
  place: ChangePlace | null,
  upTo: Order,
  hints: PageHints,
): Promise<ChangeSlice> {
  for (let attempt = 1;; attempt++) {
    try {
      return await readOnce(snapshot(), place, upTo, hints);
    } catch (error) {
      if (!(error instanceof PageGone) || attempt >= ATTEMPTS) throw error;
      hints.clear();
    }
  }
}

async function readOnce(
  source: IndexSnapshot,
  place: ChangePlace | null,
  upTo: Order,
  hints: PageHints,
): Promise<ChangeSlice> {
  const { runs, log } = source;
  const from = firstBehind(log, place);
  const found: ChangeEntry[] = log.slice(from, from + SLICE_ENTRIES);
  /** Nothing that was not read lies before it. */
  let bound = from + SLICE_ENTRIES < log.length ? found.at(-1) : undefined;
  for (const run of runs) {
    const page = await pageBehind(source, run, place, hints);
    if (page === null) continue;
    for (const entry of page.entries) if (isBehind(entry, place)) found.push(entry);
    const last = page.entries.at(-1);
    if (!page.isLast && last !== undefined) {
      if (bound === undefined || compareEntries(last, bound) < 0) bound = last;
    }
  }
  const limit = bound;
  const entries = sortEntries(found.filter((entry) =>
    compareOrder(entry.order, upTo) <= 0 &&
    (limit === undefined || compareEntries(entry, limit) <= 0)
  ));
  return { entries, done: limit === undefined || compareOrder(limit.order, upTo) > 0 };
}

/** A run's first page that holds something behind a place. */
async function pageBehind(
  { kv, table }: IndexSnapshot,
  run: ChangeRun,
  place: ChangePlace | null,
  hints: PageHints,
) {
  let number = hints.get(run.id);
  if (number === undefined || number > run.pages) number = await findPage(kv, table, run, place);
  for (; number < run.pages; number++) {
    const entries = await readPage(kv, table, run.id, number);
    const last = entries.at(-1);
    if (last === undefined || !isBehind(last, place)) continue;
    hints.set(run.id, number);
    return { entries, isLast: number === run.pages - 1 };
  }
  hints.set(run.id, number);
  return null;
}
