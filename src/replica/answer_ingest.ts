/**
 * One answer of the origin on its way into the store, and how it is noticed that everything there
 * was has come.
 *
 * @module
 */

import { Signal } from "../base/signal.ts";
import type { Answer } from "../origin/connect.ts";
import { unstorable } from "../store/kv/keys.ts";
import { AnswerWriter } from "../store/write/answer_writer.ts";
import type { Table } from "../store/table/table.ts";
import { typed } from "../store/table/table_state.ts";
import { RowReader } from "../stream/row_reader.ts";
import { rowStream } from "../stream/row_stream.ts";
import { TrackedBody } from "../stream/tracked_body.ts";
import type { ReplicaConfig } from "./config.ts";
import type { StatusRecorder } from "./status_recorder.ts";
import { TOMBSTONE_TTL_MS } from "./options.ts";
import type { AnswerStats } from "./answer_stats.ts";
import { judge, type Verdict } from "./liveness.ts";
import {
  answered,
  belowHead,
  doubted,
  opened,
  type OpenedAnswer,
  type Pass,
  type PassEnd,
  passEnd,
  type PassProof,
  type PassStep,
} from "./pass.ts";
import { behindHead, onlyForeign, unusableAnswer } from "./pass_errors.ts";
import type { Holds } from "./holds.ts";
import type { Resync } from "./resync.ts";
import type { WholeTable } from "./whole_table.ts";

/** Between two looks for quiet, while catching up. */
const LOOK_MS = 250;

/** An answer that is open for so long stays open: what it brings now and then may be a heartbeat. */
const OPEN_MS = 5_000;

/** Counting the rows holds the next request of a table that polls up for so long at most. */
const COUNT_MS = 200;

/** How many times as long a silence has to last, for each that was not believed; and at most. */
const PATIENCE = 3;
const MOST_PATIENCE = 27;

/** Of an answer that is the whole table: it has reached whatever head there is. */
const NOTHING_BEHIND = { newest: null, least: null, head: "above" } as const;

/** The table that an answer is for. */
export interface TableParts {
  readonly config: ReplicaConfig;
  readonly table: Table;
  readonly journal: StatusRecorder;
  readonly resync: Resync;
  readonly holds: Holds;
  /** Of a table whose answers are all of it; null of any other. */
  readonly whole: WholeTable | null;
}

export class AnswerIngest {
  /** What is noticed about the answer. */
  readonly reading: AnswerStats;
  readonly #parts: TableParts;
  readonly #sink: AnswerWriter;
  readonly #pass: Pass;
  /** Wakes who sleeps while the answer is live, and nothing of it is to be looked at. */
  readonly #news = new Signal();
  #hasNews = false;
  /** What follows, where an answer that is open is to be ended; null while it is read. */
  #step: PassStep | null = null;
  readonly #enough = new AbortController();
  /** Whether the answer has been open for long, or has come to where it brings what is new. */
  #isOpen = false;
  #blockedAt: number | null = null;

