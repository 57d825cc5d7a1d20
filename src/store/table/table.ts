/**
 * A table that this process writes: its lease, its cursor, and the commits of both.
 *
 * @module
 */

import type { Clock } from "../../base/clock.ts";
import type { Order } from "../../protocol/cursor.ts";
import { TableOrders } from "../../protocol/orders.ts";
import type { RecordShape } from "../../protocol/record.ts";
import { ChangeIndex } from "../change_index/index.ts";
import { dropEntries } from "../change_index/run.ts";
import type { OperationQueue } from "../kv/committer.ts";
import type { RowCounter } from "./row_counter.ts";
import { TableDigester } from "./table_digester.ts";
import { storeFault } from "../kv/store_error.ts";
import { changePrefix, changeStateKey, cursorKey, rowPrefix } from "../kv/keys.ts";
import { hasParts } from "../kv/large_rows.ts";
import { openQueue } from "./open_queue.ts";
import { assertReadable } from "./assert_readable.ts";
import { Lease, takenOver } from "./lease.ts";
import { RowParts } from "./row_parts.ts";
import { Unnotified } from "./unnotified.ts";
import { migrate } from "./order_migration.ts";
import type { ResyncMark, TableMeta } from "../kv/stored_values.ts";
import {
  type Admission,
  admitted,
  completed,
  contacted,
  recovered,
  resyncBegan,
  sameIdentity,
  withCursor,
} from "./table_state.ts";
import { retryWhileLocked } from "../kv/retry_locked.ts";
import { Operation } from "../kv/operation.ts";
import { SeenRejects } from "./quarantine.ts";
import type { Store } from "../kv/open_store.ts";
import { ChangeGuard } from "./change_guard.ts";
import { type GuardLimits, NO_LIMITS } from "./guard.ts";
import { History } from "./history.ts";
import type { SeenSet } from "./seen_set.ts";

/** Options of a table. */
export interface TableOptions extends Admission {
  readonly shape: RecordShape;
  readonly statusUrl: string | null;
  /** Wait for the table for as long as it takes, until this aborts; default: for one lease. */
  readonly standby?: AbortSignal | null;
  /** What bounds changes that nobody has approved; by default nothing does. */
  readonly guard?: GuardLimits;
  /** Keep a change index; without, one that is there is removed. */
  readonly feed?: boolean;
  readonly clock: Clock;
  /** Told of every commit: how long it took, in milliseconds. */
  readonly onCommit: (milliseconds: number) => void;
}

/** Serialised size of the cursor's value at most, for the limits. */
const META_BYTES = 12_288;

/** How far the commits that are durable have come. */
type Durable = Pick<TableMeta, "cursor" | "changes">;

/** One table of a store, open for writing. */
export class Table {
  readonly name: string;
  /** Its order type is the table's present one. */
  readonly shape: RecordShape;
  /** How orders compare, and how the origin writes them. */
  readonly orders: TableOrders;
  readonly store: Store;
  readonly clock: Clock;
  readonly committer: OperationQueue;
  rejects: SeenRejects;
  /** The count that is under way: it may go on over several answers. */
  counter: RowCounter | null = null;
  /** The table's digest, from the first wish for it on; null where nothing is known of it. */
  digester: TableDigester | null = null;
  /** The parts of large rows. */
  readonly parts: RowParts;
  /** Rows that nobody may have been notified of. */
  readonly unnotified: Unnotified;
  /** The keys that a resync's chain has brought; null while none is read. */
  seen: SeenSet | null = null;
  /** Changes of the table in bulk. */
  readonly history: History;
  /** Holds changes that are too many. */
  readonly guard: ChangeGuard;
  /** The change index; null where none is kept. */
  index: ChangeIndex | null = null;
  readonly #listeners: (() => void)[] = [];
  /** Removes an index that is kept no longer. */
  #dropping: { readonly stop: AbortController; readonly done: Promise<void> } | null = null;
  readonly #lease: Lease;
  #state: TableMeta;
  /** As of the commits that are durable. */
  #durable: Durable;

  private constructor(
    store: Store,
    options: TableOptions,
    lease: Lease,
    meta: TableMeta,
    rejects: SeenRejects,
    mayHaveParts: boolean,
    epoch: string | null,
  ) {
    this.name = options.table;
    this.orders = new TableOrders(meta.order ?? null, options.orderType);
    this.orders.remember(meta.cursor, meta.cursorText);
    this.orders.remember(meta.floor, meta.floorText);
    this.shape = this.orders.shapeOf(options.shape);
    this.store = store;
    this.clock = options.clock;
    this.#lease = lease;
    this.#state = meta;
    this.unnotified = new Unnotified(meta.high);
    this.parts = new RowParts(this, mayHaveParts);
    this.rejects = rejects;
    this.#durable = meta;
    this.history = new History(this);
    this.committer = openQueue(store, { ...options, epoch });
    this.guard = new ChangeGuard(options.guard ?? NO_LIMITS, options.clock, meta.settled ?? null);
  }

