/**
 * When the origin was last heard of.
 *
 * Of an origin that is itself a copy that is not when its answer or its rows arrive, but what it says
 * of itself: its age with the answer's headers, and from then on with its signs of life.
 *
 * @module
 */

import { ageMs, type Instant, instant, instantOf, timeOf } from "../base/age.ts";
import type { Clock } from "../base/clock.ts";
import { BeatReader } from "../protocol/beat.ts";

/** Signs of life within the time after which a copy is stale: one may be late, and one be lost. */
const BEATS_IN_TIME = 3;

/** Seconds between two signs of life of a feed without such a limit. */
const RELAXED_SECONDS = 15;

/** How often a feed is asked for signs of life, in seconds: a whole number from 1 to 15. */
export function beatSeconds(maxStalenessMs: number | undefined): number {
  const wish = Math.floor((maxStalenessMs ?? Infinity) / 1000 / BEATS_IN_TIME);
  return Math.min(RELAXED_SECONDS, Math.max(1, wish));
}

export class LastWord {
  readonly #clock: Clock;
  #at: Instant | null;
  /** Of an answer that tells its age; null of any other. */
  #beats: BeatReader | null = null;

  /** @param stored milliseconds since the Unix epoch, as an earlier process knew it; null for never */
  constructor(stored: number | null, clock: Clock) {
    this.#clock = clock;
    this.#at = stored === null ? null : instantOf(stored, clock);
  }

  /** As a time, in milliseconds since the Unix epoch; null for never. */
  get time(): number | null {
    return this.#at === null ? null : timeOf(this.#at, this.#clock);
  }

  /** Milliseconds since then; null for never. */
  get ageMs(): number | null {
    return this.#at === null ? null : ageMs(this.#at, this.#clock);
  }

  /**
   * An answer has begun.
   *
   * @param ageMs how old the copy is that answers; null where the origin is no copy
   */
  answered(ageMs: number | null): void {
    this.#beats = ageMs === null ? null : new BeatReader();
    if (ageMs !== null) this.#told(ageMs);
  }

  /** Bytes of the answer have come. */
  heard(chunk: Uint8Array): void {
    const age = this.#beats?.push(chunk) ?? null;
    if (age !== null) this.#told(age);
  }

  /** The origin gave a sign of life: of a copy's, its own age is what counts. */
  contact(): void {
    if (this.#beats === null) this.#at = instant(this.#clock);
  }

  #told(agoMs: number): void {
    // What was known of a later word, from another copy or before, stays known.
    if (agoMs < (this.ageMs ?? Infinity)) this.#at = instant(this.#clock, agoMs);
  }
}
