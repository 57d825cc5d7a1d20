/**
 * The running copy of one table, as programs, the feed and the status server see it.
 *
 * Its rooms: {@linkcode Loop} asks the origin again and again, {@linkcode AnswerIngest} reads one answer,
 * {@linkcode Resync} compares everything and sweeps, {@linkcode Heartbeat} keeps the lease,
 * {@linkcode StatusRecorder} knows how it goes, {@linkcode CommitListeners} is told of commits.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { compareOrder, type Order } from "../protocol/cursor.ts";
import type { TableOrders } from "../protocol/orders.ts";
import { deletionText, type Key, type KeyPart, type RecordShape } from "../protocol/record.ts";
import type { Change, CommitEvent } from "../store/read/change.ts";
import type { ChangeIndex } from "../store/change_index/index.ts";
import { changesSince } from "../store/change_index/changes_since.ts";
import { storeFault } from "../store/kv/store_error.ts";
import { type ListOptions, type StoredRow, TableReader } from "../store/read/table_reader.ts";
import type { RequestName } from "../store/table/requests.ts";
import type { Store } from "../store/kv/open_store.ts";
import { Table } from "../store/table/table.ts";
import { CommitListeners } from "./listeners.ts";
import { type ChangesOptions, type FollowedChange, followReplica } from "./changes.ts";
import type { ReplicaConfig } from "./config.ts";
import { type DigestStatus, digestStatus } from "./digest.ts";
import type { FeedState } from "./feed_state.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Holds } from "./holds.ts";
import type { Hooks } from "./hooks/hooks.ts";
import { openHooks } from "./hooks/open_hooks.ts";
import { StatusRecorder } from "./status_recorder.ts";
import { Loop } from "./loop.ts";
import { TableMetrics } from "./metrics.ts";
import { guardLimits } from "./options.ts";
import { Resync } from "./resync.ts";
import { WholeTable } from "./whole_table.ts";
import { Standstill } from "./standstill.ts";
import { tableStatus } from "./table_status.ts";
import { Verifier } from "./verify/verifier.ts";
import type { Sample, TableStatus } from "./status.ts";

/**
 * An origin that was silent for so long is not in touch: three of a feed's signs of life, and no
 * longer than the idle time-out.
 */
const FRESH_MS = 45_000;

/** Rows that the cursor doesn't cover yet are waited for so long by those who ask for changes. */
const COVER_MS = 2_000;

/** The running copy of one table; from {@linkcode Replicator.tables}. */
export class Replica {
  /** The table's name. */
  readonly table: string;
  /**
   * The table as it is stored.
   * @internal
   */
  readonly reader: TableReader;
  readonly #config: ReplicaConfig;
  readonly #clock: Clock;
  readonly #open: Table;
  readonly #audience: CommitListeners;
  readonly #journal: StatusRecorder;
  readonly #resync: Resync;
  readonly #holds: Holds;
  readonly #loop: Loop;
  readonly #heartbeat: Heartbeat;
  readonly #standstill: Standstill;
  readonly #verifier: Verifier;
  /** Aborts when the loop has ended: no more changes will come. */
  readonly #ended = new AbortController();