  /**
   * Takes the table's lease and reads its state; removes what a crash left of large rows.
   *
   * @throws {LockstepError} `lease-held`, `foreign-store`, or a store's failure
   */
  static async open(store: Store, options: TableOptions): Promise<Table> {
    const kv = store.writer;
    const name = options.table;
    let lease: Lease | null = null;
    try {
      // Refused before the lease is taken: a wrong option must not disturb a running holder.
      const before = await retryWhileLocked(() => kv.get<TableMeta>(cursorKey(name)));
      admitted(before.value, options, store.path);
      const { statusUrl, clock } = options;
      const { path, kind } = store;
      const { standby = null } = options;
      const held = await Lease.take({ kv, table: name, path, kind, statusUrl, clock, standby });
      lease = held;
      // Other processes may be setting up other tables of the file.
      return await retryWhileLocked(() => Table.#openHeld(store, options, held));
    } catch (error) {
      await lease?.release().catch(() => {});
      throw storeFault(store.path, error);
    }
  }

  static async #openHeld(store: Store, options: TableOptions, lease: Lease): Promise<Table> {
    const kv = store.writer;
    const name = options.table;
    const { value: stored, versionstamp } = await kv.get<TableMeta>(cursorKey(name));
    const found = admitted(stored, options, store.path);
    const isOld = stored !== null && stored.order === undefined;
    const { state: meta, isReordered } = isOld
      ? await migrate(kv, found, options)
      : { state: found, isReordered: false };
    const rejects = meta.quarantined > 0
      ? await SeenRejects.load(kv, name, options.shape)
      : new SeenRejects();
    const mayHaveParts = await hasParts(kv, name);
    const table = new Table(store, options, lease, meta, rejects, mayHaveParts, versionstamp);
    await table.parts.collect();
    await table.history.load();
    // Said at once: where nothing else is to be written, the next start would refuse the store.
    if (stored !== null && !sameIdentity(stored.origin, meta.origin, true)) await table.save();
    if (options.feed) {
      const isOther = isReordered ||
        (stored !== null && !sameIdentity(stored.origin, meta.origin, false));
      const isNew = stored === null && await table.isEmpty();
      table.index = await ChangeIndex.open(table, meta.high, isOther, isNew);
    } else await table.#dropIndex();
    return table;
  }

  /** The state as it will be written with the next operation. */
  get meta(): TableMeta {
    return this.#state;
  }

  /** Takes a state that `table_state.ts` has made of the present one. */
  become(state: TableMeta): void {
    this.#state = state;
  }

  /** Whether all that was written is durable, and the cursor says so: the two stand for each other. */
  get isSettled(): boolean {
    const { isIdle } = this.committer;
    return isIdle && !this.unnotified.isCommitting && this.cursor === this.#state.cursor;
  }

  /** The digest is wanted: it is made between commits, and kept from then on. */
  wantDigest(): TableDigester {
    return this.digester ??= new TableDigester(this.store.writer, this.name);
  }

  /** The greatest order up to which everything is durably stored. */
  get cursor(): Order | null {
    return this.#durable.cursor;
  }

  /** Rows ever changed, as of the commits that are durable and notified. */
  get changes(): number {
    return this.#durable.changes;
  }

