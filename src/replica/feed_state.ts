/**
 * How far a table is, as its feed needs to know.
 *
 * @module
 */

import type { Order } from "../protocol/cursor.ts";

/** How far a table is, for its feed. */
export interface FeedState {
  /** Everything up to here is stored, and may be passed on; null before the first record. */
  readonly cursor: Order | null;
  /** The greatest order that may be stored: above the cursor, rows may still be on their way. */
  readonly high: Order | null;
  /** Whether that is all there is, as of the last contact with the origin. */
  readonly live: boolean;
  /** The origin's own head while the table catches up with it; null where it doesn't tell. */
  readonly originHead: Order | null;
  /** Milliseconds since the origin's last word; null for never. */
  readonly ageMs: number | null;
  /** Whether the origin is in touch: a copy of this one may count on it. */
  readonly isFresh: boolean;
  /** Whether the copy is too old to be read (`--expire`). */
  readonly isExpired: boolean;
}
