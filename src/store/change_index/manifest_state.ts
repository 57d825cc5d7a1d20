/**
 * The change index's memory besides its entries; pure.
 *
 * @module
 */

import { compareOrder, maxOrder, type Order } from "../../protocol/cursor.ts";

/** A sorted sequence of pages. */
export interface ChangeRun {
  readonly id: number;
  /** Pages 0 to `pages - 1`; what a crash has left behind them doesn't count. */
  readonly pages: number;
  readonly entries: number;
}

/** Deletions that expire at about the same time. */
export interface TombstoneGroup {
  /** When the first of them does: milliseconds since the Unix epoch. */
  readonly expiresAt: number;
  /** The greatest order among them. */
  readonly order: Order;
}

/** The value at `["lockstep", table, "change", "state"]`. */
export interface ChangeState {
  /** False while entries for the rows that were there before are still being made. */
  readonly complete: boolean;
  /**
   * Changes when followers can't learn of everything by asking from where they are: they start
   * over then.
   */
  readonly generation: string;
  /** Below this order a deletion may have been forgotten; null where none has. */
  readonly floor: Order | null;
  /** Deletions that are still remembered, oldest first. */
  readonly buried: readonly TombstoneGroup[];
  /**
   * The greatest cursor before it was taken back, by a resync that has not ended or by an origin
   * that is out of order: followers may have come so far.
   */
  readonly served: Order | null;
  /** Something has changed since that such followers believe to have. */
  readonly retold: boolean;
  /**
   * How far those may have come who have to start over because of it; null where none has, and
   * absent in a state of before this was kept.
   */
  readonly past?: Order | null;
  readonly runs: readonly ChangeRun[];
  readonly nextRun: number;
  /** Entries that counted when all of them were last looked at. */
  readonly valid: number;
}

/** How many steps the time until deletions are forgotten is divided into. */
const STEPS = 16;

/** Serialised size of the state at most. */
export function stateBytes({ runs, buried }: ChangeState): number {
  return 8_192 + runs.length * 64 + buried.length * 1_152;
}

/** A state without entries. */
export function emptyState(complete: boolean): ChangeState {
  return {
    complete,
    generation: crypto.randomUUID(),
    floor: null,
    buried: [],
    served: null,
    retold: false,
    runs: [],
    nextRun: 0,
    valid: 0,
  };
}

/** The order below which a deletion may have been forgotten. */
export function floorOf({ floor, buried }: ChangeState, now: number): Order | null {
  let order = floor;
  for (const group of buried) {
    if (group.expiresAt <= now) order = maxOrder(order, group.order);
  }
  return order;
}

/** The state after deletions that are remembered for `ttlMs`. */
export function withTombstones(
  state: ChangeState,
  { order, expiresAt }: TombstoneGroup,
  now: number,
  ttlMs: number,
): ChangeState {
  const floor = floorOf(state, now);
  const buried = state.buried.filter((group) => group.expiresAt > now);
  const last = buried.at(-1);
  if (
    last !== undefined && expiresAt >= last.expiresAt && expiresAt < last.expiresAt + ttlMs / STEPS
  ) {
    buried[buried.length - 1] = { ...last, order: maxOrder(last.order, order) };
  } else {
    buried.push({ expiresAt, order });
  }
  return { ...state, floor, buried };
}

/** The state where those who came as far as `served` have to start over. */
function renewed(state: ChangeState): ChangeState {
  const past = maxOrder(state.past ?? null, state.served);
  return { ...state, generation: crypto.randomUUID(), past, served: null, retold: false };
}

/** The state after a change that who came as far as `served` can't learn of by asking from there. */
export function retell(state: ChangeState): ChangeState {
  const floor = maxOrder(state.floor, state.served);
  return { ...renewed(state), floor };
}

/** The state when a resync begins from `0`; `cursor` is how far the table was. */
export function resyncBegins(state: ChangeState, cursor: Order | null): ChangeState {
  return { ...state, served: maxOrder(state.served, cursor) };
}

/** The state when a resync has ended at `cursor`. */
export function resyncEnds(state: ChangeState, cursor: Order | null): ChangeState {
  const { served, retold } = state;
  const isRewound = served !== null && (cursor === null || compareOrder(cursor, served) < 0);
  if (!retold && !isRewound) return { ...state, served: null };
  // A follower behind the old cursor misses what the resync has found below it.
  const floor = isRewound ? cursor : served;
  const buried = isRewound
    ? state.buried.map((group) =>
      cursor === null || compareOrder(group.order, cursor) <= 0
        ? group
        : { ...group, order: cursor }
    )
    : state.buried;
  return { ...renewed(state), floor, buried };
}
