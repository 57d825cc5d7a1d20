/**
 * How old something is, by two clocks that each lie in their own way: the wall clock steps, and the
 * stopwatch stands still while the machine is suspended. An age is the greater of what they say: a
 * copy may look older than it is for a while, and never fresher.
 *
 * @module
 */

import type { Clock } from "./clock.ts";

/** A moment by both clocks, in milliseconds. */
export interface Instant {
  readonly wall: number;
  readonly monotonic: number;
}

type Clocks = Pick<Clock, "now" | "monotonic">;

/** Two readings of the wall clock closer than this are one time: the clocks don't tick together. */
const TICK_MS = 1_000;

/** The moment that lies `agoMs` back. */
export function instant(clock: Clocks, agoMs = 0): Instant {
  return { wall: clock.now() - agoMs, monotonic: clock.monotonic() - agoMs };
}

/** A stored time, of which the stopwatch knows only that it is no younger than its reading. */
export function instantOf(wall: number, clock: Clocks): Instant {
  return { wall, monotonic: clock.monotonic() };
}

/** Milliseconds since then: the greater of the two spans, never negative. */
export function ageMs(since: Instant, clock: Clocks): number {
  return Math.max(0, clock.now() - since.wall, clock.monotonic() - since.monotonic);
}

/**
 * The instant as a time by the wall clock as it goes now: that of its reading, unless the clock was
 * set back since; then as far back as the age says, to the second.
 */
export function timeOf(since: Instant, clock: Clocks): number {
  const byAge = clock.now() - ageMs(since, clock);
  return byAge > since.wall - TICK_MS ? since.wall : Math.floor(byAge / TICK_MS) * TICK_MS;
}
