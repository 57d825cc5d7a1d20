/**
 * The guard: changes that would remove, or add, a great part of a table at once are more often a
 * fault at the origin than the truth, and are held before they are committed.
 *
 * ```text
 *  off ──the first fill is complete──▶ counting ──too much within ten minutes──▶ held, by whoever
 *                                         ▲                                      called; approved:
 *                                         └──the table is complete again──────── so much may pass
 * ```
 *
 * What is measured is net, against the count of ten minutes ago: a table that is replaced row by row
 * passes, and so does one that shrinks by and by.
 *
 * @module
 */

/** Changes within so long count together, in milliseconds. */
const SPAN_MS = 600_000;

/** Changes within so long are one entry, in milliseconds: the state holds 60 of them. */
const SLOT_MS = 10_000;

/** Fewer rows than these are never too many, or a table of two could not lose both. */
const FEW_ROWS = 3;

/** What bounds changes that nobody has approved. */
export interface GuardLimits {
  /** The part of the table that may be removed, 0 to 1. */
  readonly shrinkLimit: number;
  /** The part of the table that may be added; null for any. */
  readonly growLimit: number | null;
  /** Rows that have to remain. */
  readonly minRows: number;
}

/** Lets every change pass. */
export const NO_LIMITS: GuardLimits = { shrinkLimit: 1, growLimit: null, minRows: 0 };

/** Net changes within one slot. */
interface Slot {
  /** By the stopwatch, in milliseconds. */
  readonly at: number;
  readonly net: number;
}

/** What the guard knows of a table. */
export interface GuardState {
  /** Rows before the changes of the last ten minutes. */
  readonly settled: number;
  /** Oldest first. */
  readonly slots: readonly Slot[];
  /** Net changes within the span that may pass, where somebody has approved them; else null. */
  readonly allowed: number | null;
}

/** Changes that are too many. */
export interface HeldChange {
  readonly why: "shrink" | "grow" | "few";
  /** Rows that would be added within the span, less those that would be removed. */
  readonly net: number;
  /** Rows before. */
  readonly of: number;
}

/** The state of a table that has so many rows, and was complete. */
export function settledAt(rows: number): GuardState {
  return { settled: rows, slots: [], allowed: null };
}

function netOf({ slots }: GuardState): number {
  return slots.reduce((sum, { net }) => sum + net, 0);
}

/** What is older than the span counts as settled. */
function aged(state: GuardState, now: number): GuardState {
  const slots = state.slots.filter(({ at }) => now - at < SPAN_MS);
  if (slots.length === state.slots.length) return state;
  return { ...state, slots, settled: state.settled + netOf(state) - netOf({ ...state, slots }) };
}

/** What speaks against a further net change; null for nothing. */
export function objection(
  state: GuardState,
  { shrinkLimit, growLimit, minRows }: GuardLimits,
  change: number,
  now: number,
): HeldChange | null {
  if (change === 0) return null;
  const present = aged(state, now);
  const { settled, allowed } = present;
  const net = netOf(present) + change;
  const isAllowed = allowed !== null && Math.sign(net) === Math.sign(allowed) &&
    Math.abs(net) <= Math.abs(allowed);
  if (isAllowed) return null;
  const held = (why: HeldChange["why"]): HeldChange => ({ why, net, of: settled });
  if (change < 0 && -net >= FEW_ROWS && -net > settled * shrinkLimit) return held("shrink");
  if (change < 0 && settled + net < minRows) return held("few");
  const isGrowing = change > 0 && net >= FEW_ROWS && growLimit !== null;
  return isGrowing && net > settled * growLimit ? held("grow") : null;
}

/** The state after a net change. */
export function noted(state: GuardState, change: number, now: number): GuardState {
  const present = aged(state, now);
  if (change === 0) return present;
  const last = present.slots.at(-1);
  const slots = last !== undefined && now - last.at < SLOT_MS
    ? [...present.slots.slice(0, -1), { at: last.at, net: last.net + change }]
    : [...present.slots, { at: now, net: change }];
  return { ...present, slots };
}

/** The state where the table is known to have so many rows: whatever else was noted is wrong. */
export function corrected(state: GuardState, rows: number): GuardState {
  return { ...state, settled: rows - netOf(state) };
}

/** The state where so great a net change was approved. */
export function approved(state: GuardState, net: number): GuardState {
  return { ...state, allowed: net };
}

/** The state where the table is complete: what was approved has passed, and is no change any more. */
export function complete(state: GuardState, rows: number): GuardState {
  return state.allowed === null ? state : settledAt(rows);
}
