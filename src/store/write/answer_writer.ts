/**
 * The end of the pipeline: a `WritableStream` that commits batches of rows to Deno KV.
 *
 * Two ways of working:
 *
 * - **Gathering**, while catching up: rows are collected in a window, sorted by key and committed
 *   in runs, two on their way while the next window fills. The cursor moves at a window's end.
 * - **Following**, once the stream has slowed down: whatever has arrived is committed at once, in
 *   the origin's order, and what arrives meanwhile joins the next commit. Every row is compared
 *   with what is stored, so that counts and change events are exact.
 *
 * A quiet spell leads from the first to the second, a growing backlog back.
 *
 * @module
 */

import type { Clock } from "../../base/clock.ts";
import { Signal } from "../../base/signal.ts";
import { compareOrder, maxOrder, type Order } from "../../protocol/cursor.ts";
import type { RowBatch } from "../../stream/row_reader.ts";
import { RowCounter } from "../table/row_counter.ts";
import { Classifier } from "./classify.ts";
import { OPERATION_ROWS, rowsPerOperation } from "../kv/limits.ts";
import { ArrivalRate, LARGE_QUIET_MS, QUIET_MS } from "./arrival_rate.ts";
import { WindowLimits } from "./window_limits.ts";
import { WindowCommit } from "./window_commit.ts";
import type { AnswerWriterOptions } from "./answer_writer_options.ts";
import type { Table } from "../table/table.ts";
import { aboutToWrite, caughtUp, counted, covered, heldBack } from "../table/table_state.ts";
import { Window, type WindowOptions } from "./window.ts";

/** Rows of a table that one answer of the origin holds, on their way into the store. */
export class AnswerWriter {
  readonly #table: Table;
  readonly #options: AnswerWriterOptions;
  readonly #clock: Clock;
  readonly #decider: Classifier;
  readonly #windows: WindowOptions;
  readonly #limits: WindowLimits;
  #pending: Window;
  /** The last window of a stream that has just slowed down: still committed as gathered. */
  #gathered: Window | null = null;
  /** The window that is being committed. */
  #current: Window | null = null;
  readonly #pace = new ArrivalRate();
  /** Whether the origin has to wait, so that its silence says nothing. */
  isBlocking = false;
  #following = false;
  #flushing = false;
  #abandoned = false;
  #reached = false;
  /** The answer is not in order: only its end tells that everything up to its greatest is here. */
  #pinned: boolean;
  #sawInversion = false;
  #greatest: Order | null = null;
  /** The least order of the answer, as far as it is in order. */
  #least: Order | null = null;
  #work: Promise<void> | null = null;
  #patience: AbortController | null = null;
  /** Rows were handed out, a barrier was passed, or the work is done: who writes looks again. */
  readonly #room = new Signal();
  /** Barriers under way: what arrives meanwhile waits. */
  #barriers = 0;
  #failure: unknown = null;
  #controller: WritableStreamDefaultController | null = null;

  /** @param empty whether the store holds no row of the table */
  constructor(table: Table, empty: boolean, options: AnswerWriterOptions) {
    this.#table = table;
    this.#options = options;
    this.#clock = table.clock;
    this.#decider = new Classifier(table, empty, options.observer.awaitsEvents);
    this.#pinned = table.meta.unsorted;
    this.#following = options.following;
    this.#limits = options.room ?? new WindowLimits();
    this.#windows = this.#limits.windowsOf(table, options.isTransformed);
    this.#pending = new Window(this.#windows);
  }

  /** The stream to pipe an answer's batches into. Closing it commits all that was written. */
  writable(): WritableStream<RowBatch> {
    return new WritableStream<RowBatch>({
      start: (controller) => {
        this.#controller = controller;
      },
      write: (batch) => this.#write(batch),
      close: () => this.flush(),
      abort: () => this.abandon(),
    }, { highWaterMark: 1 });
  }