  private constructor(
    config: ReplicaConfig,
    table: Table,
    reader: TableReader,
    metrics: TableMetrics,
    hooks: Hooks | null,
  ) {
    const { name, options, clock } = config;
    this.table = name;
    this.reader = reader;
    this.#config = config;
    this.#clock = clock;
    this.#open = table;
    this.#audience = new CommitListeners(name, options.onCommit, hooks, clock);
    this.#journal = new StatusRecorder(table, metrics, this.#audience);
    this.#resync = new Resync(table, this.#journal, options, () => this.#loop.interrupt());
    this.#holds = new Holds(table);
    const parts = { config, table, journal: this.#journal, resync: this.#resync };
    const whole = options.whole
      ? new WholeTable(table, this.#resync, this.#journal, options)
      : null;
    this.#loop = new Loop({ ...parts, holds: this.#holds, whole });
    this.#verifier = new Verifier(config, table, reader, () => this.#journal.isLive);
    this.#heartbeat = new Heartbeat(table, this.#journal);
    table.onProgress(() => this.#audience.progressed());
    this.#standstill = new Standstill(table, this.#journal, this.#audience, this.#loop);
  }

  /**
   * Takes the table.
   *
   * @throws {LockstepError} `lease-held`, `foreign-store`, or a store's failure
   */
  static async open(config: ReplicaConfig, store: Store): Promise<Replica> {
    const { endpoint, shape, options, clock, name } = config;
    const metrics = new TableMetrics(clock);
    const table = await Table.open(store, {
      table: name,
      shape,
      origin: {
        url: endpoint.identity,
        key: shape.key,
        orderBy: shape.orderBy,
        records: options.records,
        whole: options.whole ? true : undefined,
        deletedBy: deletionText(shape),
      },
      since: config.since,
      orderType: config.orderType,
      adopt: options.adopt ?? false,
      resync: options.resync ?? false,
      statusUrl: options.statusUrl ?? null,
      standby: options.standby ? options.signal ?? new AbortController().signal : null,
      feed: options.feed ?? false,
      guard: guardLimits(options),
      clock,
      onCommit: (milliseconds) => metrics.committed(milliseconds),
    });
    try {
      const reader = new TableReader(store.reader, name);
      const hooks = await openHooks(config, table, reader);
      return new Replica(config, table, reader, metrics, hooks);
    } catch (error) {
      await table.close(null);
      throw storeFault(store.path, error);
    }
  }

  /**
   * Replicates until the signal aborts or, with `once`, until up to date.
   *
   * @throws what can't be retried: the status shows it from then on
   */
  async run(signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const ended = AbortSignal.any([signal, over.signal]);
    const { hooks } = this.#audience;
    const asked = (name: RequestName) => this.#asked(name);
    const beating = this.#heartbeat.run(ended, signal, asked, () => this.#loop.interrupt());
    const watching = this.#standstill.run(ended);
    const looping = this.#heartbeat.begin(asked).then(() => this.#loop.run(ended));
    const { verifyEveryMs } = this.#config.options;
    const verifying = verifyEveryMs === undefined
      ? Promise.resolve()
      : this.#verifier.run(verifyEveryMs, ended);
    const stopHooks = () => void hooks?.stop();
    signal.addEventListener("abort", stopHooks, { once: true });
    const finishing = looping.then(() => hooks?.finish()).then(() => {
      if (!signal.aborted) hooks?.assertDone();
    });
    const failed = await Promise.race([finishing, beating.then(() => new Promise<never>(() => {}))])
      .then(() => null, (error: unknown) => ({ error }));
    over.abort();
    // Whichever of the two has failed: the other ends before the store is closed under it.
    await Promise.allSettled([beating, watching, looping, verifying, hooks?.stop()]);
    signal.removeEventListener("abort", stopHooks);
    if (failed === null) this.#journal.enter("stop");
    else this.#journal.giveUp(storeFault(this.#open.store.path, failed.error));
    this.#ended.abort();
    this.#loop[Symbol.dispose]();
    await this.#open.close(this.#loop.needsRecovery ? null : this.#journal.lastContact);
    if (failed !== null) throw failed.error;
  }

  /** Another process asks for something. */
  #asked(name: RequestName): void {
    if (name === "resync") this.requestResync("asked for by a command");
    if (name === "approve") this.approveSweep();
    if (name === "hold") this.hold();
    if (name === "release") this.release();
  }

  /**
   * Whether the loop goes round, or has ended: false when a beat is overdue, a commit doesn't come
   * back, or what is written is no longer where readers look for it.
   */
  isTurning(): boolean {
    return this.#ended.signal.aborted || (this.#heartbeat.isOnTime && this.#isInPlace);
  }

  /** Whether commits come back, into the files that readers open. */
  get #isInPlace(): boolean {
    return this.#heartbeat.isInPlace && !this.#standstill.isOwnFault;
  }

  /** Starts a resync as soon as possible; rows stay readable meanwhile. */
  requestResync(reason: string): void {
    this.#resync.request(reason);
    this.#loop.interrupt();
  }

  /** Lets a held sweep, or changes that the guard holds, go ahead. False when nothing is held. */
  approveSweep(): boolean {
    const isApproved = [this.#resync.approve(), this.#holds.approve()].includes(true);
    if (isApproved) this.#loop.interrupt();
    return isApproved;
  }

  /** Stops committing, until {@linkcode release}, also in later processes; reads go on. */
  hold(): void {
    this.#holds.request("hold");
    this.#loop.interrupt();
  }

  /** Goes on after {@linkcode hold}; what the guard holds is let go as well. */
  release(): void {
    this.#holds.request("release");
    this.#loop.interrupt();
  }

  /** Calls the listener with every commit's changes. Returns a function that ends it. */
  subscribe(listener: (event: CommitEvent) => void): () => void {
    return this.#audience.subscribe(listener);
  }

  /**
   * One row, or null.
   *
   * @param key a part for each key field; of a single one, the bare value will do
   */
  get(key: Key | KeyPart): Promise<StoredRow | null> {
    return this.reader.get(key);
  }

  /** Rows in key order. Pages are read as they are consumed; each is consistent in itself. */
  list(options?: ListOptions): AsyncGenerator<StoredRow> {
    return this.reader.list(options);
  }

  /**
   * What the table holds from a cursor on, sorted by order, then its changes as they commit. Ends
   * when the table's replication does, or when the signal aborts.
   *
   * Nothing is left out, and what has the cursor's own order comes again; so does, now and then,
   * what changes while the beginning is read. A consumer that falls far behind gets only the latest
   * state of keys that changed several times. Deletions are told as long as they are remembered
   * (`tombstoneTtlMs`), and records that the origin commits late, below the cursor, only while the
   * iteration runs: take an overlap off `since` where the origin needs one.
   *
   * @example
   * ```ts
   * import { replicate } from "lockstep-replicate";
   *
   * const origin = Deno.serve(
   *   { port: 0, onListen: () => {} },
   *   () => Response.json({ id: 1, updated_at: 5, deleted_at: null }),
   * );
   * const url = `http://127.0.0.1:${origin.addr.port}/servers/`;
   * await using replicator = await replicate({ url, kv: ":memory:" });
   *
   * let since: number | bigint | string | null = null; // where the last run came to
   * for await (const change of replicator.table("servers").changes({ since })) {
   *   console.log(change.kind, change.key, change.value);
   *   since = change.cursor; // keep it, once the change is dealt with
   *   break;
   * }
   * await replicator.stop();
   * await origin.shutdown();
   * ```
   */
  changes(options?: ChangesOptions): AsyncGenerator<FollowedChange, void, undefined> {
    const open = this.#open;
    const followed = {
      reader: this.reader,
      get cursor() {
        return open.cursor;
      },
      get orderType() {
        return open.orders.type;
      },
      get index() {
        const { index, cursor, meta } = open;
        // Above the cursor, and while something is on its way, rows may be ahead of the index.
        const isCovered = cursor !== null && meta.high !== null &&
          compareOrder(cursor, meta.high) === 0;
        return index?.isCertain && isCovered ? { index, upTo: cursor } : null;
      },
      ended: this.#ended.signal,
      subscribe: (listener: (event: CommitEvent) => void) => this.subscribe(listener),
      settled: () => this.#settled(),
    };
    return followReplica(followed, options);
  }

  /**
   * What the feed is made from; null without `feed`.
   * @internal
   */
  get index(): ChangeIndex | null {
    return this.#open.index;
  }

  /**
   * The connection that the feed reads with.
   * @internal
   */
  get kv(): Deno.Kv {
    return this.#open.store.reader;
  }

  /**
   * Which fields of a record mean what.
   * @internal
   */
  get shape(): RecordShape {
    return this.#open.shape;
  }

  /**
   * How orders compare, and how the origin writes them.
   * @internal
   */
  get orders(): TableOrders {
    return this.#open.orders;
  }

  /**
   * How far the table is, for its feed.
   * @internal
   */
  feedState(): FeedState {
    const { cursor, meta } = this.#open;
    const originHead = meta.resync === null ? this.#loop.reading?.asked.head ?? null : null;
    const { isLive: live, trouble, ageMs } = this.#journal;
    const { expireMs, pollMs = 0 } = this.#config.options;
    const isFresh = trouble === null && ageMs !== null && ageMs <= Math.max(FRESH_MS, 2 * pollMs);
    const isExpired = expireMs !== undefined && (ageMs ?? Infinity) > expireMs;
    return { cursor, high: meta.high, live, originHead, ageMs, isFresh, isExpired };
  }

  /**
   * Changes from an order on, deletions included; null where they can't be told. For `/changes`.
   * @internal
   */
  async changesSince(since: Order): Promise<AsyncIterable<Change> | null> {
    const { index } = this.#open;
    await this.#settled();
    if (index === null || !await this.#covered(index)) return null;
    const source = { kv: this.kv, table: this.table, shape: this.shape };
    return changesSince(index, source, since, this.#open.cursor);
  }

  /** Resolves when what was on its way before is stored, or has failed. */
  #settled(): Promise<void> {
    return this.#open.committer.idle().catch(() => {
      // The loop learns of it by itself, and what is stored of it is told again.
    });
  }

  /** Waits a moment for all that was told of to be in the index, and below the cursor. */
  async #covered(index: ChangeIndex): Promise<boolean> {
    const isCovered = () => {
      const { cursor, high } = this.feedState();
      return index.isCertain &&
        (high === null || (cursor !== null && compareOrder(cursor, high) === 0));
    };
    const { promise, resolve } = Promise.withResolvers<void>();
    const ignore = this.onProgress(() => {
      if (isCovered()) resolve();
    });
    const over = new AbortController();
    if (!isCovered()) {
      const late = this.#clock.sleep(COVER_MS, over.signal).catch(() => {});
      await Promise.race([promise, late]);
    }
    over.abort();
    ignore();
    return isCovered();
  }

