/**
 * The end of the pipeline: a `WritableStream` that commits batches of rows to Deno KV.
 *
 * Two ways of working:
 *
 * - **Gathering**, while catching up: rows are collected in a window, sorted by key and committed
 *   in operations, two on their way while the next window fills. The cursor moves at a window's end.
 * - **Following**, once the stream has slowed down: whatever has arrived is committed at once, in
 *   the origin's order, and what arrives meanwhile joins the next commit. Every row is compared
 *   with what is stored, so that counts and change events are exact.
 *
 * One loop does it: what comes next is `flush_policy.ts`'s to say, how far the cursor may move
 * `answer_order.ts`'s. Whatever must not run beside a commit is a barrier, which the loop runs
 * between two steps.
 *
 * @module
 */

import { Signal } from "../../base/signal.ts";
import type { Order } from "../../protocol/cursor.ts";
import type { RowBatch } from "../../stream/row_reader.ts";
import { OPERATION_ROWS, rowsPerOperation } from "../kv/limits.ts";
import { RowCounter } from "../table/row_counter.ts";
import type { Table } from "../table/table.ts";
import { aboutToWrite, caughtUp, counted, covered, heldBack } from "../table/table_state.ts";
import { AnswerOrder } from "./answer_order.ts";
import type { AnswerWriterOptions } from "./answer_writer_options.ts";
import { ArrivalRate } from "./arrival_rate.ts";
import { Classifier } from "./classify.ts";
import { decidedSlices } from "./decided_slices.ts";
import { type FlushAction, type FlushFigures, type FlushState, nextFlush } from "./flush_policy.ts";
import { Mailbox } from "./mailbox.ts";
import { guardChanges, previewChanges } from "./preview_changes.ts";
import { Window, type WindowOptions } from "./window.ts";
import { WindowCommit } from "./window_commit.ts";
import { WindowLimits } from "./window_limits.ts";

/** Rows of a table that one answer of the origin holds, on their way into the store. */
export class AnswerWriter {
  readonly #table: Table;
  readonly #options: AnswerWriterOptions;
  readonly #classifier: Classifier;
  readonly #windows: WindowOptions;
  readonly #limits: WindowLimits;
  readonly #order: AnswerOrder;
  readonly #rate = new ArrivalRate();
  readonly #mailbox: Mailbox;
  readonly #room = new Signal();
  #state: FlushState;
  #pending: Window;
  /** The window of a stream that has just gone quiet or slow: still committed as gathered. */
  #gathered: Window | null = null;
  /** The window that is being committed. */
  #current: Window | null = null;
  #failure: unknown = null;
  #controller: WritableStreamDefaultController | null = null;
  /** When something was last committed, or there was nothing to commit. */
  #movedAt: number;
  #isRunning = false;

  /** @param empty whether the store holds no row of the table */
  constructor(table: Table, empty: boolean, options: AnswerWriterOptions) {
    const { meta, clock } = table;
    this.#table = table;
    this.#options = options;
    this.#classifier = new Classifier(table, empty, options.observer.awaitsEvents);
    const isSuspected = meta.unsorted || (options.isPage ?? false);
    this.#order = new AnswerOrder(meta.cursor, isSuspected, options.isFuture ?? (() => false));
    this.#state = options.following ? "following" : "filling";
    this.#limits = options.limits ?? new WindowLimits();
    this.#windows = this.#limits.windowsOf(table, options.isTransformed);
    this.#pending = new Window(this.#windows);
    this.#mailbox = new Mailbox(clock);
    this.#movedAt = clock.monotonic();
  }

  /** True while the origin has to wait, so that its silence says nothing. */
  get isBlocking(): boolean {
    return this.#isCrowded() && this.#state !== "closed";
  }

  /** The stream to pipe an answer's batches into. Closing it commits all that was written. */
  writable(): WritableStream<RowBatch> {
    return new WritableStream<RowBatch>({
      start: (controller) => {
        this.#controller = controller;
      },
      write: (batch) => this.#write(batch),
      close: () => this.flush(),
      abort: (reason) => this.abandon(reason),
    }, { highWaterMark: 1 });
  }

  /** For how long whole rows have been waiting without a commit, in milliseconds; 0 where none do. */
  standstillMs(): number {
    const isWaiting = !this.#pending.empty || this.#current !== null || !this.#isSettled();
    return isWaiting ? this.#table.clock.monotonic() - this.#movedAt : 0;
  }

  /**
   * Everything of the answer has arrived so far: it is stored when this resolves, and the cursor is
   * at the greatest order, or at another one where that is given. Is it all that the origin has, too?
   */
  caughtUp(greatest?: Order | null, isComplete = true): Promise<void> {
    return this.#barrier(() => this.#caughtUp(greatest, isComplete));
  }

