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
import type { PassProof } from "./pass.ts";
import type { Holds } from "./holds.ts";
import type { Resync } from "./resync.ts";

/** An endless answer that sends nothing for so long, after its first bytes, has sent everything. */
const QUIET_MS = 1_000;

/** Between two looks for quiet, while catching up. */
const LOOK_MS = 250;

/** Counting the rows holds the next request of a table that polls up for so long at most. */
const COUNT_MS = 200;

/** The table that an answer is for. */
export interface TableParts {
  readonly config: ReplicaConfig;
  readonly table: Table;
  readonly journal: StatusRecorder;
  readonly resync: Resync;
  readonly holds: Holds;
}

export class AnswerIngest {
  /** What is noticed about the answer. */
  readonly reading: AnswerStats;
  readonly #parts: TableParts;
  readonly #sink: AnswerWriter;
  /** Wakes who sleeps while the answer is live, and nothing of it is to be looked at. */
  readonly #news = new Signal();
  #hasNews = false;

  /** @param isEmpty whether the store holds no row of the table */
  constructor(parts: TableParts, reading: AnswerStats, isEmpty: boolean) {
    const { config: { options }, table, journal } = parts;
    this.#parts = parts;
    this.reading = reading;
    this.#sink = new AnswerWriter(table, isEmpty, {
      tombstoneTtlMs: options.tombstoneTtlMs ?? TOMBSTONE_TTL_MS,
      count: !options.once,
      isTransformed: options.transform !== undefined,
      following: journal.isLive,
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
   * Stores what the answer brings, to its end.
   *
   * @param stop cuts the answer short
   * @param enough called when no more of it is wanted: it is live, and that was asked for
   */
  async run(answer: Answer, stop: AbortSignal, enough: () => void): Promise<void> {
    const endIsProved = answer.body !== null && await this.#read(answer, answer.body, stop, enough);
    await this.#reached(answer.endIsProof || endIsProved ? "whole" : "unproved-end");
    if (answer.body !== null) {
      this.#parts.journal.noteOddities(this.reading);
      await this.#parts.resync.noticed(this.#parts.journal.warnings);
    }
    await this.#sink.count(COUNT_MS);
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

  /** Pipes a body into the store, to its end. Returns whether the body itself proves its end. */
  async #read(
    answer: Answer,
    body: ReadableStream<Uint8Array>,
    stop: AbortSignal,
    enough: () => void,
  ): Promise<boolean> {
    const { options, name, clock } = this.#parts.config;
    const { journal, table } = this.#parts;
    const { metrics } = journal;
    const ending = new TrackedBody(body, (chunk) => journal.lastWord.heard(chunk));
    const reader = new RowReader({
      shape: table.shape,
      orders: table.orders,
      onTyped: (type) => table.become(typed(table.meta, type)),
      checkKey: (row) => unstorable(name, row),
      transform: options.transform,
      strict: options.strict ?? false,
    });
    const rows = rowStream({
      reader,
      ending,
      maxLength: options.maxLineLength ?? 16 * 2 ** 20,
      records: options.records,
      contentType: answer.contentType,
      onBatch: (batch) => {
        metrics.bytes += batch.bytes;
        if (batch.bytes > 0) journal.contact();
        this.reading.add(batch, clock.monotonic());
        this.#parts.resync.arrived(batch);
      },
    });
    const over = new AbortController();
    const watching = this.#watch(over.signal, enough);
    const signal = AbortSignal.any([stop, over.signal]);
    const piping = ending.readable.pipeThrough(rows).pipeTo(this.#sink.writable(), { signal });
    try {
      await Promise.race([piping, watching.then(() => new Promise<never>(() => {}))]);
    } finally {
      // Whichever of the two has failed: the other ends before the next answer is asked for.
      over.abort();
      await Promise.allSettled([piping, watching]);
      await this.#sink.abandon();
    }
    stop.throwIfAborted();
    ending.check(answer.url);
    return ending.endIsProved;
  }

  /** Notices when an answer that stays open has brought everything there was. */
  async #watch(over: AbortSignal, enough: () => void): Promise<void> {
    const { config: { clock, options }, journal } = this.#parts;
    let proven = false;
    let blocked = -Infinity;
    over.addEventListener("abort", () => this.#news.notify(), { once: true });
    while (!over.aborted) {
      try {
        await clock.sleep(LOOK_MS, over);
      } catch {
        return;
      }
      const { lastData } = this.reading;
      const now = clock.monotonic();
      if (this.#sink.isBlocking) blocked = now;
      const isQuiet = lastData !== null && now - Math.max(lastData, blocked) >= QUIET_MS;
      if (!proven && this.reading.hasHead) {
        proven = true;
        await this.#reached("whole");
      } else if (!journal.isLive && (isQuiet || this.reading.isFresh || proven)) {
        await this.#reached("quiet");
      }
      if (journal.isLive && options.once) enough();
      if (journal.isLive) await this.#whileLive(proven, over);
    }
  }

  /** Sleeps without a timer until there is something to look at again. */
  async #whileLive(proven: boolean, over: AbortSignal): Promise<void> {
    // A proof that may still come, or has just come, ends a resync.
    const { head, isEmpty } = this.reading.asked;
    if (!proven && (head !== null || isEmpty) && this.#parts.table.meta.resync !== null) {
      return;
    }
    await this.#news.until(() => this.#hasNews || over.aborted);
    this.#hasNews = false;
  }

  /** Everything the origin had is stored; a resync may come to its end. */
  async #reached(proof: PassProof): Promise<void> {
    const { journal, resync, holds } = this.#parts;
    await this.#sink.caughtUp();
    const { rows: records } = this.reading;
    await resync.reached({ proof, records, isLinked: false }, this.#sink);
    if (!journal.isLive) await this.#parts.table.assertReadable();
    await holds.complete();
    await this.#parts.table.completed();
    journal.enter(resync.isHeld ? "held" : "caught-up");
  }
}
