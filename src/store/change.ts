/**
 * What a commit changed, for those who follow.
 *
 * @module
 */

import type { Order } from "../protocol/cursor.ts";
import type { JsonObject, Key } from "../protocol/record.ts";

/** One row that a commit changed. */
export interface Change {
  readonly kind: "put" | "delete";
  readonly key: Key;
  readonly order: Order;
  /** The row as stored; for a deletion the tombstone as the origin sent it. */
  readonly value: JsonObject;
}

/** The changes of one atomic commit. */
export interface CommitEvent {
  readonly table: string;
  readonly changes: readonly Change[];
  /** Everything up to here is stored: where to resume from. */
  readonly cursor: Order | null;
}