  /**
   * Calls the listener whenever the cursor or the state may have changed. Returns how to end it.
   * @internal
   */
  onProgress(listener: () => void): () => void {
    return this.#audience.onProgress(listener);
  }

  /** The table's digest; null while it is made, from the first call on, and while the table changes. */
  digest(): DigestStatus | null {
    if (!this.#journal.isLive) return null;
    this.#open.wantDigest();
    const status = digestStatus(this.#open);
    if (status === null) this.#loop.nudge();
    return status;
  }

  /** The sums of the digest's buckets, 32 bytes each. */
  digestBuckets(): Uint8Array<ArrayBuffer> | null {
    return this.digest() === null ? null : this.#open.wantDigest().digest.toBytes();
  }

  /** Samples of the last 15 minutes, oldest first. */
  samples(): readonly Sample[] {
    const { metrics } = this.#journal;
    metrics.sample();
    return metrics.samples;
  }

  /** A snapshot of everything an operator wants to know. */
  status(): TableStatus {
    return tableStatus({
      url: this.#config.endpoint.printable,
      table: this.#open,
      journal: this.#journal,
      reading: this.#loop.reading,
      resync: this.#resync,
      hooks: this.#audience.hooks,
      verified: this.#verifier.last,
      isStoring: !this.#ended.signal.aborted && this.#isInPlace,
      expireMs: this.#config.options.expireMs ?? null,
    });
  }
}
