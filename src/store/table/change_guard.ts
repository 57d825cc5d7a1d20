/**
 * The guard of one table: keeps {@linkcode GuardState}, and refuses what is too much.
 *
 * @module
 */

import { LockstepError } from "../../protocol/errors.ts";
import type { Clock } from "../../base/clock.ts";
import {
  approved,
  complete,
  corrected,
  type GuardLimits,
  type GuardState,
  type HeldChange,
  noted,
  objection,
  settledAt,
} from "./guard.ts";

/** Changes were not committed: they are held until somebody approves them. */
export class HeldChangeError extends LockstepError {
  readonly change: HeldChange;

  constructor(change: HeldChange) {
    super(heldText(change), { kind: "held", retry: "slow", hint: GUARD_HINT });
    this.change = change;
  }
}

/** The next step where changes are held. */
export const GUARD_HINT = "approve them if the origin is right; else mend the origin";

/** What is held, in words. */
export function heldText({ why, net, of }: HeldChange): string {
  const what = net < 0 ? `remove ${-net} of ${of} rows` : `add ${net} rows to ${of}`;
  const limit = { shrink: "--shrink-limit", grow: "--grow-limit", few: "--min-rows" }[why];
  return `the origin's changes would ${what} within ten minutes: held by ${limit}, nothing is committed`;
}

export class ChangeGuard {
  readonly #limits: GuardLimits;
  readonly #clock: Clock;
  /** Null during the first fill. */
  #state: GuardState | null;

  /** @param settled rows when the table was last complete; null where it never was */
  constructor(limits: GuardLimits, clock: Clock, settled: number | null) {
    this.#limits = limits;
    this.#clock = clock;
    this.#state = settled === null ? null : settledAt(settled);
  }

  /** Whether deletions have to be compared, because it matters how many rows they remove. */
  get countsDeletions(): boolean {
    return this.#state !== null && (this.#limits.shrinkLimit < 1 || this.#limits.minRows > 0);
  }

  /** Whether all rows have to be compared, because it matters how many they add. */
  get countsAll(): boolean {
    return this.#state !== null && this.#limits.growLimit !== null;
  }

  /** Whether so many deletions, or rows, may be too many, so that a closer look is worth its cost. */
  isTight(deletions: number, rows: number): boolean {
    return this.#objection(-deletions) !== null ||
      (this.countsAll && this.#objection(rows) !== null);
  }

  /** Whether a net change is too great. */
  isTooMuch(change: number): boolean {
    return this.#objection(change) !== null;
  }

  /** @throws {HeldChangeError} where the net change is too great */
  assert(change: number): void {
    const held = this.#objection(change);
    if (held !== null) throw new HeldChangeError(held);
  }

  /** A net change is committed. */
  note(change: number): void {
    if (this.#state !== null) this.#state = noted(this.#state, change, this.#clock.monotonic());
  }

  /** The table is known to have so many rows. */
  correct(rows: number): void {
    if (this.#state !== null) this.#state = corrected(this.#state, rows);
  }

  /** The table is complete, for the first time or again. */
  complete(rows: number): void {
    this.#state = this.#state === null ? settledAt(rows) : complete(this.#state, rows);
  }

  /** Rows were changed in bulk, as was allowed. */
  reset(rows: number): void {
    if (this.#state !== null) this.#state = settledAt(rows);
  }

  /** Lets a net change pass. */
  allow(net: number): void {
    if (this.#state !== null) this.#state = approved(this.#state, net);
  }

  #objection(change: number): HeldChange | null {
    return this.#state === null
      ? null
      : objection(this.#state, this.#limits, change, this.#clock.monotonic());
  }
}
