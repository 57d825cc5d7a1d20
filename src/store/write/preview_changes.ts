/**
 * A look at what an answer would do to the number of rows, before the first of it is committed.
 *
 * @module
 */

import type { Decision } from "../read/last_writer_wins.ts";
import type { ChangeGuard } from "../table/change_guard.ts";
import type { Classifier } from "./classify.ts";
import type { Window } from "./window.ts";

/** An answer that brings nothing for so long pauses, in milliseconds. */
const GATHER_MS = 200;

/**
 * Costs nothing as long as all deletions together would not be too many.
 *
 * @param window what is to be committed
 * @param pending what waits behind it
 * @param isOver whether the answer is over, or no more of it fits
 * @throws {HeldChangeError} where the guard holds what has come
 */
export async function previewChanges(
  window: Window,
  classifier: Classifier,
  pending: () => Window,
  isOver: () => boolean,
): Promise<void> {
  const { guard, clock } = classifier.table;
  const { deletions, left } = pending();
  if (!guard.isTight(window.deletions + deletions, window.left + left)) return;
  const net = await netOf(window, classifier, pending());
  if (net === null || !guard.isTooMuch(net)) return;
  // A person is asked about all that comes, not about its first part.
  for (let seen = -1; seen !== pending().left && !isOver();) {
    seen = pending().left;
    await clock.sleep(GATHER_MS);
  }
  const all = await netOf(window, classifier, pending());
  if (all !== null) guard.assert(all);
}

/** What both windows would add; null where rows are packed. */
async function netOf(
  window: Window,
  classifier: Classifier,
  pending: Window,
): Promise<number | null> {
  const taken = window.peek();
  const waiting = pending.peek();
  // They are looked at as they are parsed: slice by slice.
  if (taken === null || waiting === null) return null;
  return await classifier.preview([...taken, ...waiting]);
}

/** Holds what changes too many rows, slice by slice; what is written without looking counts as none. */
export function guardChanges(guard: ChangeGuard, decisions: readonly Decision[]): void {
  let net = 0;
  for (const { rows, outcome } of decisions) if (outcome !== "written") net += rows;
  guard.assert(net);
  guard.note(net);
}
