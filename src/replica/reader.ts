/**
 * A table of a store, open for reading beside the process that writes it.
 *
 * @module
 */

import { systemClock } from "../base/clock.ts";
import { type Order, orderTime, type OrderType } from "../protocol/cursor.ts";
import { LockstepError } from "../protocol/errors.ts";
import type { Key, KeyPart } from "../protocol/record.ts";
import { type Holder, holderOf } from "../store/table/lease.ts";
import type { QuarantineEntry, Tombstone } from "../store/kv/stored_values.ts";
import { type ListOptions, type StoredRow, TableReader } from "../store/read/table_reader.ts";
import { openStore, type Store } from "../store/kv/open_store.ts";
import { type ChangesOptions, type FollowedChange, followTable } from "./changes.ts";

/** Which table {@linkcode openReplica} opens. */
export interface OpenReplicaOptions {
  /** The store: a file, or a folder with `replica.kv` in it. */
  readonly kv: string;
  /** A file with a remote store's access token; default the variable `DENO_KV_ACCESS_TOKEN`. */
  readonly kvTokenFile?: string;
  /** The table's name. */
  readonly table: string;
}

/** What a store says of a table, whether or not a process is writing it. */
export interface StoredStatus {
  /** The table's name. */
  readonly table: string;
  /** The origin's endpoint, without credentials. */
  readonly url: string;
  /** Live rows. */
  readonly rows: number;
  /** False while `rows` is an estimate. */
  readonly rowsExact: boolean;
  /** Everything up to here is stored, as the origin writes it; null before the first answer was complete. */
  readonly cursor: Order | null;
  /** The cursor as a time, where it is one; ISO-8601. */
  readonly cursorTime: string | null;
  /** How orders compare; null until that is known. */
  readonly orderType: OrderType | null;
  /** The origin's last sign of life that was written down; ISO-8601. */
  readonly lastContact: string | null;
  /** Seconds since then. */
  readonly ageSeconds: number | null;
  /** Records ever quarantined. */
  readonly quarantined: number;
  /** The process that writes the table, or was writing it when it died; null for none. */
  readonly writer: Holder | null;
}

/** How changes of another process's table are followed. */
export interface PolledChangesOptions extends ChangesOptions {
  /**
   * Milliseconds between two looks at the store; default 1,000. Each look that finds something
   * reads the whole table, so the pause grows with the table: to ten times as long as a look took.
   */
  readonly pollMs?: number;
}

/** A table that is read without being replicated: no lease, no origin. From {@linkcode openReplica}. */
export class ReplicaReader implements Disposable {
  /** The table's name. */
  readonly table: string;
  readonly #store: Store;
  readonly #reader: TableReader;
  readonly #closed = new AbortController();

  /** Use {@linkcode openReplica}. */
  constructor(store: Store, table: string) {
    this.table = table;
    this.#store = store;
    this.#reader = new TableReader(store.reader, table);
  }

  /**
   * One row, or null.
   *
   * @param key a part for each key field; of a single one, the bare value will do
   */
  get(key: Key | KeyPart): Promise<StoredRow | null> {
    return this.#reader.get(key);
  }

  /** Several rows, in the order asked for; null where there is none. */
  getMany(keys: readonly Key[]): Promise<(StoredRow | null)[]> {
    return this.#reader.getMany(keys);
  }

  /** Rows in key order. Pages are read as they are consumed; each is consistent in itself. */
  list(options?: ListOptions): AsyncGenerator<StoredRow> {
    return this.#reader.list(options);
  }

  /** The deletion of a key, while it is remembered. */
  tombstone(key: Key | KeyPart): Promise<Tombstone | null> {
    return this.#reader.tombstone(key);
  }

  /** What could not be stored, newest first. */
  quarantine(): AsyncGenerator<QuarantineEntry> {
    return this.#reader.quarantine();
  }