  /** @param isPage whether linked pages follow: only the last of them moves the cursor */
  constructor(parts: TableParts, reading: AnswerStats, pass: Pass, isPage: boolean) {
    const { config: { options }, table, journal } = parts;
    this.#parts = parts;
    this.reading = reading;
    this.#pass = pass;
    this.#sink = new AnswerWriter(table, !reading.asked.hasRows, {
      tombstoneTtlMs: options.tombstoneTtlMs ?? TOMBSTONE_TTL_MS,
      count: true,
      isTransformed: options.transform !== undefined,
      following: journal.isLive,
      isPage: isPage || pass.isLinked,
      isFuture: (order) => reading.isFuture(order),
      observer: {
        ...journal.observer,
        quarantined: (reason) => journal.metrics.quarantined(reason),
        behind: () => {
          journal.enter("behind");
          this.look();
        },
      },
    });
  }

  /**
   * Stores what the answer brings, to its end or to where enough is known.
   *
   * @param stop cuts the answer short
   * @returns what is to be done then
   */
  async run(answer: Answer, stop: AbortSignal): Promise<PassStep> {
    const { journal, resync } = this.#parts;
    const endIsProved = answer.body !== null && await this.#read(answer, answer.body, stop);
    if (this.#step !== null) return this.#step;
    const { reading } = this;
    if (reading.isUseless) throw unusableAnswer(reading, answer.url);
    journal.contact();
    const { whole } = this.#parts;
    const ended = reading.ended({
      since: reading.asked.since,
      isEndProved: answer.endIsProof || endIsProved,
      isNothingNew: answer.body === null,
      hasNext: answer.next !== null,
    });
    // An answer that is the whole table has nothing behind it.
    const step = answered(this.#pass, whole === null ? ended : { ...ended, ...NOTHING_BEHIND });
    if (step.next === "fail") throw behindHead(step.why, reading, answer.url);
    if (step.next === "page") {
      await this.#sink.flush();
      return step;
    }
    if (step.next === "again") {
      await this.#sink.caughtUp(step.pass.isLinked ? null : step.pass.greatest, false);
      this.#say(null);
      // An origin that had nothing has something again.
      if (resync.isHeld) await resync.reached(passEnd(step.pass, "quiet"), this.#sink);
      return step;
    }
    const isUndecided = this.#parts.table.meta.resync === null;
    await this.#reached(step.end);
    if (answer.body !== null && isUndecided) await whole?.ended(step.end, this.#sink);
    if (answer.body !== null) {
      this.#say(step.end.reason);
      await resync.noticed(journal.warnings);
    }
    await this.#sink.count(COUNT_MS);
    return step;
  }

  /** There may be something to look at: the stream outran the store, or a sweep was approved. */
  look(): void {
    this.#hasNews = true;
    this.#news.notify();
  }

  /** There is something to be done between two commits. */
  nudge(): void {
    this.#sink.flush().catch(() => {
      // Whoever reads the answer learns of it.
    });
  }

  /** Whole records that wait for the store, since when none was committed; milliseconds. */
  get standstillMs(): number {
    return this.#sink.standstillMs();
  }

  /** Pipes a body into the store, to its end. Returns whether the body itself proves its end. */
  async #read(
    answer: Answer,
    body: ReadableStream<Uint8Array>,
    stop: AbortSignal,
  ): Promise<boolean> {
    const { options, name, clock } = this.#parts.config;
    const { journal, table, resync, whole } = this.#parts;
    const { metrics } = journal;
    const ending = new TrackedBody(body, (chunk) => journal.lastWord.heard(chunk));
    const reader = new RowReader({
      shape: table.shape,
      orders: table.orders,
      onTyped: (type) => table.become(typed(table.meta, type)),
      checkKey: (row) => unstorable(name, row),
      transform: options.transform,
      strict: options.strict ?? false,
      isWhole: options.whole ?? false,
      isFuture: (order) => this.reading.isFuture(order),
      foreignKinds: table.rejects.foreignKinds,
    });
    const rows = rowStream({
      reader,
      ending,
      maxLength: options.maxLineLength ?? 16 * 2 ** 20,
      records: options.records,
      contentType: answer.contentType,
      onBatch: (batch) => {
        metrics.bytes += batch.bytes;
        this.reading.add(batch, clock.monotonic());
        // What can't be used is no contact, unless the answer stays open: it is a heartbeat then.
        const isEmpty = batch.rejects.length === 0 && !batch.isPending;
        const isLife = this.reading.rows > 0 || this.#isOpen ||
          (isEmpty && !this.reading.isUseless);
        if (batch.bytes > 0 && isLife) journal.contact();
        resync.arrived(batch);
      },
      staysOpen: () => this.#isOpen,
    });
    const over = new AbortController();
    const watching = this.#watch(over.signal, answer.url);
    const signal = AbortSignal.any([stop, over.signal, this.#enough.signal]);
    const read = ending.readable.pipeThrough(rows);
    const ordered = whole === null ? read : read.pipeThrough(whole.rows.stream());
    const piping = ordered.pipeTo(this.#sink.writable(), { signal });
    try {
      await Promise.race([piping, watching.then(() => new Promise<never>(() => {}))]);
    } catch (error) {
      if (this.#step === null || stop.aborted) throw error;
    } finally {
      // Whichever of the two has failed: the other ends before the next answer is asked for.
      over.abort();
      await Promise.allSettled([piping, watching]);
      await this.#sink.abandon();
    }
    stop.throwIfAborted();
    if (this.#step === null) ending.check(answer.url);
    return ending.endIsProved;
  }

  /** Ends an answer that is open: what follows is known. */
  #end(step: PassStep): void {
    this.#step = step;
    this.#enough.abort();
  }

  /** Notices when an answer that stays open has brought everything there was. */
  async #watch(over: AbortSignal, url: string): Promise<void> {
    const { config: { clock }, journal } = this.#parts;
    const { headersAt } = this.reading.asked;
    let isHeadKnown = false;
    over.addEventListener("abort", () => this.#news.notify(), { once: true });
    while (!over.aborted && this.#step === null) {
      try {
        await clock.sleep(LOOK_MS, over);
      } catch {
        return;
      }
      const now = clock.monotonic();
      if (this.#sink.isBlocking) this.#blockedAt = now;
      if (now - headersAt >= OPEN_MS) this.#isOpen = true;
      const { guesses } = this.#pass;
      const verdict = judge(
        this.reading.open(this.#blockedAt),
        now,
        Math.min(MOST_PATIENCE, PATIENCE ** guesses),
      );
      if (!isHeadKnown || !journal.isLive || verdict !== "head") await this.#follow(verdict, url);
      isHeadKnown ||= verdict === "head";
      const isKnown = verdict !== "reading" && journal.isLive && journal.isSure;
      if (isKnown && this.#step === null) await this.#whileLive(isHeadKnown, over);
    }
  }

  /** Does what follows from what is known of the answer. */
  async #follow(verdict: Verdict, url: string): Promise<void> {
    const { journal, config: { options } } = this.#parts;
    switch (verdict) {
      case "reading":
        return journal.resumed();
      case "waiting":
        return journal.wait(onlyForeign(this.reading, url));
      case "unusable":
        throw unusableAnswer(this.reading, url);
      case "stalled": {
        const step = belowHead(opened(this.#pass, this.#sofar()));
        if (step.next === "fail") throw behindHead(step.why, this.reading, url);
        await this.#sink.flush();
        return this.#end(step);
      }
      case "head":
        return await this.#live("whole");
      case "now":
        return journal.isLive && journal.isSure ? undefined : await this.#live("now");
      case "quiet": {
        const isAwaited = this.#parts.table.meta.resync?.phase === "reading";
        if (!journal.isLive || !journal.isSure || isAwaited) {
          return await this.#believe(options.once ?? false);
        }
        this.#isOpen = true;
        journal.contact();
      }
    }
  }

  /** A silence is a guess: it is asked about once more where something depends on it. */
  async #believe(isOnce: boolean): Promise<void> {
    const { journal } = this.#parts;
    const asked = doubted(this.#pass, this.#sofar());
    if (asked === null) return await this.#live("quiet");
    if (isOnce) await this.#sink.flush();
    else await this.#guess();
    // A resync ends by a silence that was asked about: held, where rows would be removed.
    const isAwaited = this.#parts.table.meta.resync?.phase === "reading";
    if (isOnce || !journal.isSure || isAwaited) {
      this.#end({ next: "again", pauses: false, pass: asked });
    }
  }

  /** The answer is taken for complete, where nothing depends on it. */
  async #guess(): Promise<void> {
    const { journal } = this.#parts;
    if (journal.isLive) return;
    this.#isOpen = true;
    journal.contact();
    await this.#sink.caughtUp();
    await this.#enterLive(true);
  }

  /** The answer is live. */
  async #live(proof: PassProof): Promise<void> {
    const { journal, config: { options } } = this.#parts;
    const end = passEnd(opened(this.#pass, this.#sofar()), proof);
    this.#isOpen = true;
    journal.contact();
    await this.#reached(end);
    this.#say(end.reason);
    if (options.once) this.#end({ next: "end", end, pass: null });
  }

  /** What the answer has brought so far. */
  #sofar(): OpenedAnswer {
    const { rows, unusable, greatest, isSorted } = this.reading;
    return { records: rows, unreadable: unusable, newest: greatest, isSorted };
  }

  /** Says what is odd about the answer. */
  #say(reason: string | null): void {
    this.#parts.journal.noteOddities(this.reading.warnings(), reason, this.#pass.answers === 0);
  }

  /** Sleeps without a timer until there is something to look at again. */
  async #whileLive(isHeadKnown: boolean, over: AbortSignal): Promise<void> {
    // A proof that may still come, or has just come, ends a resync.
    const { head, isEmpty } = this.reading.asked;
    if (!isHeadKnown && (head !== null || isEmpty) && this.#parts.table.meta.resync !== null) {
      return;
    }
    await this.#news.until(() => this.#hasNews || over.aborted);
    this.#hasNews = false;
  }

  async #enterLive(isGuess: boolean): Promise<void> {
    const { journal, resync, table, holds } = this.#parts;
    if (!journal.isLive) {
      // As far as that takes a moment only: the rest is counted later.
      if (!table.meta.exact) await this.#sink.count(COUNT_MS);
      await table.assertReadable();
    }
    await holds.complete();
    await table.completed();
    journal.enter(resync.isHeld ? "held" : "caught-up", isGuess);
  }

  /** Everything the origin had is stored; a resync may come to its end. */
  async #reached(end: PassEnd): Promise<void> {
    const { resync, config: { options } } = this.#parts;
    await this.#sink.caughtUp(this.#parts.whole === null ? end.greatest : undefined);
    // Of an origin that never pauses a complete answer may still come; a run that ends can't wait.
    if (end.proof !== "never-pauses" || options.once) {
      await resync.reached(end, this.#sink);
    }
    await this.#enterLive(false);
  }
}
