/**
 * The running copy of one table: connect, stream, wait, repeat.
 *
 * @module
 */

import { Backoff } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import { logger } from "../base/log.ts";
import { type Answer, connect, type ConnectOptions } from "../origin/connect.ts";
import type { Endpoint } from "../origin/endpoint.ts";
import { OriginClient } from "../origin/tls_client.ts";
import {
  compareOrder,
  formatOrder,
  type Order,
  type OrderKind,
  orderKind,
  orderTime,
  parseOrder,
  rewind,
} from "../protocol/cursor.ts";
import { LockstepError, messageOf } from "../protocol/errors.ts";
import type { Key, KeyPart, RecordShape } from "../protocol/record.ts";
import type { Change, CommitEvent } from "../store/change.ts";
import type { ChangeIndex } from "../store/change_index.ts";
import { changesSince } from "../store/change_since.ts";
import { unstorable } from "../store/keys.ts";
import { BEAT_MS } from "../store/lease.ts";
import type { Outcome } from "../store/plan.ts";
import { type ListOptions, type StoredRow, TableReader } from "../store/reader.ts";
import { takeRequests } from "../store/requests.ts";
import { TableSink } from "../store/sink.ts";
import { storeFault } from "../store/faults.ts";
import type { Store } from "../store/store.ts";
import { isSweepAllowed, sizeSweep, sweep } from "../store/sweep.ts";
import { Table } from "../store/table.ts";
import { RowReader } from "../stream/rows.ts";
import { Ending, rowStream } from "../stream/values.ts";
import { type ChangesOptions, type FollowedChange, followReplica } from "./changes.ts";
import { Hooks, type HookSettings } from "./hooks.ts";
import { TableMetrics } from "./metrics.ts";
import type { ReplicatorOptions } from "./options.ts";
import { Reading } from "./reading.ts";
import { isLive, type StateEvent, transition } from "./state.ts";
import type { Sample, StateName, SweepStatus, TableStatus } from "./status.ts";

const log = logger("replica");

/** An endless answer that sends nothing for so long, after its first bytes, has sent everything. */
const QUIET_MS = 1_000;

/** A loop that gave no sign for so long hangs: six missed beats. */
const HANGING_MS = 6 * BEAT_MS;

/** A commit that takes so long hangs. */
const STUCK_MS = 60_000;

/** Between two looks for quiet, while catching up. */
const LOOK_MS = 250;

/** Counting the rows holds the next request of a table that polls up for so long at most. */
const COUNT_MS = 200;

/** Rows that the cursor doesn't cover yet are waited for so long by those who ask for changes. */
const COVER_MS = 2_000;

const DAY_MS = 86_400_000;

/** How far a table is, for its feed. */
export interface FeedState {
  /** Everything up to here is stored, and may be passed on; null before the first record. */
  readonly cursor: Order | null;
  /** Whether nothing is stored above the cursor. */
  readonly isCovered: boolean;
  /** Whether that is all there is, as of the last contact with the origin. */
  readonly live: boolean;
  /** The origin's own head while the table catches up with it; null where it doesn't tell. */
  readonly originHead: Order | null;
}

/** What is settled about a table before its loop starts. */
export interface ReplicaConfig {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly shape: RecordShape;
  readonly since: Order | null;
  readonly options: ReplicatorOptions;
  /** What runs after commits. */
  readonly hooks: HookSettings;
  readonly clock: Clock;
}

/** How much is proved by what made an answer count as complete. */
type Proof = "whole" | "cut-possible" | "quiet";

