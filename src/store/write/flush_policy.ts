/**
 * When what has been gathered is committed, and how. Pure.
 *
 * ```text
 *  filling    full, or already in a file        → filling     commit, sorted by key
 *             quiet                             → draining    commit what was gathered
 *             slow                              → slowing     the same, and follow from then on
 *  draining   durable, the cursor written       → filling
 *  slowing    durable, the cursor written       → following
 *  following  rows                              → following   commit, compared, in the origin's order
 *             more than following keeps up with → filling     "behind"
 *             nothing                           → following   count, or wait
 *  any        a barrier waits                   → same        commit the rest, settle, run it
 *  closed     (abandoned, or failed)            → closed      run barriers, commit nothing
 * ```
 *
 * A stream is quiet when nothing arrived for 20 ms, and slow when little arrived in 250 ms. Commits
 * take their share of the machine: while one is made, nothing is known of the stream's pace.
 *
 * @module
 */

/** How the writer works at the moment. */
export type FlushState = "filling" | "draining" | "slowing" | "following" | "closed";

/** The writer's next step. */
export type FlushAction =
  /** Commit what is pending: as gathered, or compared and in the origin's order. */
  | { readonly kind: "commit"; readonly manner: "gathered" | "followed" }
  /** Wait until all that was sent is durable, and write the cursor. */
  | { readonly kind: "settle" }
  /** Run the barrier that waits. */
  | { readonly kind: "barrier" }
  /** Tell that readers are behind again. */
  | { readonly kind: "behind" }
  /** Count a page of rows. */
  | { readonly kind: "count" }
  /** Look again when something has happened, or after so long; null: only then. */
  | { readonly kind: "wait"; readonly waitMs: number | null };

/** The figures that the policy goes by. */
export interface FlushFigures {
  /** Rows and rejects that are pending. */
  readonly isEmpty: boolean;
  /** Rows that are pending. */
  readonly pendingRows: number;
  /** The pending window is full. */
  readonly isFull: boolean;
  /** The pending window keeps its rows packed: then it is large. */
  readonly isPacked: boolean;
  /** A part of the pending window is in a file. */
  readonly isSpilled: boolean;
  /** The pending window is one that a draining state began with. */
  readonly isGathered: boolean;
  /** All that was sent is durable, and the cursor says so. */
  readonly isSettled: boolean;
  readonly isBarrierWaiting: boolean;
  /** A count of the rows is under way. */
  readonly isCounting: boolean;
  /** Nothing arrived for so long, nor was anything committed. */
  readonly quietMs: number;
  /** Rows that arrived over the last {@linkcode FlushLimits.paceMs}; null before that has passed. */
  readonly recentRows: number | null;
}

/** The policy's bounds. */
export interface FlushLimits {
  /** A stream is quiet when nothing arrived for so long. */
  readonly quietMs: number;
  /**
   * The same where a large window fills: a busy machine lets an origin rest for longer, and half a
   * window costs as much as a whole one.
   */
  readonly packedQuietMs: number;
  /** Over so long a stream's pace is taken. */
  readonly paceMs: number;
  /** Rows in that time below which following keeps up easily. */
  readonly slowRows: number;
  /** Rows waiting behind a commit from which following would be slower than gathering. */
  readonly behindRows: number;
}

/** The bounds that the program uses. */
export const FLUSH_LIMITS: FlushLimits = {
  quietMs: 20,
  packedQuietMs: 200,
  paceMs: 250,
  slowRows: 2_500,
  behindRows: 10_000,
};

/** A state, and what to do in it. */
export interface FlushStep {
  readonly state: FlushState;
  readonly action: FlushAction;
}

const SETTLE: FlushAction = { kind: "settle" };
const BARRIER: FlushAction = { kind: "barrier" };
const COUNT: FlushAction = { kind: "count" };
const SLEEP: FlushAction = { kind: "wait", waitMs: null };
const GATHERED: FlushAction = { kind: "commit", manner: "gathered" };
const FOLLOWED: FlushAction = { kind: "commit", manner: "followed" };

/** The next state, and the step in it. */
export function nextFlush(
  state: FlushState,
  figures: FlushFigures,
  limits: FlushLimits = FLUSH_LIMITS,
): FlushStep {
  const step = (action: FlushAction, to: FlushState = state): FlushStep => ({ state: to, action });
  switch (state) {
    case "closed":
      return step(figures.isBarrierWaiting ? BARRIER : SLEEP);
    case "filling": {
      if (figures.isBarrierWaiting) return step(orBarrier(figures, GATHERED));
      if (figures.isFull || figures.isSpilled) return step(GATHERED);
      const { recentRows } = figures;
      if (recentRows !== null && recentRows < limits.slowRows) {
        return nextFlush("slowing", { ...figures, isGathered: true }, limits);
      }
      const quietMs = figures.isPacked ? limits.packedQuietMs : limits.quietMs;
      const isDone = figures.isEmpty && figures.isSettled;
      if (figures.quietMs < quietMs || isDone) {
        return step({ kind: "wait", waitMs: limits.quietMs });
      }
      return nextFlush("draining", { ...figures, isGathered: true }, limits);
    }
    case "draining":
    case "slowing": {
      if (figures.isGathered && !figures.isEmpty) return step(GATHERED);
      if (!figures.isSettled) return step(SETTLE);
      return state === "slowing"
        ? nextFlush("following", figures, limits)
        : step({ kind: "wait", waitMs: limits.quietMs }, "filling");
    }
    case "following":
      if (!figures.isEmpty) {
        const isBehind = figures.pendingRows >= limits.behindRows || figures.isPacked;
        return isBehind ? step({ kind: "behind" }, "filling") : step(FOLLOWED);
      }
      if (figures.isBarrierWaiting) return step(orBarrier(figures, FOLLOWED));
      if (!figures.isSettled) return step(SETTLE);
      return step(figures.isCounting ? COUNT : SLEEP);
  }
}

function orBarrier({ isEmpty, isSettled }: FlushFigures, rest: FlushAction): FlushAction {
  if (!isEmpty) return rest;
  return isSettled ? BARRIER : SETTLE;
}
