/**
 * Options of an answer writer.
 *
 * @module
 */

import type { Order } from "../../protocol/cursor.ts";
import type { WindowLimits } from "./window_limits.ts";
import type { WindowCommitObserver } from "./window_commit.ts";

/** The listener to what the writer does. */
export interface AnswerWriterObserver extends WindowCommitObserver {
  quarantined(reason: string): void;
  /** The stream outran the commits: what readers see is behind again. */
  behind(): void;
}

/** Settings of an answer writer. */
export interface AnswerWriterOptions {
  readonly tombstoneTtlMs: number;
  /** Count the rows, where the count is an estimate, once caught up. */
  readonly count: boolean;
  /** True where rows are stored as something else than the origin's record. */
  readonly isTransformed: boolean;
  /** Begin by following: the table was up to date a moment ago. */
  readonly following: boolean;
  /** Whether the answer is one of several linked pages: the cursor moves with the last of them. */
  readonly isPage?: boolean;
  /** How much is gathered; for tests. */
  readonly limits?: WindowLimits;
  /** True of an order in the future, where the cursor must not stand; by default none is. */
  readonly isFuture?: (order: Order) => boolean;
  readonly observer: AnswerWriterObserver;
}
