/**
 * When an answer that stays open has brought everything there was. Pure.
 *
 * ```text
 *  reading ──the announced head, and its last record of that order──▶ head
 *     │    ──a record that is written now, in order (no head announced)──▶ now
 *     │    ──a second of silence behind the first record,
 *     │      five behind the headers (no head, no half record)──▶ quiet, which is a guess
 *     │    ──30 s without a record, below the head──▶ stalled
 *     │    ──nothing but objects without key and order, in an empty table──▶ waiting
 *     └────  ──silence behind records of which none can be used, in an empty table──▶ unusable
 * ```
 *
 * A head that was announced is a fact: nothing else makes such an answer live. Blank lines, and
 * objects that count as such, are life and no record: they don't break a silence.
 *
 * @module
 */

/** Silence, after which an answer that has brought a record has brought everything. */
export const QUIET_MS = 1_000;

/** Silence behind the headers, after which an answer has nothing to bring. */
export const QUIET_FROM_START_MS = 5_000;

/** An answer that brings no record for so long, below its head, is held up on its way. */
export const STALLED_MS = 30_000;

/** `Date` headers have whole seconds: an order after the next one was written after the answer. */
const DATE_MS = 1_000;

/** How far the clock that made an order may be ahead of the one that made the `Date`. */
const AHEAD_MS = 2_000;

/** What is known of an answer that is open. Times are monotonic, in milliseconds. */
export interface OpenAnswer {
  readonly headersAt: number;
  /** When the last byte of a record came; null before. */
  readonly lastDataAt: number | null;
  /** When the origin last had to wait for us; null for never. */
  readonly blockedAt: number | null;
  /** Whether a record is begun and not whole yet. */
  readonly isPending: boolean;
  /** Where it stands to the head that it announced; null where it announced none. */
  readonly head: "below" | "reached" | null;
  /** Whether it has brought, in order, a record that was written since it began. */
  readonly isNow: boolean;
  /** Records that can be used. */
  readonly records: number;
  /** Records that can't. */
  readonly unusable: number;
  /** Objects with neither key nor order. */
  readonly foreign: number;
  /** Whether the table has rows. */
  readonly hasRows: boolean;
}

/** What is known then. */
export type Verdict = "reading" | "head" | "now" | "quiet" | "stalled" | "waiting" | "unusable";

/**
 * What is known of an answer at a time.
 *
 * @param patience how many times as long as usual a silence has to last, because shorter ones
 *   deceived
 */
export function judge(answer: OpenAnswer, nowMs: number, patience = 1): Verdict {
  const { headersAt, lastDataAt, blockedAt, head, records } = answer;
  if (head === "reached") return "head";
  const silenceMs = nowMs - Math.max(lastDataAt ?? headersAt, blockedAt ?? -Infinity);
  if (head === "below") return silenceMs >= STALLED_MS ? "stalled" : "reading";
  if (answer.isNow) return "now";
  const isUseless = records === 0 && !answer.hasRows;
  const isQuiet = !answer.isPending &&
    silenceMs >= (lastDataAt === null ? QUIET_FROM_START_MS : QUIET_MS * patience);
  if (isUseless && answer.unusable > 0) return isQuiet ? "unusable" : "reading";
  if (isUseless && answer.foreign > 0) return "waiting";
  return isQuiet ? "quiet" : "reading";
}

/**
 * Whether an order's time was written since the answer began: later than its `Date`, and no later
 * than the origin's clock can be by now. An order that is a counter, or in another time zone, isn't.
 *
 * @param instantMs the order as a time
 * @param dateMs when the origin answered, by its own clock
 * @param elapsedMs since the answer's headers
 */
export function isWrittenNow(instantMs: number, dateMs: number, elapsedMs: number): boolean {
  return instantMs > dateMs + DATE_MS && instantMs <= dateMs + elapsedMs + AHEAD_MS;
}
