/**
 * What the feed asks of the program that it is part of. A `Replicator` and its `Replica`s fulfil
 * these shapes.
 *
 * @module
 */

import type { TableOrders } from "../protocol/orders.ts";
import type { RecordShape } from "../protocol/record.ts";
import type { FeedState } from "../replica/feed_state.ts";
import type { CommitEvent } from "../store/read/change.ts";
import type { ChangeIndex } from "../store/change_index/index.ts";

/** One table. */
export interface FeedTable {
  readonly table: string;
  readonly shape: RecordShape;
  /** How its orders compare, and how they are written. */
  readonly orders: Pick<TableOrders, "type" | "textOf">;
  /** Null where none is kept: the table has no feed. */
  readonly index: ChangeIndex | null;
  /** The connection that rows are read with. */
  readonly kv: Deno.Kv;
  feedState(): FeedState;
  /** Calls the listener after each commit that changed something. */
  subscribe(listener: (event: CommitEvent) => void): () => void;
  /** Calls the listener whenever the cursor or the state may have changed. */
  onProgress(listener: () => void): () => void;
}

/** The process. */
export interface FeedHost {
  readonly tables: ReadonlyMap<string, FeedTable>;
}
