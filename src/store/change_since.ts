/**
 * All changes from an order on, for those who follow by other means than the feed.
 *
 * @module
 */

import { compareOrder, type Order } from "../protocol/cursor.ts";
import type { Change } from "./change.ts";
import type { ChangePlace } from "./change_entry.ts";
import type { ChangeIndex } from "./change_index.ts";
import { type ChangeSource, lookUpChanges, type LookupPace } from "./change_lookup.ts";
import type { PageHints } from "./change_reader.ts";

/** Rows looked up together. */
const GROUP_ROWS = 64;

/**
 * Rows and deletions at or after `since`, up to `to`, sorted by order; null where the index is not
 * complete, or deletions since then may be forgotten.
 */
export function changesSince(
  index: ChangeIndex,
  source: ChangeSource,
  since: Order,
  to: Order | null,
): AsyncIterable<Change> | null {
  const { floor } = index;
  if (!index.complete || to === null) return null;
  if (floor !== null && compareOrder(since, floor) < 0) return null;
  return changesBetween(index, source, { order: since, key: null }, to);
}

async function* changesBetween(
  index: ChangeIndex,
  source: ChangeSource,
  from: ChangePlace,
  to: Order,
): AsyncGenerator<Change> {
  const hints: PageHints = new Map();
  const pace: LookupPace = { misses: 0 };
  let place = from;
  for (;;) {
    const { entries, done } = await index.read(place, to, hints);
    for (let at = 0; at < entries.length; at += GROUP_ROWS) {
      const group = entries.slice(at, at + GROUP_ROWS);
      for (const change of await lookUpChanges(source, group, () => true, pace)) {
        if (change !== null) yield change;
      }
    }
    place = entries.at(-1) ?? place;
    if (done) return;
  }
}
