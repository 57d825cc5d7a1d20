/**
 * The change index read back as changes, sorted by order.
 *
 * @module
 */

import { compareOrder, type Order } from "../../protocol/cursor.ts";
import { LockstepError } from "../../protocol/errors.ts";
import type { Change } from "../read/change.ts";
import type { ChangeEntry, ChangePlace } from "./entry.ts";
import type { ChangeIndex } from "./index.ts";
import { type ChangeSource, lookUpChanges, type LookupPace } from "./resolve_rows.ts";
import type { PageHints } from "./merge_iterator.ts";

/** Rows looked up together, unless the reader says otherwise. */
const GROUP_ROWS = 64;

/** A part of the index's order. */
export interface ChangeRange {
  /** From where; null from the beginning. */
  readonly from: ChangePlace | null;
  /** Up to this order, inclusive. */
  readonly to: Order;
  /** Without deletions, but for one at `to` itself: it shows that the end was reached. */
  readonly rowsOnly: boolean;
}

/** A part of a range. */
export interface ChangePart {
  readonly changes: readonly Change[];
  /** The beginning of the next one. */
  readonly place: ChangePlace;
}

/** One reader on its way through the index, and what it has learnt of the table. */
export class ChangesSince {
  /** How many rows to look up together. */
  rows = GROUP_ROWS;
  readonly #index: ChangeIndex;
  readonly #source: ChangeSource;
  readonly #hints: PageHints = new Map();
  readonly #pace: LookupPace = { misses: 0 };
  readonly #floor: Order | null;

  constructor(index: ChangeIndex, source: ChangeSource) {
    this.#index = index;
    this.#source = source;
    this.#floor = index.floor;
  }

  /**
   * The changes of a range. The next range of the same reader begins where this one was left.
   *
   * @throws {LockstepError} `gone` where deletions were forgotten before they were read
   */
  async *parts({ from, to, rowsOnly }: ChangeRange): AsyncGenerator<ChangePart> {
    const wanted = (entry: ChangeEntry) => !rowsOnly || compareOrder(entry.order, to) === 0;
    let place = from;
    for (;;) {
      const { entries, done } = await this.#index.read(place, to, this.#hints);
      for (let at = 0; at < entries.length;) {
        const group = entries.slice(at, at + this.rows);
        at += group.length;
        const changes = await lookUpChanges(this.#source, group, wanted, this.#pace);
        if (!rowsOnly && place !== null) this.#checkFloor(place.order);
        const last = group.at(-1);
        if (last === undefined) break;
        place = last;
        yield { changes: changes.filter((change) => change !== null), place };
      }
      if (done) return;
    }
  }

  /** Entries of this order or a later one have just been read: it may have been too late. */
  #checkFloor(order: Order): void {
    const { floor } = this.#index;
    if (floor === null || compareOrder(order, floor) >= 0) return;
    if (this.#floor !== null && compareOrder(floor, this.#floor) <= 0) return;
    throw new LockstepError("deletions were forgotten while they were being read", {
      kind: "gone",
      retry: "resync",
      hint: "ask again",
    });
  }
}

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
  if (!index.complete || to === null || !index.reachesBackTo(since, null)) return null;
  return changesBetween(index, source, { from: { order: since, key: null }, to, rowsOnly: false });
}

async function* changesBetween(
  index: ChangeIndex,
  source: ChangeSource,
  range: ChangeRange,
): AsyncGenerator<Change> {
  for await (const { changes } of new ChangesSince(index, source).parts(range)) yield* changes;
}