  /** Everything of the answer has arrived so far: it is stored when this resolves. */
  async caughtUp(): Promise<void> {
    await this.flush();
    this.#reached = true;
    this.#following = true;
    const { meta } = this.#table;
    const cursor = maxOrder(meta.cursor, this.#greatest);
    if (cursor !== meta.cursor || meta.unsorted !== this.#sawInversion) {
      await this.#table.save(caughtUp(meta, this.#greatest, this.#sawInversion));
    }
    this.#pinned = false;
    // All of it is here: an inversion that comes later can't take the cursor back behind it.
    this.#decider.start = cursor;
    this.#table.index?.caughtUp(cursor);
    const { untold } = this.#table;
    if (untold !== null && cursor !== null && compareOrder(cursor, untold) >= 0) {
      this.#table.untold = null;
    }
    // Parts that no row names yet may be those of a row on its way.
    if (this.#table.mayHaveParts && !meta.exact) await this.paused(() => this.#table.tidy());
    if (!this.#table.meta.exact && this.#options.count) {
      this.#table.counter ??= new RowCounter(this.#table.store.writer, this.#table.name);
      this.#wake();
    }
  }

  /**
   * Counts on, where the count is an estimate, for so many milliseconds at most; the rest is for
   * the next answer. Only when the stream is over.
   */
  async count(ms: number): Promise<void> {
    const end = this.#clock.monotonic() + ms;
    for (let { counter } = this.#table; counter !== null && this.#clock.monotonic() <= end;) {
      await this.#count(counter);
      ({ counter } = this.#table);
    }
  }

  /** Runs something that must not run beside a commit; what arrives meanwhile waits. */
  async paused(action: () => Promise<void>): Promise<void> {
    this.#barriers++;
    try {
      // Before the flush, which would wake it again.
      this.#table.counter = null;
      await this.flush();
      await action();
    } finally {
      this.#barriers--;
      this.#room.notify();
    }
  }

  /** Commits what has arrived. */
  async flush(): Promise<void> {
    this.#patience?.abort();
    this.#flushing = true;
    try {
      // Twice where a count was under way: it ends, and what has come meanwhile is committed.
      while (this.#work !== null) await this.#work;
      this.#wake();
      while (this.#work !== null) await this.#work;
    } finally {
      this.#flushing = false;
    }
    this.#check();
    if (this.#table.counter !== null) this.#wake();
  }

  /** Drops what is not on its way, and waits for what is. */
  async abandon(): Promise<void> {
    this.#abandoned = true;
    // It counts on rows that may never be written.
    if (this.#work !== null) this.#table.counter = null;
    const dropped = this.#drop();
    this.#patience?.abort();
    this.#room.notify();
    // Where the pipe still runs, it would go on filling a window that nobody empties.
    this.#controller?.error(new Error("abandoned"));
    await this.#work?.catch(() => {});
    await dropped;
  }

  /** Forgets what is pending. */
  #drop(): Promise<void> {
    const window = this.#pending;
    this.#pending = new Window(this.#windows);
    return window.close();
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  async #write(batch: RowBatch): Promise<void> {
    await this.#room.until(() => this.#barriers === 0);
    this.#check();
    if (batch.rows.length === 0 && batch.rejects.length === 0) return;
    this.#greatest = maxOrder(this.#greatest, batch.maxOrder);
    this.#least ??= batch.minOrder;
    if (!batch.sorted && !this.#reached && !this.#sawInversion) this.#pin();
    this.#pace.note(batch.rows.length, this.#clock.monotonic());
    this.#pending.add(batch);
    if (this.#isDue()) this.#wake();
    else if (this.#patience === null) void this.#wait();
    // A full window behind one that is being committed: the origin waits.
    this.isBlocking = true;
    while (this.#work !== null && this.#isCrowded() && !this.#abandoned) {
      if (this.#maySpill()) await this.#pending.spill();
      else await this.#room.until(() => this.#isReleased());
      this.#check();
    }
    this.isBlocking = false;
  }

  /** Whether who waits for room has something to do. */
  #isReleased(): boolean {
    return this.#work === null || this.#abandoned || !this.#isCrowded() || this.#maySpill();
  }

  /** The answer is out of order: what came so far is no prefix of it. */
  #pin(): void {
    this.#sawInversion = true;
    if (this.#pinned) return;
    this.#pinned = true;
    this.#table.become(heldBack(this.#table.meta, this.#decider.start));
  }

  #isFull(): boolean {
    return this.#limits.isFull(this.#pending, this.#following);
  }

  /** Whether the origin has to wait: what is gathered, and what is left to commit, is enough. */
  #isCrowded(): boolean {
    return this.#isFull() || this.#limits.isCrowded(this.#pending, this.#current);
  }

  #maySpill(): boolean {
    const { rows } = this.#table.meta;
    return !this.#following && this.#limits.maySpill(this.#pending, rows);
  }

  /** Watches a gathering stream for quiet. */
  async #wait(): Promise<void> {
    const patience = new AbortController();
    this.#patience = patience;
    this.#pace.begin(this.#pending.left, this.#clock.monotonic());
    try {
      while (!this.#following) {
        await this.#clock.sleep(QUIET_MS, patience.signal);
        if (this.#work !== null) {
          // What a commit leaves of the machine says nothing of the stream.
          this.#pace.begin(0, this.#clock.monotonic());
          continue;
        }
        const quietMs = this.#pending.isPacked ? LARGE_QUIET_MS : QUIET_MS;
        const { isQuiet, isSlow } = this.#pace.look(this.#clock.monotonic(), quietMs);
        const isDone = this.#pending.empty && this.#isSettled();
        if (!isSlow && (!isQuiet || isDone)) continue;
        this.#following = isSlow;
        this.#gathered = this.#pending;
        this.#wake();
      }
    } catch {
      // Abandoned.
    } finally {
      this.#patience = null;
    }
  }

  /** Whether what is pending is to be committed now. */
  #isDue(): boolean {
    return this.#following || this.#flushing || this.#pending === this.#gathered ||
      this.#pending.runs > 0 || this.#isFull();
  }

  /** Whether all that was sent is durable, and the cursor says so. */
  #isSettled(): boolean {
    const { committer, meta, cursor } = this.#table;
    return committer.isIdle && meta.cursor === cursor;
  }

  #wake(): void {
    if (this.#work !== null || this.#abandoned) return;
    this.#work = this.#run().catch((error: unknown) => {
      this.#failure ??= error;
      // A quiet stream brings no write that could throw it: the pipe learns of it here.
      this.#controller?.error(error);
      return this.#drop();
    }).finally(() => {
      this.#work = null;
      this.#room.notify();
      // What was written in the moment in between.
      if (this.#failure === null && !this.#pending.empty && this.#isDue()) this.#wake();
    });
  }

  async #run(): Promise<void> {
    for (;;) {
      while (!this.#pending.empty && this.#isDue()) {
        if (this.#abandoned) return;
        const { left, isPacked } = this.#pending;
        if (this.#following && (left >= this.#limits.behindRows || isPacked)) this.#fallBehind();
        const window = this.#take();
        this.#room.notify();
        this.#current = window;
        try {
          await this.#commit(window);
        } finally {
          this.#current = null;
          await window.close();
        }
      }
      if (!this.#following && !this.#flushing && this.#gathered === null) {
        // What is on its way is not waited for: the next window goes on behind it. Should none
        // come, whoever watches for quiet sees to the cursor.
        if (this.#patience === null) void this.#wait();
        return;
      }
      await this.#table.committer.idle();
      if (!this.#isSettled()) await this.#table.save();
      await this.#table.dropReplaced();
      this.#gathered = null;
      if (this.#pending.empty || !this.#isDue()) {
        if (this.#table.counter === null || this.#abandoned || this.#flushing) return;
        await this.#count(this.#table.counter);
      }
    }
  }

  #take(): Window {
    if (this.#isFollowed(this.#pending) && this.#pending.left > OPERATION_ROWS) {
      return this.#pending.take(OPERATION_ROWS);
    }
    const { ascending, left, length } = this.#pending;
    const full = rowsPerOperation(left, length);
    if (ascending && !this.#flushing && this.#pending !== this.#gathered && left > full) {
      // Full operations only: the rest begins the next window.
      return this.#pending.take(left - left % full);
    }
    const window = this.#pending;
    this.#pending = new Window(this.#windows);
    return window;
  }

  /** Whether a window is committed as one of a stream that is followed: compared, in order. */
  #isFollowed(window: Window): boolean {
    return this.#following && !window.isPacked && window !== this.#gathered;
  }

  #fallBehind(): void {
    this.#following = false;
    this.#reached = false;
    this.#options.observer.behind();
  }

  async #count(counter: RowCounter): Promise<void> {
    const rows = await counter.step();
    // Told to stop meanwhile: what was counted is out of date.
    if (rows === null || this.#table.counter !== counter) return;
    this.#table.counter = null;
    await this.#table.save(counted(this.#table.meta, rows));
  }

  async #commit(window: Window): Promise<void> {
    const table = this.#table;
    const { observer } = this.#options;
    const manner = { isFollowed: this.#isFollowed(window), isOrdered: window.ascending };
    table.become(aboutToWrite(table.meta, window.maxOrder, this.#least, !this.#pinned));
    this.#decider.begin(window);
    const run = new WindowCommit(table, observer, this.#options.tombstoneTtlMs);
    for (const reject of window.rejects) {
      if (!await table.rejects.isNew(reject)) continue;
      await run.quarantine(reject);
      observer.quarantined(reject.reason);
    }
    // Looked up, compared and put into operations together.
    for await (const rows of window.slices(OPERATION_ROWS)) {
      if (this.#abandoned) throw new Error("abandoned");
      // Readers of a live table see a prefix of the origin's order.
      if (manner.isFollowed) rows.sort((a, b) => compareOrder(a.order, b.order));
      const decisions = await this.#decider.decide(rows, manner);
      for (const [i, row] of rows.entries()) {
        const decision = decisions[i];
        if (decision === undefined) continue;
        // Most rows just join an operation: awaiting each would cost as much as writing it.
        const sent = run.add(row, decision);
        if (sent !== undefined) await sent;
        if (decision.rows !== 0) this.#table.counter?.adjust(row.key, decision.rows);
      }
      this.#room.notify();
    }
    this.#decider.end();
    if (window.superseded > 0) observer.counted("stale", window.superseded);
    const target = maxOrder(table.meta.cursor, window.maxOrder);
    await run.end(this.#pinned ? table.meta.cursor : target, () => {
      if (!this.#pinned) table.become(covered(table.meta, target));
    });
  }
}
