/**
 * What the feed asks of the program that it is part of. A `Replicator` and its `Replica`s fulfil
 * these shapes.
 *
 * @module
 */

import type { Order } from "../protocol/cursor.ts";
import type { RecordShape } from "../protocol/record.ts";
import type { CommitEvent } from "../store/change.ts";
import type { ChangeIndex } from "../store/change_index.ts";

/** How far a table is. */
export interface FeedState {
  /** Everything up to here is stored, and may be passed on; null before the first record. */
  readonly cursor: Order | null;
  /** Whether that is all there is, as of the last contact with the origin. */
  readonly live: boolean;
  /** The origin's own head while the table catches up with it; null where it doesn't tell. */
  readonly originHead: Order | null;
}

/** One table. */
export interface FeedTable {
  readonly table: string;
  readonly shape: RecordShape;
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
