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
  formatOrder,
  type Order,
  type OrderKind,
  orderKind,
  orderTime,
  parseOrder,
  rewind,
} from "../protocol/cursor.ts";
import { LockstepError, messageOf } from "../protocol/errors.ts";
import type { RecordShape } from "../protocol/record.ts";
import type { CommitEvent } from "../store/change.ts";
import { unstorable } from "../store/keys.ts";
import { BEAT_MS } from "../store/lease.ts";
import type { Outcome } from "../store/plan.ts";
import { TableReader } from "../store/reader.ts";
import { takeRequests } from "../store/requests.ts";
import { TableSink } from "../store/sink.ts";
import { storeFault } from "../store/faults.ts";
import type { Store } from "../store/store.ts";
import { isSweepAllowed, sizeSweep, sweep } from "../store/sweep.ts";
import { Table } from "../store/table.ts";
import { RowReader } from "../stream/rows.ts";
import { Ending, rowStream } from "../stream/values.ts";
import { TableMetrics } from "./metrics.ts";
import type { ReplicatorOptions } from "./options.ts";
import { Reading } from "./reading.ts";
import { isLive, type StateEvent, transition } from "./state.ts";
import type { HookStatus, Sample, StateName, SweepStatus, TableStatus } from "./status.ts";

const log = logger("replica");

/** An endless answer that sends nothing for so long, after its first bytes, has sent everything. */
const QUIET_MS = 1_000;

/** A loop that gave no sign for so long hangs: six missed beats. */
const HANGING_MS = 6 * BEAT_MS;

/** A commit that takes so long hangs. */
const STUCK_MS = 60_000;

/** Between two looks for quiet, while catching up. */
const LOOK_MS = 250;

const DAY_MS = 86_400_000;

/** What is settled about a table before its loop starts. */
export interface ReplicaConfig {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly shape: RecordShape;
  readonly since: Order | null;
  readonly options: ReplicatorOptions;
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

export class Replica {
  readonly table: string;
  readonly reader: TableReader;
  /** What runs after commits, for the status. */
  readonly hooks: HookStatus[] = [];
  readonly #config: ReplicaConfig;
  readonly #clock: Clock;
  readonly #metrics: TableMetrics;
  readonly #backoff: Backoff;
  readonly #client: OriginClient;
  readonly #open: Table;
  readonly #listeners = new Set<(event: CommitEvent) => void>();
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
      clock,
      onCommit: (milliseconds) => metrics.committed(milliseconds),
    });
    return new Replica(config, store, table, metrics);
  }

  /** Replicates until the signal aborts or, with `once`, until up to date. */
  async run(signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const ended = AbortSignal.any([signal, over.signal]);
    const beating = this.#beat(ended, signal);
    const looping = this.#loop(ended);
    try {
      await Promise.race([looping, beating.then(() => new Promise<never>(() => {}))]);
    } finally {
      over.abort();
      // Whichever of the two has failed: the other ends before the store is closed under it.
      await Promise.allSettled([beating, looping]);
      this.#enter("stop");
      this.#client[Symbol.dispose]();
      await this.#open.close(this.#needsRecovery ? null : this.#lastContact);
    }
  }

  async #loop(signal: AbortSignal): Promise<void> {
    const { options } = this.#config;
    if (options.resync && this.#open.meta.resync?.phase !== "reading") {
      await this.#open.beginResync("--resync was given");
    }
    if (this.#open.meta.resync?.phase === "removing") await this.#remove();
    while (!signal.aborted) {
      const failure = await this.#attempt(signal);
      if (signal.aborted || (failure === null && options.once)) return;
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
      if (failure.kind === "store" || failure.kind === "store-full") this.#needsRecovery = true;
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
    const reading = new Reading({ since, cursor, head, date: answer.date });
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
    try {
      await Promise.race([
        ending.readable.pipeThrough(rows).pipeTo(sink.writable(), { signal: stop }),
        watching.then(() => new Promise<never>(() => {})),
      ]);
    } finally {
      over.abort();
      await watching.catch(() => {});
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
      if (isLive(this.#state)) await this.#whileLive(reading, over);
    }
  }

  /** Sleeps without a timer until there is something to look at again. */
  #whileLive(reading: Reading, over: AbortSignal): Promise<void> {
    if (reading.asked.head !== null && !reading.hasHead && this.#open.meta.resync !== null) {
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
    if (failure.retry === "resync" && this.#open.meta.cursor !== null) {
      await this.#open.beginResync(failure.message);
    }
    const wait = this.#backoff.failed(
      failure.retry === "resync" && this.#open.meta.resync !== null &&
        this.#open.meta.cursor === null
        ? { retry: "soon" }
        : failure,
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
    const reason = this.#resyncReason;
    if (reason !== null) {
      this.#resyncReason = null;
      await this.#open.beginResync(reason);
      this.#enter("released");
      this.#enter("behind");
    }
    if (this.#approved && this.#open.meta.resync?.phase === "held") await this.#remove();
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
    for (const listener of this.#listeners) listener(event);
    await this.#config.options.onCommit?.(event);
  }

  /** While catching up unwatched, events would cost memory and serve nobody. */
  #wantsEvents(): boolean {
    return this.#listeners.size > 0 || this.#config.options.onCommit !== undefined ||
      isLive(this.#state);
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
    return overlap === undefined || isFresh ? cursor : rewind(cursor, overlap);
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
      hooks: [...this.hooks],
    };
  }
}
