/**
 * A pass: the requests from one cursor to a complete answer. Pure.
 *
 * ```text
 *  begun ──page, a link leads on──▶ linked ──page──▶ linked
 *    │                                │ the last of them: as one answer
 *    ▼                                ▼
 *  an answer's clean end ──brought nothing above, or reached the head──▶ complete
 *    │      │      └─nothing above, but full of one order─────────────▶ complete (tie page)
 *    │      └─ends below the head that it announced─▶ again after the pause, then failing
 *    └─brought something above
 *        ├─ at least a tenth of the longest ─▶ again at once
 *        └─ shorter ─▶ again after the pause; the third time: live, though it never pauses
 * ```
 *
 * - The length of an answer proves nothing: pages are cut by records, bytes, time, or by a filter
 *   behind the limit. Only an answer that brings no record above the greatest order of the pass is
 *   complete, whether or not the store changed.
 * - Linked pages (`Link: rel="next"`) are one answer. A row that is deleted meanwhile may shift others
 *   from one page to the one before, unread: so the next request asks from where this one did, and
 *   the cursor moves at the end of the pass only.
 * - A pass with an overlap begins before the cursor, and goes on from what it has brought: a page
 *   may be smaller than the overlap.
 * - A broken answer ends the pass: the next one begins at the cursor.
 *
 * @module
 */

import { compareOrder, maxOrder, type Order } from "../protocol/cursor.ts";

/** Records from which an answer may be a page that is full of one order. */
export const TIE_PAGE_ROWS = 50;

/** An answer below this part of the longest of its pass is a short one. */
const SHORT_PART = 1 / 10;

/** Short answers in a row after which the origin is known to go on and on. */
const MOST_SHORT = 3;

/** Answers that end, or stand still, below their own head before that is a failure. */
const MOST_BELOW_HEAD = 2;

/** Pages in a row without a record that are followed. */
const MOST_EMPTY_PAGES = 100;

/** How much the end of a pass proves. */
export type PassProof =
  /** Complete, and every byte of every answer is accounted for. */
  | "whole"
  /** Complete, but a body merely closed: a cut can't be told from an end. */
  | "unproved-end"
  /** All records of the last answer have one order: it may be a page of more of them. */
  | "tie-page"
  /** Every answer brings something new. */
  | "never-pauses"
  /** An answer that stays open and brings what is written now. */
  | "now"
  /** An answer that stays open and is quiet. */
  | "quiet";

/** How a pass came to its end: for the state, and for a resync. */
export interface PassEnd {
  /** Whether the origin was seen to have nothing more. */
  readonly complete: boolean;
  readonly proof: PassProof;
  /** What is to be said about it; null for nothing. */
  readonly reason: string | null;
  /** Where the pass began; null for the beginning. */
  readonly since: Order | null;
  /** Records that it brought, each as often as it came. */
  readonly records: number;
  /** What it brought that couldn't be read. */
  readonly unreadable: number;
  /** The greatest order that it brought; null for none. */
  readonly greatest: Order | null;
  /** Pages were reached by links: rows between two of them may have moved. */
  readonly isLinked: boolean;
  /** Records of the longest answer. */
  readonly longest: number;
}

/** The requests since the cursor of the pass; made by {@linkcode beginPass}. */
export interface Pass {
  /** Where it began; null for the beginning. */
  readonly since: Order | null;
  /** What it has brought so far, or where it began: the next request asks from here. */
  readonly greatest: Order | null;
  readonly records: number;
  readonly unreadable: number;
  /** The greatest order that it brought. */
  readonly newest: Order | null;
  readonly longest: number;
  /** The longest answer of the pass before: an origin that sends so many doesn't stop at fewer. */
  readonly longestBefore: number;
  /** Short answers in a row, each after a pause. */
  readonly short: number;
  /** Answers in a row that were asked for without a pause. */
  readonly atOnce: number;
  /** Records of the last answer. */
  readonly last: number;
  /** Answers so far; linked pages are one. */
  readonly answers: number;
  /** Answers in a row that ended, or stood still, below their head without bringing anything. */
  readonly belowHead: number;
  /** Whether every byte so far is accounted for. */
  readonly isProved: boolean;
  readonly isLinked: boolean;
  /** The linked pages of the answer under way; null between answers. */
  readonly pages: LinkedPages | null;
  /** Quiet answers that stayed open and were not believed. */
  readonly guesses: number;
}

