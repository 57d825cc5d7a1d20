/**
 * What the status server asks of the program that it reports on. A `Replicator` and its `Replica`s
 * fulfil these shapes; tests bring their own.
 *
 * @module
 */

import type { Order } from "../protocol/cursor.ts";
import type { JsonObject, Key } from "../protocol/record.ts";
import type { DigestStatus } from "../replica/digest.ts";
import type { ProcessStatus, Sample, TableStatus } from "../replica/status.ts";
import type { EntryOptions, ListedEntry } from "../store/read/table_reader.ts";
import type { QuarantineEntry, TableMeta, Tombstone } from "../store/kv/stored_values.ts";

/** A stored record, whole: the parts of a large row are joined. */
export interface StoredRecord {
  readonly key: Key;
  readonly value: JsonObject;
  /** Changes with every write of the row: the record's entity tag. */
  readonly versionstamp: string;
}

/** The reading side of a table's store. */
export interface RecordReader {
  readonly table: string;
  get(key: Key): Promise<StoredRecord | null>;
  list(options?: { after?: Key; limit?: number }): AsyncIterable<StoredRecord>;
  /** The same with large rows named, and not read. */
  entries(options?: EntryOptions): AsyncIterable<ListedEntry>;
  /** A row without the bytes of a large one. */
  entry(key: Key): Promise<ListedEntry | null>;
  /** The id of the store: no other store has it. */
  storeId(): Promise<string | null>;
  tombstone(key: Key): Promise<Tombstone | null>;
  meta(): Promise<TableMeta | null>;
  quarantine(): AsyncIterable<QuarantineEntry>;
}

/** One record that a commit changed. */
export interface RecordChange {
  readonly kind: "put" | "delete";
  readonly key: Key;
  readonly order: Order;
  /** The record as stored (for `delete`: the tombstone record), where it is known. */
  readonly value: JsonObject | null;
}

/** What one commit changed, and the cursor after it. */
export interface TableCommit {
  readonly table: string;
  readonly changes: readonly RecordChange[];
  readonly cursor: Order | null;
}

/** One table, as the status server sees it. */
export interface TableHost {
  readonly table: string;
  readonly reader: RecordReader;
  status(): TableStatus;
  /** Oldest first, the last quarter of an hour; takes a new one where that is due. */
  samples(): readonly Sample[];
  requestResync(reason: string): void;
  /** False where nothing is held. */
  approveSweep(): boolean;
  /** Stops commits until they are released. */
  hold(): void;
  release(): void;
  /** Calls the listener after each commit, synchronously; returns how to stop that. */
  subscribe(listener: (commit: TableCommit) => void): () => void;
  /** The table's digest; null while it can't be told: ask again. */
  digest?(): DigestStatus | null;
  /** The sums of its buckets. */
  digestBuckets?(): Uint8Array<ArrayBuffer> | null;
  /**
   * Every change at or after an order, deletions included, oldest first: only where a change index
   * is kept, and null where it does not reach back so far.
   */
  changesSince?(since: Order): Promise<AsyncIterable<RecordChange> | null>;
}

/** The process, as the status server sees it. */
export interface HttpHost {
  status(): ProcessStatus;
  readonly tables: ReadonlyMap<string, TableHost>;
}
