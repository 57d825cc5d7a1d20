/**
 * A window's slices with what becomes of their rows. In a resync the next slice is looked up while
 * one is decided on: nearly all rows are the same, so that reading is all there is to do.
 *
 * @module
 */

import { compareOrder } from "../../protocol/cursor.ts";
import type { Row } from "../../protocol/record.ts";
import type { Decision, Stored } from "../read/last_writer_wins.ts";
import type { Classifier, WindowTraits } from "./classify.ts";

/** Rows, and what becomes of each. */
export interface DecidedSlice {
  readonly rows: readonly Row[];
  readonly decisions: readonly Decision[];
}

/** A slice that is being looked up, or will be when it is decided on. */
interface Waiting {
  readonly rows: Row[];
  readonly stored: Promise<(Stored | null)[]> | null;
}

export async function* decidedSlices(
  classifier: Classifier,
  slices: AsyncIterable<Row[]>,
  traits: WindowTraits,
): AsyncGenerator<DecidedSlice> {
  const decide = async ({ rows, stored }: Waiting): Promise<DecidedSlice> => {
    // Readers of a live table see a prefix of the origin's order.
    if (traits.isFollowed) rows.sort((a, b) => compareOrder(a.order, b.order));
    return { rows, decisions: await classifier.decide(rows, traits, stored) };
  };
  // No key is in two slices of a window: what is on its way of one says nothing of the other.
  const isAhead = classifier.comparesAll && !traits.isFollowed;
  let waiting: Waiting | null = null;
  for await (const rows of slices) {
    const stored = isAhead ? classifier.lookUp(rows) : null;
    stored?.catch(() => {
      // It is thrown where it is waited for; who has failed before doesn't wait.
    });
    if (waiting !== null) yield await decide(waiting);
    waiting = { rows, stored };
    if (isAhead) continue;
    yield await decide(waiting);
    waiting = null;
  }
  if (waiting !== null) yield await decide(waiting);
}