/** Linked pages that are one answer. */
interface LinkedPages {
  readonly records: number;
  readonly newest: Order | null;
  readonly least: Order | null;
  /** Pages in a row without a record. */
  readonly empty: number;
}

/** What is known of an answer that came to a clean end. */
export interface EndedAnswer {
  /** The order asked for: at the greatest of the pass, or before it; null for the beginning. */
  readonly since: Order | null;
  /** Usable records. */
  readonly records: number;
  readonly unreadable: number;
  /** The greatest and the least order, without those of the future; null without records. */
  readonly newest: Order | null;
  readonly least: Order | null;
  /** Whether every byte of it is accounted for. */
  readonly isEndProved: boolean;
  /** Where it stands to the head that it announced; null where it announced none. */
  readonly head: "below" | "at" | "above" | null;
  /** Whether it is a 304 or 204: nothing new. */
  readonly isNothingNew: boolean;
  /** Whether a link leads on to a next page. */
  readonly hasNext: boolean;
}

/** What is to be done after an answer. */
export type PassStep =
  /** Follow the link. */
  | { readonly next: "page"; readonly pass: Pass }
  /** Ask from {@linkcode Pass.greatest}, with or without a pause. */
  | { readonly next: "again"; readonly pauses: boolean; readonly pass: Pass }
  /** The table is live: ask again after a pause. `pass` goes on where the end isn't complete. */
  | { readonly next: "end"; readonly end: PassEnd; readonly pass: Pass | null }
  /** The origin's own head contradicts its answers, or its links lead nowhere. */
  | { readonly next: "fail"; readonly why: "below-head" | "empty-pages" };

/**
 * A pass before its first request.
 *
 * @param since where it asks from: the cursor, or before it with an overlap; null for the beginning
 * @param longestBefore records of the longest answer of the pass before
 */
export function beginPass(since: Order | null, longestBefore = 0): Pass {
  return {
    since,
    greatest: since,
    records: 0,
    unreadable: 0,
    newest: null,
    longest: 0,
    // A pass from the beginning may be what rows are removed by: it counts on itself alone.
    longestBefore: since === null ? 0 : longestBefore,
    short: 0,
    atOnce: 0,
    last: 0,
    answers: 0,
    belowHead: 0,
    isProved: true,
    isLinked: false,
    pages: null,
    guesses: 0,
  };
}

function isAbove(order: Order | null, other: Order | null): boolean {
  return order !== null && (other === null || compareOrder(order, other) > 0);
}

/** How a pass ends, by what it has brought. */
export function passEnd(pass: Pass, proof: PassProof): PassEnd {
  const { since, records, unreadable, newest, isLinked, longest } = pass;
  const reason = proof === "tie-page"
    ? `the origin answers ${longest} rows of one order, again and again: if that is its page size, ` +
      "rows behind them never come; let it send larger pages, or finer orders"
    : proof === "never-pauses"
    ? "the origin never pauses: every answer brings something new, so that none is known to be complete"
    : null;
  const complete = proof !== "never-pauses" && proof !== "quiet" && proof !== "now";
  return {
    complete,
    proof,
    reason,
    since,
    records,
    unreadable,
    greatest: newest,
    isLinked,
    longest,
  };
}

/** Joins an answer, or the last of its linked pages, to the pass. */
function joined(pass: Pass, answer: EndedAnswer, pages: LinkedPages): Pass {
  return {
    ...pass,
    // What linked pages have brought is asked for once more.
    greatest: pass.isLinked
      ? maxOrder(pass.greatest, pass.newest)
      : maxOrder(pass.greatest, pages.newest),
    records: pass.records + answer.records,
    unreadable: pass.unreadable + answer.unreadable,
    newest: maxOrder(pass.newest, pages.newest),
    longest: Math.max(pass.longest, pages.records),
    isProved: pass.isProved && answer.isEndProved,
    last: pages.records,
    answers: pass.answers + 1,
    pages: null,
  };
}

