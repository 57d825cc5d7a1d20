/**
 * What a commit changed, for those who follow.
 *
 * @module
 */

import type { Order } from "../../protocol/cursor.ts";
import type { JsonObject, Key } from "../../protocol/record.ts";

/** One row that a commit changed. */
export interface Change {
  /** Whether there is a row now. */
  readonly kind: "put" | "delete";
  /** Its key: a part for each key field. */
  readonly key: Key;
  /** The value of the order field. */
  readonly order: Order;
  /** The row as stored; for a deletion the tombstone as the origin sent it. */
  readonly value: JsonObject;
}

/** The changes of one atomic commit. */
export interface CommitEvent {
  /** The table's name. */
  readonly table: string;
  /** What changed, each key once. */
  readonly changes: readonly Change[];
  /** Everything up to here is stored: where to resume from. */
  readonly cursor: Order | null;
}
