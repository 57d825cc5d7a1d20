/**
 * Why a sweep is held, and what to do, in words.
 *
 * @module
 */

import type { ResyncHeld } from "../store/kv/stored_values.ts";

/** The next step where a sweep is held. */
export const HELD_HINT = "approve the removal if the origin is right; else mend it and resync";

/** Why a sweep is held, in words. */
export function heldBecause(
  { why, wouldRemove, of }: Pick<ResyncHeld, "why" | "wouldRemove" | "of">,
) {
  const rows = `the origin's answer lacks ${wouldRemove} of ${of} rows`;
  switch (why) {
    case "empty":
      return `${rows}: it is empty`;
    case "unproven":
      return `${rows}, and its end isn't proved: it may have been cut off`;
    case "unreadable":
      return `${rows}, but holds records that can't be read, which they may be`;
    case "few":
      return `${rows}: fewer than --min-rows would be left`;
    case "unsaved":
      return `${rows}, which can't be written beside the store before they are removed`;
    default:
      return rows;
  }
}