/** What follows from an answer's clean end. */
export function answered(pass: Pass, answer: EndedAnswer): PassStep {
  const least = pass.pages === null || answer.least === null ||
      (pass.pages.least !== null && compareOrder(pass.pages.least, answer.least) < 0)
    ? pass.pages?.least ?? answer.least
    : answer.least;
  const pages: LinkedPages = {
    records: (pass.pages?.records ?? 0) + answer.records,
    newest: maxOrder(pass.pages?.newest ?? null, answer.newest),
    least,
    empty: answer.records > 0 ? 0 : (pass.pages?.empty ?? 0) + 1,
  };
  if (answer.hasNext) {
    if (pages.empty > MOST_EMPTY_PAGES) return { next: "fail", why: "empty-pages" };
    const { records, unreadable, isEndProved } = answer;
    const isProved = pass.isProved && isEndProved;
    return {
      next: "page",
      pass: {
        ...pass,
        records: pass.records + records,
        unreadable: pass.unreadable + unreadable,
        isProved,
        isLinked: true,
        pages,
      },
    };
  }
  const whole = joined(pass, answer, pages);
  if (answer.isNothingNew) return ended(whole);
  const broughtMore = isFurther(pass, pages.newest);
  const longest = Math.max(whole.longest, whole.longestBefore);
  const isFull = pages.records >= TIE_PAGE_ROWS && pages.records >= longest;
  if (answer.head === "below" && !broughtMore) return belowHead(pass);
  // At the head itself a full page may have been cut among records of one order.
  const isAtHead = answer.head === "above" || (answer.head === "at" && !isFull);
  if (isAtHead) return ended(whole);
  if (!broughtMore) {
    const isTied = isFull && pass.pages === null &&
      (answer.since === null || pages.least === null ||
        compareOrder(pages.least, answer.since) >= 0);
    return isTied ? ended(whole, "tie-page") : ended(whole);
  }
  return goOn(whole, pages.records);
}

function ended(pass: Pass, proof?: PassProof): PassStep {
  const end = passEnd(pass, proof ?? (pass.isProved ? "whole" : "unproved-end"));
  return { next: "end", end, pass: null };
}

/** An answer brought something new: there may be more. */
function goOn(whole: Pass, records: number): PassStep {
  if (records >= whole.longest * SHORT_PART) {
    // What gathered in a pause says nothing of a backlog: only one that was asked for at once does.
    const short = whole.atOnce > 0 ? 0 : whole.short;
    const pass = { ...whole, short, belowHead: 0, atOnce: whole.atOnce + 1 };
    return { next: "again", pauses: false, pass };
  }
  const pass = { ...whole, short: whole.short + 1, belowHead: 0, atOnce: 0 };
  if (pass.short < MOST_SHORT) return { next: "again", pauses: true, pass };
  return { next: "end", end: passEnd(pass, "never-pauses"), pass };
}

/** An answer has ended, or stands still, below the head that it announced. */
export function belowHead(pass: Pass): PassStep {
  const below = pass.belowHead + 1;
  if (below >= MOST_BELOW_HEAD) return { next: "fail", why: "below-head" };
  return { next: "again", pauses: true, pass: { ...pass, belowHead: below, pages: null } };
}

/** What an answer that stays open has brought so far. */
export interface OpenedAnswer {
  readonly records: number;
  readonly unreadable: number;
  readonly newest: Order | null;
  /** Whether it came in order: else what is below its greatest order may still come. */
  readonly isSorted: boolean;
}

/** The pass with what an answer that stays open has brought so far. */
export function opened(pass: Pass, answer: OpenedAnswer): Pass {
  const { newest } = answer;
  return {
    ...pass,
    greatest: answer.isSorted ? maxOrder(pass.greatest, newest) : pass.greatest,
    newest: maxOrder(pass.newest, newest),
    records: pass.records + answer.records,
    unreadable: pass.unreadable + answer.unreadable,
    belowHead: isFurther(pass, newest) ? 0 : pass.belowHead,
    answers: pass.answers + 1,
  };
}

/** Whether an order is above all that the pass has brought, and above where it began. */
function isFurther(pass: Pass, newest: Order | null): boolean {
  return isAbove(newest, maxOrder(pass.greatest, pass.newest));
}

/**
 * An answer that stays open is quiet. That is a guess: where something depends on it, the endpoint
 * is asked once more, and believed only if that answer is quiet, too, with nothing above.
 *
 * @returns the pass to ask again with; null where the guess is believed
 */
export function doubted(pass: Pass, answer: OpenedAnswer): Pass | null {
  if (pass.guesses > 0 && !isFurther(pass, answer.newest)) return null;
  return { ...opened(pass, answer), guesses: pass.guesses + 1 };
}