  /** What the store says of the table. */
  async status(): Promise<StoredStatus> {
    const meta = await this.#reader.meta();
    if (meta === null) throw missing(this.table, this.#store.path);
    const { rows, exact, cursor, lastContact, quarantined, origin } = meta;
    return {
      table: this.table,
      url: origin.url,
      rows,
      rowsExact: exact,
      cursor: typeof cursor === "string" ? meta.cursorText ?? cursor : cursor,
      orderType: meta.order?.type ?? null,
      cursorTime: cursor === null ? null : orderTime(cursor)?.toISOString() ?? null,
      lastContact: lastContact === null ? null : new Date(lastContact).toISOString(),
      ageSeconds: lastContact === null ? null : Math.max(0, systemClock.now() - lastContact) / 1000,
      quarantined,
      writer: await holderOf(this.#store.reader, this.table),
    };
  }

  /**
   * What the table holds from a cursor on, then its changes, by looking at the store now and then.
   * Ends when the signal aborts, or when the reader is closed.
   *
   * A key that changed several times between two looks is told once. Deletions are told as long as
   * they are remembered (the replicator's `tombstoneTtlMs`).
   *
   * @example
   * ```ts
   * import { openReplica, replicate } from "lockstep-replicate";
   *
   * const origin = Deno.serve(
   *   { port: 0, onListen: () => {} },
   *   () => Response.json({ id: 1, updated_at: 5, deleted_at: null }),
   * );
   * const kv = `${await Deno.makeTempDir()}/replica.kv`;
   * const url = `http://127.0.0.1:${origin.addr.port}/servers/`;
   * await using replicator = await replicate({ url, kv, once: true });
   * await replicator.done;
   *
   * using table = await openReplica({ kv, table: "servers" });
   * for await (const { kind, key, cursor } of table.changes({ since: 0 })) {
   *   console.log(kind, key, `go on from ${cursor}`); // put [ 1 ] go on from 5
   *   break;
   * }
   * await origin.shutdown();
   * ```
   */
  changes(options: PolledChangesOptions = {}): AsyncGenerator<FollowedChange, void, undefined> {
    const ended = this.#closed.signal;
    return followTable({ reader: this.#reader, clock: systemClock, ended }, options);
  }

  /** Closes the store. Safe to call twice. */
  close(): void {
    this.#closed.abort();
    this.#store.close();
  }

  /** Same as {@linkcode ReplicaReader.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

function missing(table: string, path: string): LockstepError {
  return new LockstepError(`the store ${path} has no table ${JSON.stringify(table)}`, {
    kind: "usage",
    retry: "never",
    hint: "name a table that is replicated to this store, or wait for its first records",
  });
}

/**
 * Opens a table for reading while another process, or this one, replicates it, or while none does.
 *
 * @throws {LockstepError} where there is no store, or no such table in it
 *
 * @example
 * ```ts
 * import { openReplica, replicate } from "lockstep-replicate";
 *
 * const origin = Deno.serve(
 *   { port: 0, onListen: () => {} },
 *   () => Response.json({ id: 123, updated_at: 999, deleted_at: null, ip: "192.0.2.1" }),
 * );
 * const kv = `${await Deno.makeTempDir()}/replica.kv`;
 * const url = `http://127.0.0.1:${origin.addr.port}/servers/`;
 * await using replicator = await replicate({ url, kv, once: true });
 * await replicator.done;
 *
 * using servers = await openReplica({ kv, table: "servers" });
 * const row = await servers.get(123);
 * console.assert(row?.value.ip === "192.0.2.1");
 * console.assert((await servers.status()).rows === 1);
 * await origin.shutdown();
 * ```
 */
export async function openReplica(
  { kv, kvTokenFile, table }: OpenReplicaOptions,
): Promise<ReplicaReader> {
  if (kv === ":memory:") {
    throw new LockstepError("a :memory: store can only be read by the replicator that made it", {
      kind: "usage",
      retry: "never",
      hint: "use replicator.tables.get(TABLE), or a file",
    });
  }
  const store = await openStore(kv, { readOnly: true, tokenFile: kvTokenFile });
  try {
    const reader = new ReplicaReader(store, table);
    await reader.status();
    return reader;
  } catch (error) {
    store.close();
    throw error;
  }
}
