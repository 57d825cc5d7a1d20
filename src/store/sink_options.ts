/**
 * What a sink is made with.
 *
 * @module
 */

import type { Room } from "./room.ts";
import type { RunObserver } from "./run.ts";

/** Who is told what the sink does. */
export interface SinkObserver extends RunObserver {
  quarantined(reason: string): void;
  /** The stream outran the commits: what readers see is behind again. */
  behind(): void;
}

/** Settings of a sink. */
export interface SinkOptions {
  readonly tombstoneTtlMs: number;
  /** Count the rows, where the count is an estimate, once caught up. */
  readonly count: boolean;
  /** Whether rows are stored as something else than the origin's record. */
  readonly isTransformed: boolean;
  /** Begin by following: the table was up to date a moment ago. */
  readonly following: boolean;
  /** How much is gathered; for tests. */
  readonly room?: Room;
  readonly observer: SinkObserver;
}