/** The origin's head; null where it says none, or none that can be read. */
function headOf({ head }: Answer, kind: OrderKind | undefined): Order | null {
  if (head === null || head === "") return null;
  try {
    return parseOrder(head, kind);
  } catch {
    return null;
  }
}

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
  readonly #metrics: TableMetrics;
  readonly #backoff: Backoff;
  readonly #client: OriginClient;
  readonly #open: Table;
  readonly #listeners = new Set<(event: CommitEvent) => void>();
  readonly #onProgress = new Set<() => void>();
  readonly #ended = new AbortController();
  #hooks: Hooks | null = null;
  #state: StateName = "starting";
  #stateSince: number;
  #trouble: LockstepError | null = null;
  #nextAttempt: number | null = null;
  #lastContact: number | null;
  #lagMs: number | null = null;
  #reading: Reading | null = null;
  #sink: TableSink | null = null;
  #needsRecovery = false;
  #beatAt: number;
  #resyncReason: string | null = null;
  #approved = false;
  #warnings: readonly string[] = [];
  /** The generation that the origin told last. */
  #generation: string | null = null;
  #tiePages = 0;
  /** Cuts a pause, or the answer that is being read, short. */
  #interrupt = new AbortController();

  private constructor(config: ReplicaConfig, store: Store, open: Table, metrics: TableMetrics) {
    const { ca, cert, certKey } = config.options;
    this.table = config.name;
    this.reader = new TableReader(store.reader, config.name);
    this.#config = config;
    this.#clock = config.clock;
    this.#open = open;
    this.#metrics = metrics;
    this.#backoff = new Backoff(config.clock);
    this.#stateSince = config.clock.now();
    this.#beatAt = this.#stateSince;
    this.#lastContact = open.meta.lastContact;
    open.onSigned = () => this.#progressed();
    this.#client = new OriginClient({
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(certKey === undefined ? {} : { certKey }),
    });
  }

  /**
   * Takes the table.
   *
   * @throws {LockstepError} `lease-held`, `foreign-store`, or a store's failure
   */
  static async open(config: ReplicaConfig, store: Store): Promise<Replica> {
    const { endpoint, shape, options, clock, name } = config;
    const metrics = new TableMetrics(clock.now());
    const table = await Table.open(store, {
      table: name,
      shape,
      origin: { url: endpoint.identity, key: shape.key, orderBy: shape.orderBy },
      since: config.since,
      adopt: options.adopt ?? false,
      resync: options.resync ?? false,
      statusUrl: options.statusUrl ?? null,
      feed: options.feed ?? false,
      clock,
      onCommit: (milliseconds) => metrics.committed(milliseconds),
    });
    const replica = new Replica(config, store, table, metrics);
    try {
      await replica.#openHooks();
      return replica;
    } catch (error) {
      await table.close(null);
      throw storeFault(store.path, error);
    }
  }

  async #openHooks(): Promise<void> {
    const { hooks, clock } = this.#config;
    if (hooks.command === null && hooks.file === null) return;
    const open = this.#open;
    this.#hooks = await Hooks.open({
      table: this.table,
      reader: this.reader,
      clock,
      get changes() {
        return open.changes;
      },
      hookMark: (name) => open.hookMark(name),
      saveHookMark: (name, mark) => open.saveHookMark(name, mark),
    }, hooks);
  }

  /** Replicates until the signal aborts or, with `once`, until up to date. */
  async run(signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const ended = AbortSignal.any([signal, over.signal]);
    const beating = this.#beat(ended, signal);
    const looping = this.#loop(ended);
    const stopHooks = () => void this.#hooks?.stop();
    signal.addEventListener("abort", stopHooks, { once: true });
    try {
      const finishing = looping.then(() => this.#hooks?.finish());
      await Promise.race([finishing, beating.then(() => new Promise<never>(() => {}))]);
    } finally {
      over.abort();
      // Whichever of the two has failed: the other ends before the store is closed under it.
      await Promise.allSettled([beating, looping, this.#hooks?.stop()]);
      signal.removeEventListener("abort", stopHooks);
      this.#enter("stop");
      this.#ended.abort();
      this.#client[Symbol.dispose]();
      await this.#open.close(this.#needsRecovery ? null : this.#lastContact);
    }
  }

  async #loop(signal: AbortSignal): Promise<void> {
    const { options } = this.#config;
    if (options.resync && this.#open.meta.resync?.phase !== "reading") {
      this.#resyncReason = "--resync was given";
    }
    while (!signal.aborted) {
      const failure = await this.#attempt(signal);
      const isDone = options.once && failure === null && isLive(this.#state);
      if (signal.aborted || isDone) return;
      await this.#pause(failure, signal);
    }
  }

  /** One request and its answer. Returns what went wrong, or null. */
  async #attempt(signal: AbortSignal): Promise<LockstepError | null> {
    this.#interrupt = new AbortController();
    const stop = AbortSignal.any([signal, this.#interrupt.signal]);
    try {
      if (this.#needsRecovery) await this.#recover();
      await this.#applyRequests();
      await this.#exchange(stop);
      return null;
    } catch (error) {
      if (stop.aborted) return null;
      const failure = error instanceof LockstepError
        ? error
        : storeFault(this.#open.store.path, error);
      // Whatever broke off a commit: what is stored is looked up before anything is written.
      const kinds: readonly string[] = ["store", "store-full", "callback"];
      if (kinds.includes(failure.kind)) this.#needsRecovery = true;
      return failure;
    } finally {
      this.#sink = null;
      this.#reading = null;
    }
  }

  async #recover(): Promise<void> {
    await this.#open.recover();
    this.#needsRecovery = false;
  }

  async #exchange(stop: AbortSignal): Promise<void> {
    const { endpoint, options } = this.#config;
    const { cursor } = this.#open.meta;
    const since = this.#rewound(cursor);
    this.#enter("connect");
    const from = since ?? this.#open.meta.floor ?? 0;
    const answer = await connect(endpoint, from, this.#connectOptions(), this.#clock, stop);
    this.#metrics.connections++;
    this.#backoff.answered();
    this.#contact();
    this.#enter("answered");
    const kind = cursor === null ? undefined : orderKind(cursor);
    const head = headOf(answer, kind);
    await this.#checkGeneration(answer);
    const isEmpty = answer.head === "";
    const reading = new Reading({ since, cursor, head, isEmpty, date: answer.date });
    this.#reading = reading;
    const sink = new TableSink(this.#open, await this.#open.isEmpty(), {
      tombstoneTtlMs: options.tombstoneTtlMs ?? 7 * DAY_MS,
      count: !options.once,
      isTransformed: options.transform !== undefined,
      following: isLive(this.#state),
      observer: {
        counted: (outcome: Outcome, records: number) => this.#metrics.counted(outcome, records),
        quarantined: (reason: string) => this.#metrics.quarantined(reason),
        behind: () => this.#enter("behind"),
        committed: (event) => this.#committed(event),
        wantsEvents: () => this.#wantsEvents(),
        awaitsEvents: options.onCommit !== undefined,
      },
    });
    this.#sink = sink;
    if (answer.body !== null) await this.#read(answer, answer.body, reading, sink, stop);
    await this.#reached(reading, sink, answer.endIsProof ? "whole" : "cut-possible");
    this.#noteOddities(reading);
    await sink.count(COUNT_MS);
  }

  /**
   * A feed whose data was begun anew can't tell what has changed since our cursor.
   *
   * @throws {LockstepError} `gone`: a resync is needed
   */
  async #checkGeneration({ generation, body, url }: Answer): Promise<void> {
    const { meta } = this.#open;
    const known = meta.generation ?? null;
    if (generation === null || generation === known) return;
    this.#generation = generation;
    if (known === null || (meta.cursor === null && meta.floor === null)) {
      this.#open.meta = { ...meta, generation };
      return;
    }
    await body?.cancel().catch(() => {});
    throw new LockstepError(`${url} has begun its data anew`, {
      kind: "gone",
      retry: "resync",
      hint: "nothing to do: everything is compared",
    });
  }

  /** Pipes a body into the store, to its end. */
  async #read(
    answer: Answer,
    body: ReadableStream<Uint8Array>,
    reading: Reading,
    sink: TableSink,
    stop: AbortSignal,
  ): Promise<void> {
    const { shape, options, name } = this.#config;
    // A resync from the beginning may bring orders of another kind than the table had.
    const { cursor, resync } = this.#open.meta;
    const high = resync !== null && cursor === null ? null : this.#open.meta.high;
    const ending = new Ending(body);
    const reader = new RowReader({
      shape,
      kind: high === null ? null : orderKind(high),
      checkKey: (row) => unstorable(name, row),
      transform: options.transform,
      strict: options.strict ?? false,
    });
    const rows = rowStream({
      reader,
      ending,
      maxLength: options.maxLineLength ?? 16 * 2 ** 20,
      onBatch: (batch) => {
        this.#metrics.bytes += batch.bytes;
        this.#metrics.received += batch.rows.length;
        if (batch.bytes > 0) this.#contact();
        reading.add(batch, this.#clock.now());
      },
    });
    const over = new AbortController();
    const watching = this.#watch(reading, sink, over.signal);
    const signal = AbortSignal.any([stop, over.signal]);
    const piping = ending.readable.pipeThrough(rows).pipeTo(sink.writable(), { signal });
    try {
      await Promise.race([piping, watching.then(() => new Promise<never>(() => {}))]);
    } finally {
      // Whichever of the two has failed: the other ends before the next answer is asked for.
      over.abort();
      await Promise.allSettled([piping, watching]);
      await sink.abandon();
    }
    stop.throwIfAborted();
    ending.check(answer.url);
  }

  /** Notices when an answer that stays open has brought everything there was. */
  async #watch(reading: Reading, sink: TableSink, over: AbortSignal): Promise<void> {
    let proven = false;
    while (!over.aborted) {
      try {
        await this.#clock.sleep(LOOK_MS, over);
      } catch {
        return;
      }
      const { lastData } = reading;
      const isQuiet = lastData !== null && this.#clock.now() - lastData >= QUIET_MS;
      if (!proven && reading.hasHead) {
        proven = true;
        await this.#reached(reading, sink, "whole");
      } else if (!isLive(this.#state) && (isQuiet || reading.isFresh || proven)) {
        await this.#reached(reading, sink, "quiet");
      }
      if (this.#approved && this.#open.meta.resync?.phase === "held") {
        await sink.paused(() => this.#remove());
      }
      if (isLive(this.#state) && this.#config.options.once) this.#interrupt.abort();
      if (isLive(this.#state)) await this.#whileLive(reading, proven, over);
    }
  }

  /** Sleeps without a timer until there is something to look at again. */
  #whileLive(reading: Reading, proven: boolean, over: AbortSignal): Promise<void> {
    // A proof that may still come, or has just come, ends a resync.
    const { head, isEmpty } = reading.asked;
    if (!proven && (head !== null || isEmpty) && this.#open.meta.resync !== null) {
      return Promise.resolve();
    }
    if (over.aborted) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    over.addEventListener("abort", () => resolve(), { once: true });
    return promise.finally(() => this.#wake = null);
  }

  #wake: (() => void) | null = null;

  /** Everything the origin had is stored; a resync may come to its end. */
  async #reached(reading: Reading, sink: TableSink, proof: Proof): Promise<void> {
    await sink.caughtUp();
    const { resync } = this.#open.meta;
    // A held one is judged anew when the origin was asked for everything and had something.
    const isMended = resync?.phase === "held" && reading.asked.cursor === null && reading.rows > 0;
    if (resync !== null && (resync.phase === "reading" || isMended) && proof !== "quiet") {
      await sink.paused(() => this.#sweepOrHold(resync.began, reading, proof === "whole"));
    }
    const isHeld = this.#open.meta.resync?.phase === "held";
    this.#enter(isHeld ? "held" : "caught-up");
  }

  async #sweepOrHold(began: string, reading: Reading, isWhole: boolean): Promise<void> {
    const { resync } = this.#open.meta;
    if (resync === null) return;
    const size = await sizeSweep(this.#open, began);
    const limit = this.#config.options.shrinkLimit ?? 0.5;
    const isEmpty = reading.rows === 0 && this.#open.meta.cursor === null;
    const isAllowed = isWhole && isSweepAllowed(size, limit) && !(isEmpty && size.of > 0);
    const counted = { ...resync, wouldRemove: size.gone, of: size.of };
    await this.#open.save({ rows: size.of, exact: true });
    if (!isAllowed) {
      await this.#open.save({ resync: { ...counted, phase: "held" } });
      log.warn(
        "{table}: the sweep is held: the origin's answer would remove {gone} of {of} rows; approve it, or mend the origin and resync",
        { table: this.table, ...size },
      );
      return;
    }
    await this.#open.save({ resync: { ...counted, phase: "removing" } });
    await this.#remove();
  }

  /** Carries out a sweep that is allowed. */
  async #remove(): Promise<void> {
    const { resync } = this.#open.meta;
    this.#approved = false;
    if (resync === null) return;
    if (resync.phase !== "removing") {
      await this.#open.save({ resync: { ...resync, phase: "removing" } });
    }
    const observer = {
      counted: (outcome: Outcome, records: number) => this.#metrics.counted(outcome, records),
      committed: (event: CommitEvent) => this.#committed(event),
      wantsEvents: () => this.#wantsEvents(),
      awaitsEvents: this.#config.options.onCommit !== undefined,
    };
    const ttl = this.#config.options.tombstoneTtlMs ?? 7 * DAY_MS;
    const removed = await sweep(this.#open, resync.began, observer, ttl);
    log.info("{table}: resynced; {removed} rows that the origin no longer has were removed", {
      table: this.table,
      removed,
    });
    this.#enter("released");
  }

  /** Waits as the failure, or the lack of one, asks for. */
  async #pause(failure: LockstepError | null, signal: AbortSignal): Promise<void> {
    const { options } = this.#config;
    if (failure === null) {
      this.#metrics.reconnected("clean-end");
      await this.#sleep(this.#backoff.ended(options.pollMs ?? 1_000), signal);
      return;
    }
    this.#report(failure);
    if (failure.retry === "never") throw failure;
    // An origin that has forgotten what came before 0, too, is not to be helped by another try.
    const { cursor, floor } = this.#open.meta;
    const isResync = failure.retry === "resync" && (cursor !== null || floor !== null);
    if (isResync) this.#resyncReason = failure.message;
    const wait = this.#backoff.failed(
      failure.retry === "resync" && !isResync ? { retry: "slow" } : failure,
    );
    const isHopeless = failure.retry === "slow" ||
      this.#backoff.failures >= (options.attempts ?? 5);
    if (options.once && isHopeless) throw failure;
    this.#nextAttempt = this.#clock.now() + wait;
    await this.#sleep(wait, signal);
    this.#nextAttempt = null;
    this.#metrics.reconnected(failure.kind);
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#interrupt.signal.aborted) this.#interrupt = new AbortController();
    const stop = AbortSignal.any([signal, this.#interrupt.signal]);
    await this.#clock.sleep(ms, stop).catch(() => {});
  }

  #report(failure: LockstepError): void {
    this.#trouble = failure;
    const time = new Date(this.#clock.now()).toISOString();
    const { kind, message, hint } = failure;
    const isNews = this.#metrics.errors[0]?.message !== message;
    this.#metrics.failed({ time, kind, message, hint });
    this.#enter(failure.retry === "soon" || failure.retry === "resync" ? "failed" : "refused");
    const level = isNews ? "warn" : "debug";
    log[level]("{table}: {message}; {hint}", { table: this.table, message, hint });
  }

  /** Gives signs of life, and looks for what other processes ask for, until the signal aborts. */
  async #beat(signal: AbortSignal, stopped: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#clock.sleep(BEAT_MS, signal).catch(() => {});
      if (signal.aborted) return;
      this.#metrics.sample(this.#clock.now());
      try {
        await this.#open.beat(this.#lastContact);
        for (const name of await takeRequests(this.#open.store.writer, this.table)) {
          if (name === "resync") this.requestResync("asked for by a command");
          if (name === "approve") this.approveSweep();
        }
      } catch (error) {
        if (error instanceof LockstepError && error.kind === "lease-lost") throw error;
        if (stopped.aborted) return;
        log.warn("{table}: {message}", { table: this.table, message: messageOf(error) });
      }
      this.#beatAt = this.#clock.now();
    }
  }

  async #applyRequests(): Promise<void> {
    if (this.#open.meta.resync?.phase === "removing") await this.#remove();
    const reason = this.#resyncReason;
    if (reason !== null) {
      await this.#open.beginResync(reason);
      this.#resyncReason = null;
      // Only now: a crash before the resync has begun must not forget what it is for.
      const generation = this.#generation ?? this.#open.meta.generation ?? null;
      this.#open.meta = { ...this.#open.meta, generation };
      this.#enter("released");
      this.#enter("behind");
    }
    if (this.#approved && this.#open.meta.resync?.phase === "held") await this.#remove();
    if (this.#open.meta.resync?.phase === "removing") await this.#remove();
    const { cursor, unsorted, resync } = this.#open.meta;
    if (cursor === null && unsorted && (resync === null || resync.phase === "reading")) {
      // Rows of the answer that was cut off may have been deleted since, and from 0 the origin
      // doesn't tell; nor does the least order so far, in an answer without order.
      const why = "the first answer was cut off, and the origin sends records out of order";
      await this.#open.beginResync(resync?.reason ?? why);
    }
  }

  #noteOddities(reading: Reading): void {
    const found = reading.warnings();
    this.#tiePages = reading.isTiePage ? this.#tiePages + 1 : 0;
    if (this.#tiePages >= 2) {
      found.push(
        `the origin answers ${reading.rows} rows of one order, again and again: if that is its page size, rows behind them never come`,
      );
    }
    for (const warning of found) {
      if (!this.#warnings.includes(warning)) {
        log.warn("{table}: {warning}", { table: this.table, warning });
      }
    }
    this.#warnings = found;
  }

  async #committed(event: CommitEvent): Promise<void> {
    const last = event.changes.at(-1);
    if (last !== undefined && isLive(this.#state)) {
      const time = orderTime(last.order);
      this.#lagMs = time === null ? null : Math.max(0, this.#clock.now() - time.getTime());
    }
    this.#hooks?.note(event);
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        log.error("{table}: a subscriber threw: {error}", {
          table: this.table,
          error: messageOf(error),
        });
      }
    }
    try {
      await this.#config.options.onCommit?.(event);
    } catch (error) {
      throw new LockstepError(`onCommit failed: ${messageOf(error)}`, {
        kind: "callback",
        retry: "soon",
        hint: "mend the function given as onCommit; it is told the same changes again",
        cause: error,
      });
    }
  }

  /** While catching up unwatched, events would cost memory and serve nobody. */
  #wantsEvents(): boolean {
    return this.#listeners.size > 0 || this.#config.options.onCommit !== undefined ||
      isLive(this.#state) || (this.#hooks?.wantsChanges ?? false);
  }

  #enter(event: StateEvent): void {
    const next = transition(this.#state, event);
    if (isLive(next)) this.#trouble = null;
    if (event === "behind" || event === "released") this.#wake?.();
    if (next === this.#state) return;
    log.debug("{table}: {from} → {to}", { table: this.table, from: this.#state, to: next });
    if (isLive(next) && !isLive(this.#state)) {
      log.info("{table}: live with {rows} rows at cursor {cursor}", {
        table: this.table,
        rows: this.#open.meta.rows,
        cursor: this.#open.cursor === null ? "none" : formatOrder(this.#open.cursor),
      });
    }
    this.#state = next;
    this.#stateSince = this.#clock.now();
    if (isLive(next)) this.#hooks?.settle(true);
    else if (next === "catching-up") this.#hooks?.settle(false);
    this.#progressed();
  }

  #contact(): void {
    this.#lastContact = this.#clock.now();
  }

  /** Whether the loop goes round: false when a beat is overdue, or a commit doesn't come back. */
  isTurning(): boolean {
    const now = this.#clock.now();
    const isStuck = this.#open.committer.waitingMs >= STUCK_MS;
    return this.#state === "stopped" || (now - this.#beatAt < HANGING_MS && !isStuck);
  }

  #rewound(cursor: Order | null): Order | null {
    const { overlap } = this.#config.options;
    const isFresh = cursor === null || this.#open.meta.resync?.phase === "reading";
    if (overlap === undefined || isFresh) return cursor;
    const since = rewind(cursor, overlap);
    if (since !== 0) return since;
    // Asked from 0, the origin would leave out the deletions that have come since.
    const { floor } = this.#open.meta;
    return floor !== null && compareOrder(floor, 1) < 0 ? floor : 1;
  }

  #connectOptions(): ConnectOptions {
    const { connectTimeoutMs, idleTimeoutMs, headers, headerFile } = this.#config.options;
    return {
      client: this.#client,
      ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
      ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
      ...(headers === undefined ? {} : { headers }),
      ...(headerFile === undefined ? {} : { headerFile }),
    };
  }

  /** Starts a resync as soon as possible; rows stay readable meanwhile. */
  requestResync(reason: string): void {
    this.#resyncReason = reason;
    this.#interrupt.abort();
  }

  /** Lets a held sweep go ahead. Returns false when none is held. */
  approveSweep(): boolean {
    if (this.#open.meta.resync?.phase !== "held") return false;
    this.#approved = true;
    if (this.#sink === null) this.#interrupt.abort();
    this.#wake?.();
    return true;
  }

  /** Calls the listener with every commit's changes. Returns a function that ends it. */
  subscribe(listener: (event: CommitEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
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
   * when the replicator stops, or when the signal aborts.
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
      get index() {
        const { index, cursor, meta } = open;
        // Above the cursor, and while something is on its way, rows may be ahead of the index.
        const isSettled = cursor !== null && meta.high !== null &&
          compareOrder(cursor, meta.high) === 0 && open.committer.isIdle;
        return index?.complete && isSettled ? { index, upTo: cursor } : null;
      },
      ended: this.#ended.signal,
      subscribe: (listener: (event: CommitEvent) => void) => this.subscribe(listener),
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
    return this.#config.shape;
  }

  /**
   * How far the table is, for its feed.
   * @internal
   */
  feedState(): FeedState {
    const { cursor, meta } = this.#open;
    const originHead = meta.resync === null ? this.#reading?.asked.head ?? null : null;
    const isCovered = meta.high === null ||
      (cursor !== null && compareOrder(cursor, meta.high) === 0);
    return { cursor, isCovered, live: isLive(this.#state), originHead };
  }

  /**
   * Changes from an order on, deletions included; null where they can't be told. For `/changes`.
   * @internal
   */
  async changesSince(since: Order): Promise<AsyncIterable<Change> | null> {
    const { index } = this.#open;
    if (index === null || !await this.#covered(index)) return null;
    const source = { kv: this.kv, table: this.table, shape: this.shape };
    return changesSince(index, source, since, this.#open.cursor);
  }

  /** Waits a moment for all that was told of to be in the index, and below the cursor. */
  async #covered(index: ChangeIndex): Promise<boolean> {
    const isCovered = () => index.isSettled && this.feedState().isCovered;
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
    this.#onProgress.add(listener);
    return () => this.#onProgress.delete(listener);
  }

  #progressed(): void {
    for (const listener of [...this.#onProgress]) listener();
  }

  /** Samples of the last 15 minutes, oldest first. */
  samples(): readonly Sample[] {
    this.#metrics.sample(this.#clock.now());
    return this.#metrics.samples;
  }

  #sweepStatus(): SweepStatus | null {
    const { resync } = this.#open.meta;
    if (resync === null) return null;
    const { phase, reason, wouldRemove, of } = resync;
    return { state: phase, reason, wouldRemove, of };
  }

  #advice(): { reason: string | null; hint: string | null } {
    const sweeping = this.#sweepStatus();
    if (this.#trouble !== null) {
      return { reason: this.#trouble.message, hint: this.#trouble.hint };
    }
    if (sweeping?.state === "held") {
      return {
        reason:
          `a sweep is held: the origin's answer lacks ${sweeping.wouldRemove} of ${sweeping.of} rows`,
        hint: "approve the removal if the origin is right; else mend it and resync",
      };
    }
    return { reason: null, hint: null };
  }

  /** A snapshot of everything an operator wants to know. */
  status(): TableStatus {
    const now = this.#clock.now();
    const { meta, cursor } = this.#open;
    const metrics = this.#metrics;
    const iso = (ms: number | null) => ms === null ? null : new Date(ms).toISOString();
    const head = this.#reading?.asked.head ?? null;
    const rate = metrics.sample(now);
    return {
      table: this.table,
      url: this.#config.endpoint.printable,
      state: this.#state,
      since: new Date(this.#stateSince).toISOString(),
      live: isLive(this.#state),
      ...this.#advice(),
      rows: meta.rows,
      rowsExact: meta.exact,
      cursor: cursor === null ? null : formatOrder(cursor),
      cursorTime: cursor === null ? null : orderTime(cursor)?.toISOString() ?? null,
      head: head === null ? null : formatOrder(head),
      progress: isLive(this.#state) ? null : this.#reading?.progress ?? null,
      lastContact: iso(this.#lastContact),
      ageSeconds: this.#lastContact === null ? null : (now - this.#lastContact) / 1000,
      lagSeconds: this.#lagMs === null ? null : this.#lagMs / 1000,
      recordsPerSecond: rate,
      records: metrics.records(),
      bytes: metrics.bytes,
      commits: metrics.commits,
      commitSeconds: metrics.commitSeconds(),
      connections: metrics.connections,
      reconnects: metrics.reconnects(),
      errors: [...metrics.errors],
      nextAttempt: iso(this.#nextAttempt),
      quarantined: meta.quarantined,
      quarantinedBy: metrics.quarantinedBy(),
      warnings: this.#warnings,
      sweep: this.#sweepStatus(),
      hooks: this.#hooks?.status() ?? [],
    };
  }
}