  /** Runs something that must not run beside a commit; what arrives meanwhile waits. */
  paused(action: () => Promise<void>): Promise<void> {
    return this.#barrier(() => {
      this.#table.counter = null;
      return action();
    });
  }

  /** Commits what has arrived. */
  flush(): Promise<void> {
    return this.#barrier(() => Promise.resolve());
  }

  /**
   * Counts on, where the count is an estimate, for so many milliseconds at most; the rest is for
   * the next answer. Only when the stream is over.
   */
  count(ms: number): Promise<void> {
    return this.#barrier(async () => {
      const { clock } = this.#table;
      const end = clock.monotonic() + ms;
      while (this.#isCounting() && clock.monotonic() <= end) await this.#count();
    });
  }

  /**
   * Drops what is not on its way, and waits for what is.
   *
   * @param reason what those fail with who wait for something that is dropped
   */
  async abandon(reason: unknown = new Error("abandoned")): Promise<void> {
    const isBusy = this.#current !== null;
    // Nobody must take for complete what has lost a part.
    if (isBusy || !this.#pending.empty) this.#failure ??= reason;
    this.#state = "closed";
    // The count goes on rows that may never be written.
    if (isBusy) this.#table.counter = null;
    const dropped = this.#drop();
    this.#room.notify();
    // A pipe that still runs would go on filling a window that nobody empties.
    this.#controller?.error(reason);
    await this.#barrier(() => Promise.resolve()).catch(() => {});
    await dropped;
  }

  #barrier(action: () => Promise<void>): Promise<void> {
    this.#begin();
    return this.#mailbox.barrier(action);
  }

  /** The loop begins with the first thing that there is to do. */
  #begin(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#rate.begin(0, this.#table.clock.monotonic());
    void this.#run();
  }

  /** Forgets what is pending. */
  #drop(): Promise<void> {
    const window = this.#pending;
    this.#pending = new Window(this.#windows);
    return window.close();
  }

  async #write(batch: RowBatch): Promise<void> {
    await this.#mailbox.passed();
    this.#check();
    if (this.#state === "closed") throw new Error("abandoned");
    if (batch.rows.length === 0 && batch.rejects.length === 0) return;
    this.#begin();
    const now = this.#table.clock.monotonic();
    if (this.#order.note(batch)) {
      this.#table.become(heldBack(this.#table.meta, this.#order.start));
    }
    this.#rate.note(batch.rows.length, now);
    if (this.standstillMs() === 0) this.#movedAt = now;
    this.#pending.add(batch, this.#order.settled(batch));
    this.#mailbox.post();
    // A full window behind one that is being committed: the origin waits.
    while (this.isBlocking) {
      if (this.#maySpill()) await this.#pending.spill();
      else await this.#room.until(() => !this.isBlocking || this.#maySpill());
    }
    this.#check();
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  #isFull(): boolean {
    return this.#limits.isFull(this.#pending, this.#state === "following");
  }

  /** The origin has to wait: the rows gathered, and those left to commit, are enough. */
  #isCrowded(): boolean {
    return this.#isFull() || this.#limits.isCrowded(this.#pending, this.#current);
  }

  #maySpill(): boolean {
    return this.#current !== null && this.#state !== "following" &&
      this.#limits.maySpill(this.#pending, this.#table.meta.rows);
  }

  /** All that was sent is durable, and the cursor says so. */
  #isSettled(): boolean {
    const { committer, meta, cursor, parts } = this.#table;
    return committer.isIdle && meta.cursor === cursor && parts.isSettled;
  }

  #figures(): FlushFigures {
    const now = this.#table.clock.monotonic();
    return {
      isEmpty: this.#pending.empty,
      pendingRows: this.#pending.left,
      isFull: this.#isFull(),
      isPacked: this.#pending.isPacked,
      isSpilled: this.#pending.runs > 0,
      isGathered: this.#pending === this.#gathered,
      isSettled: this.#isSettled(),
      isBarrierWaiting: this.#mailbox.hasBarrier,
      isCounting: this.#isCounting(),
      quietMs: this.#rate.quietMs(now),
      recentRows: this.#rate.takeRecentRows(now),
    };
  }

  /** Never rejects: a failure closes the writer, and is what barriers and writes reject with. */
  async #run(): Promise<void> {
    for (;;) {
      const { state, action } = nextFlush(this.#state, this.#figures());
      const isLast = state === "draining" || state === "slowing";
      if (!isLast) this.#gathered = null;
      else if (state !== this.#state) this.#gathered = this.#pending;
      this.#state = state;
      try {
        await this.#do(action);
      } catch (error) {
        await this.#fail(error);
      }
      if (action.kind !== "wait") {
        const now = this.#table.clock.monotonic();
        // A machine that was busy with a commit says nothing of the stream.
        this.#rate.begin(0, now);
        this.#movedAt = now;
        this.#room.notify();
      }
    }
  }

  async #fail(error: unknown): Promise<void> {
    // An abandoned commit is nobody's news.
    if (this.#state === "closed") return;
    this.#failure = error;
    this.#state = "closed";
    // A quiet stream brings no write that could throw it: the pipe learns of it here.
    this.#controller?.error(error);
    await this.#drop();
  }

  async #do(action: FlushAction): Promise<void> {
    switch (action.kind) {
      case "commit":
        return await this.#commitNext(action.manner === "followed");
      case "settle":
        return await this.#settle();
      case "barrier":
        return await this.#runBarrier();
      case "behind":
        this.#order.fellBehind();
        return this.#options.observer.behind();
      case "count":
        return await this.#count();
      case "wait":
        return await this.#mailbox.next(action.waitMs);
    }
  }

  async #runBarrier(): Promise<void> {
    if (this.#state === "closed") {
      // Nothing is settled any more: what was on its way may fail, and a commit behind it succeed.
      await this.#table.committer.idle().catch((error: unknown) => this.#failure ??= error);
    }
    await this.#mailbox.runBarrier(this.#failure);
  }

  async #settle(): Promise<void> {
    const table = this.#table;
    await table.committer.idle();
    if (table.meta.cursor !== table.cursor) await table.save();
    await table.parts.drop();
  }

  async #caughtUp(greatest = this.#order.greatest, isComplete = true): Promise<void> {
    const table = this.#table;
    if (this.#state !== "closed") this.#state = "following";
    const { meta } = table;
    const state = caughtUp(meta, greatest, this.#order.wasUnsorted);
    const { cursor } = state;
    if (cursor !== meta.cursor || meta.unsorted !== state.unsorted) await table.save(state);
    this.#order.complete(cursor);
    this.#classifier.start = cursor;
    table.index?.caughtUp(cursor);
    table.unnotified.caughtUp(cursor);
    if (!isComplete) return;
    if (!meta.exact) await table.parts.collect();
    if (!table.meta.exact && this.#options.count) {
      table.counter ??= new RowCounter(table.store.writer, table.name);
    }
  }

  #isCounting(): boolean {
    const { counter, digester } = this.#table;
    return counter !== null || digester?.isDone === false;
  }

  async #count(): Promise<void> {
    const { counter, digester } = this.#table;
    if (counter === null) return await digester?.step();
    const rows = await counter?.step() ?? null;
    // Told to stop meanwhile: what was counted is out of date.
    if (rows === null || this.#table.counter !== counter) return;
    this.#table.counter = null;
    this.#table.guard.correct(rows);
    await this.#table.save(counted(this.#table.meta, rows));
  }

  async #commitNext(isFollowed: boolean): Promise<void> {
    const window = this.#take(isFollowed);
    this.#room.notify();
    this.#current = window;
    try {
      await previewChanges(window, this.#classifier, () => this.#pending, () => this.#isOver());
      await this.#commit(window, isFollowed);
    } finally {
      this.#current = null;
      await window.close();
    }
  }

  /** The answer is over, or no more of it fits. */
  #isOver(): boolean {
    return this.#mailbox.hasBarrier || this.isBlocking || this.#state === "closed";
  }

  #take(isFollowed: boolean): Window {
    const { ascending, left, length } = this.#pending;
    if (isFollowed && left > OPERATION_ROWS) return this.#pending.take(OPERATION_ROWS);
    const full = rowsPerOperation(left, length);
    const isLast = this.#mailbox.hasBarrier || this.#pending === this.#gathered;
    if (!isFollowed && ascending && !isLast && left > full) {
      // Full operations only: the rest begins the next window.
      return this.#pending.take(left - left % full);
    }
    const window = this.#pending;
    this.#pending = new Window(this.#windows);
    return window;
  }

  async #commit(window: Window, isFollowed: boolean): Promise<void> {
    const table = this.#table;
    const { observer } = this.#options;
    const order = this.#order;
    const traits = { isFollowed, isOrdered: window.ascending };
    // Before the first of them is written: what a crash leaves of the window is compared later.
    table.become(aboutToWrite(table.meta, window.maxOrder, order.least, order.isPrefix));
    // In a remote store only a window's end is signed: what lies above `high` isn't compared.
    if (!table.committer.isOrdered && !isFollowed) await table.save();
    this.#classifier.begin(window);
    const commit = new WindowCommit(table, observer, this.#options.tombstoneTtlMs, isFollowed);
    for (const reject of window.rejects) {
      if (!await table.rejects.isNew(reject)) continue;
      await commit.quarantine(reject);
      observer.quarantined(reject.reason);
    }
    // Looked up, compared and put into operations together.
    const slices = decidedSlices(this.#classifier, window.slices(OPERATION_ROWS), traits);
    for await (const { rows, decisions } of slices) {
      if (this.#state === "closed") throw new Error("abandoned");
      guardChanges(table.guard, decisions);
      for (const [i, row] of rows.entries()) {
        const decision = decisions[i];
        if (decision === undefined) continue;
        // Most rows just join an operation: awaiting each would cost as much as writing it.
        const sent = commit.add(row, decision);
        if (sent !== undefined) await sent;
        if (decision.rows !== 0) table.counter?.adjust(row.key, decision.rows);
      }
      this.#movedAt = table.clock.monotonic();
      this.#room.notify();
    }
    this.#classifier.end();
    if (window.superseded > 0) observer.counted("stale", window.superseded);
    const target = order.cursorAfter(table.meta.cursor, window.settledOrder);
    await commit.end(target, () => {
      // An inversion that was seen meanwhile has taken the cursor back.
      if (order.isPrefix) table.become(covered(table.meta, target));
    });
  }
}
