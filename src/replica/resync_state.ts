/**
 * A resync, from the wish for one to the sweep at its end. Pure.
 *
 * ```text
 *  none ──request──▶ wanted ──begun──▶ reading ──whole, small──▶ removing ──removed──▶ none
 *                     ▲  ▲                │ │ │                      │ │
 *                     │  └──cut, so far───┘ │ └──large, empty, end   │ │
 *                     │                     │      not proven        │ │
 *                     │                third cut        │            │ │
 *                     │                     ▼           ▼            │ │
 *                     │            parts ──ended▶ none  held         │ │
 *                     ├──approved───────────────────────┘            │ │
 *                     ├──removed, but rows lie above the chain───────┘ │
 *                     └──cut (the process ended)───────────────────────┘
 * ```
 *
 * - A chain is the requests from the beginning to a complete answer. What was seen belongs to one
 *   chain that nothing has cut, never to its last answer: a cut one begins again.
 * - Rows whose stored order lies above all that the chain has brought may be what a lagging
 *   replica, or a restored backup, doesn't have: they go only when a second chain lacks them too. So
 *   do rows that may have moved between pages by offset, which a link leads from one to the next.
 * - After the third cut the rest is compared from the cursor on, and nothing is removed.
 * - A chain whose end wasn't proved goes on while its sweep is held, and is judged anew by a proof.
 * - An approval lets so many rows go as it was asked about, by what the origin says then: what it
 *   has sent since the sweep was held counts.
 * - A request starts everything over, whatever the state.
 *
 * @module
 */

import type { Order } from "../protocol/cursor.ts";
import type {
  HoldReason,
  ResyncHeld,
  ResyncMark,
  ResyncReading,
  ResyncWanted,
} from "../store/kv/stored_values.ts";

/** Chains that may be cut; after the last of them the rest is compared in parts. */
export const MOST_CUTS = 3;

/** What a whole chain lacks of the table. */
export interface Missing {
  /** Rows that it lacks, at or below its greatest order, or in no order that compares with it. */
  readonly certain: number;
  /** Rows that it lacks, but can't be sure of: above its greatest order; in a second chain, none. */
  readonly late: number;
  /** Rows in the table. */
  readonly of: number;
}

/** What a whole chain was. */
export interface WholeChain {
  readonly missing: Missing;
  /** Whether every byte of its end is accounted for, and the origin has no more. */
  readonly isProven: boolean;
  /** Records that it brought, those that can't be read included. */
  readonly records: number;
  /** Records that couldn't be read, each of which may be one that the table has. */
  readonly unreadable: number;
  readonly greatest: Order | null;
}

/** What bounds a sweep that nobody has approved. */
export interface SweepLimits {
  /** The part of the table that may be removed, 0 to 1. */
  readonly shrinkLimit: number;
  /** Rows that have to remain. */
  readonly minRows: number;
}

/** What happens to a resync. */
export type ResyncEvent =
  | { readonly is: "request"; readonly reason: string }
  /** The origin answers from the beginning; `before` is the cursor until then. */
  | { readonly is: "begun"; readonly began: string; readonly before: Order | null }
  /** The chain broke off, or the process ended. */
  | { readonly is: "cut" }
  /** The origin has nothing more. */
  | { readonly is: "ended"; readonly chain: WholeChain; readonly limits: SweepLimits }
  | { readonly is: "approved" }
  /** What there was to remove is gone. */
  | { readonly is: "removed" }
  /** The rows can't be written aside: none is removed. */
  | { readonly is: "unsaved" };

/** Why a sweep may not go on unasked; null where it may. */
export function holdReason(
  { missing, isProven, records, unreadable }: WholeChain,
  { shrinkLimit, minRows }: SweepLimits,
  allowed: number | null,
): HoldReason | null {
  const { certain, late, of } = missing;
  const gone = certain + late;
  if (gone === 0 || (allowed !== null && gone <= allowed)) return null;
  if (records === 0) return "empty";
  if (!isProven) return "unproven";
  if (gone >= of || gone > of * shrinkLimit) return "large";
  if (of - gone < minRows) return "few";
  return unreadable > 0 ? "unreadable" : null;
}

function wanted(reason: string, more: Partial<ResyncWanted> = {}): ResyncWanted {
  return { phase: "wanted", reason, cuts: 0, chain: 1, allowed: null, ...more };
}

/** What becomes of a chain that has come to its end. */
function judged(
  { reason, began }: ResyncReading | ResyncHeld,
  { chain, limits }: Extract<ResyncEvent, { readonly is: "ended" }>,
  allowed: number | null,
): ResyncMark {
  const { greatest, missing: { certain, late, of } } = chain;
  const why = holdReason(chain, limits, allowed);
  return why === null
    ? { phase: "removing", reason, began, wouldRemove: certain, of, late, greatest }
    : { phase: "held", reason, began, why, wouldRemove: certain + late, of, greatest };
}

/** The state that follows; null for no resync. What can't happen in a state changes nothing. */
export function nextResync(mark: ResyncMark | null, event: ResyncEvent): ResyncMark | null {
  if (event.is === "request") return wanted(event.reason);
  switch (mark?.phase) {
    case "wanted": {
      if (event.is !== "begun") return mark;
      const { began, before } = event;
      return { ...mark, phase: "reading", began, before };
    }
    case "reading": {
      const { reason, began, chain, allowed } = mark;
      if (event.is === "cut") {
        const cuts = mark.cuts + 1;
        return cuts < MOST_CUTS
          ? wanted(reason, { cuts, chain, allowed })
          : { phase: "parts", reason, began };
      }
      return event.is === "ended" ? judged(mark, event, allowed) : mark;
    }
    case "parts":
      return event.is === "ended" ? null : mark;
    case "held":
      // The chain goes on where only its end wasn't proved.
      if (event.is === "ended" && mark.why === "unproven") return judged(mark, event, null);
      return event.is === "approved" ? wanted(mark.reason, { allowed: mark.wouldRemove }) : mark;
    case "removing": {
      const { reason, began, wouldRemove, of, late, greatest } = mark;
      if (event.is === "removed") {
        return late > 0 ? wanted(reason, { chain: 2, allowed: late }) : null;
      }
      if (event.is === "cut") return wanted(reason, { allowed: wouldRemove + late });
      if (event.is !== "unsaved") return mark;
      return { phase: "held", reason, began, why: "unsaved", wouldRemove, of, greatest };
    }
    default:
      return null;
  }
}

/** The state as a store holds it, which an earlier version may have written. */
export function restoredResync(mark: ResyncMark | null): ResyncMark | null {
  if (mark === null) return null;
  // Of an earlier version's, the rows that it saw are marked in another way: it begins anew.
  if (mark.phase === "reading" && mark.cuts === undefined) return wanted(mark.reason);
  if (mark.phase === "removing" && mark.late === undefined) {
    return wanted(mark.reason, { allowed: mark.wouldRemove ?? null });
  }
  if (mark.phase === "held" && mark.why === undefined) {
    return { ...mark, why: "large", greatest: null };
  }
  return mark;
}