  /** A new operation that fails if another process has taken the table. */
  operation(): Operation {
    return new Operation(this.store.writer, this.#lease.fence);
  }

  /** Adds the table's state to an operation, with the given cursor, right before it is submitted. */
  addState(operation: Operation, cursor: Order | null): void {
    this.index?.addState(operation);
    const state = withCursor(this.meta, cursor, this.orders);
    if (this.committer.isOrdered) return operation.set(cursorKey(this.name), state, META_BYTES);
    const id = crypto.randomUUID();
    operation.sign(id);
    operation.set(cursorKey(this.name), { ...state, operation: id }, META_BYTES);
  }

  /** A window's commits begin. */
  begin(): void {
    this.unnotified.begin(this.meta.high);
    this.index?.begin(this.meta.high);
  }

  /** Has a listener called whenever the durable cursor may have moved. */
  onProgress(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** To be called when an operation that the state was added to, with these, is durable. */
  onDurable(cursor: Order | null, changes: number): void {
    this.#durable = { cursor, changes };
    this.index?.onDurable();
    for (const listener of this.#listeners) listener();
  }

  /** Takes a state, the present one without, and writes it at once. Returns the versionstamp. */
  save(state: TableMeta = this.#state): Promise<string> {
    this.#state = state;
    return this.#save(() => {});
  }

  async #save(add: (operation: Operation) => void): Promise<string> {
    const { cursor, changes } = this.meta;
    const operation = this.operation();
    add(operation);
    this.addState(operation, cursor);
    let stamp = "";
    await this.committer.submit(operation, (versionstamp) => {
      stamp = versionstamp;
      this.onDurable(cursor, changes);
    });
    await this.committer.idle();
    return stamp;
  }

  /**
   * Begins a resync's chain: from here on the origin's word replaces what the chain has not brought.
   *
   * @param mark the resync's state, given the versionstamp of the commit that began it
   */
  async beginResync(
    mark: (began: string) => ResyncMark | null,
    generation: string | null,
  ): Promise<void> {
    const began = await this.save();
    this.index?.resyncBegins(this.meta.cursor);
    await this.save(resyncBegan(this.meta, mark(began), generation));
  }

  /** After a failed commit: forget what was on its way and read the state as it is stored. */
  async recover(): Promise<void> {
    await this.committer.reset();
    try {
      const { value } = await this.store.writer.get<TableMeta>(cursorKey(this.name));
      this.#state = recovered(this.meta, value, this.#durable.cursor);
      const { high } = this.meta;
      this.unnotified.failed(high);
      this.#durable = this.meta;
      this.counter = null;
      this.digester = null;
      // A reject that was noted as kept, but failed to be, is to be kept when it comes again.
      this.rejects = await SeenRejects.load(this.store.writer, this.name, this.shape);
      await this.index?.reload(high);
      await this.parts.collect();
    } catch (error) {
      throw storeFault(this.store.path, error);
    }
  }

  /** A sign of life for the lease, and the time of the last contact for readers. */
  async beat(lastContact: number | null): Promise<void> {
    const now = this.clock.now();
    if (lastContact !== null && lastContact !== this.meta.lastContact) {
      this.#state = contacted(this.meta, lastContact);
      // Readers in other processes want to know; a commit that is under way tells them anyway.
      if (this.committer.isIdle) {
        await this.#save((operation) => this.#lease.sign(operation, now));
        return;
      }
    }
    let isOurs: boolean;
    try {
      isOurs = await this.#lease.beat(now);
    } catch (error) {
      throw storeFault(this.store.path, error);
    }
    if (isOurs) return;
    throw takenOver(this.name);
  }

  /** Notes that the table is complete, once no resync leaves that open. */
  async completed(): Promise<void> {
    const { everComplete, resync } = this.meta;
    if (everComplete || resync !== null) return;
    this.#state = completed(this.meta);
    // What is under way is followed by another operation, or by a beat.
    if (this.committer.isIdle) await this.save();
  }

  /** What is written is what readers see, or else it throws; see {@linkcode assertReadable}. */
  assertReadable(): Promise<void> {
    return assertReadable(this.store, this.#lease);
  }

  /** Begins to remove a change index that is kept no longer. */
  async #dropIndex(): Promise<void> {
    const prefix = changePrefix(this.name);
    const [any] = await Array.fromAsync(this.store.writer.list({ prefix }, { limit: 1 }));
    if (any === undefined) return;
    // The state first: what is left of the entries then means nothing, also to the next start.
    const operation = this.operation();
    operation.delete(changeStateKey(this.name));
    await operation.commit();
    const stop = new AbortController();
    const done = dropEntries(this, stop.signal).catch(() => {
      // The next start goes on.
    });
    this.#dropping = { stop, done };
  }

  /** True where the table holds no row. */
  async isEmpty(): Promise<boolean> {
    const rows = this.store.writer.list({ prefix: rowPrefix(this.name) }, { limit: 1 });
    return (await rows.next()).done === true;
  }

  /** Notes the time of the last contact and gives the lease back. The store stays open. */
  async close(lastContact: number | null): Promise<void> {
    await this.index?.close();
    this.#dropping?.stop.abort();
    await this.#dropping?.done;
    await this.committer.reset();
    await this.beat(lastContact).catch(() => {
      // Taken over, or the store is gone: what matters is stored.
    });
    await this.#lease.release().catch(() => {
      // The store is gone: the lease runs out by itself.
    });
  }
}
