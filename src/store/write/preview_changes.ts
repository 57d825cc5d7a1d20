/**
 * A look at what an answer would do to the number of rows, before the first of it is committed.
 *
 * @module
 */

import type { Table } from "../table/table.ts";
import type { Classifier } from "./classify.ts";
import type { Window } from "./window.ts";

/** An answer that brings nothing for so long pauses, in milliseconds. */
const GATHER_MS = 200;

/** The answer that is looked at. */
export interface PreviewedAnswer {
  readonly table: Table;
  readonly classifier: Classifier;
  /** What waits behind the window that is to be committed. */
  pending(): Window;
  /** Whether the answer is over, or no more of it fits. */
  isOver(): boolean;
}

/**
 * Costs nothing as long as all deletions together would not be too many.
 *
 * @throws {HeldChangeError} where the guard holds what has come
 */
export async function previewChanges(window: Window, answer: PreviewedAnswer): Promise<void> {
  const { guard } = answer.table;
  const { deletions, left } = answer.pending();
  if (!guard.isTight(window.deletions + deletions, window.left + left)) return;
  const net = await netOf(window, answer);
  if (net === null || !guard.isTooMuch(net)) return;
  // A person is asked about all that comes, not about its first part.
  await pauses(answer);
  const all = await netOf(window, answer);
  if (all !== null) guard.assert(all);
}

/** What a window and what waits behind it would add; null where rows are packed. */
async function netOf(window: Window, { classifier, pending }: PreviewedAnswer) {
  const taken = window.peek();
  const waiting = pending().peek();
  // They are looked at as they are parsed: slice by slice.
  if (taken === null || waiting === null) return null;
  return await classifier.preview([...taken, ...waiting]);
}

/** Waits until the answer is over, or pauses. */
async function pauses({ table, pending, isOver }: PreviewedAnswer): Promise<void> {
  for (let left = -1; left !== pending().left && !isOver();) {
    left = pending().left;
    await table.clock.sleep(GATHER_MS);
  }
}
