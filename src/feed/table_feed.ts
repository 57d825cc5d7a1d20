/**
 * One table's feed: what a request for a cursor is answered with.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { BoundedStream } from "../stream/bounded_stream.ts";
import { logger } from "../base/log.ts";
import { compareOrder, type Order } from "../protocol/cursor.ts";
import { messageOf } from "../protocol/errors.ts";
import type { ChangeEntry, ChangePlace } from "../store/change_index/entry.ts";
import { lookUpChanges } from "../store/change_index/resolve_rows.ts";
import { backlog } from "./backlog.ts";
import type { FeedFacts } from "./answers.ts";
import type { FeedTable } from "./host.ts";
import { Beats, type BeatWish, beatWish } from "./beats.ts";
import { BLANK, type Bytes, encodeLines, lineOf } from "./lines.ts";
import { Broadcast, type Subscription } from "./broadcast.ts";

const log = logger("feed");

/** A reader that takes nothing of its backlog for so long is cut off, in milliseconds. */
const STALL_MS = 60_000;

/** Bytes that may wait for a reader, besides what the socket holds. They are shared with others. */
export const QUEUE_BYTES = 1024 * 1024;

/** Why a request can't be answered. */
export interface FeedRefusal {
  readonly status: 404 | 410 | 503;
  readonly reason: string;
}

/** An answer. */
export interface FeedAnswer extends FeedFacts {
  readonly body: ReadableStream<Bytes>;
}

export class TableFeed {
  readonly #table: FeedTable;
  readonly #clock: Clock;
  readonly #pump: Broadcast;
  readonly #beats: Beats;
  /** Readers of answers that stay open. */
  readonly #streams = new Set<BoundedStream>();
  /** Those who were not told where the end is. */
  readonly #headless = new Set<BoundedStream>();
  #ignore: (() => void) | null = null;

  constructor(table: FeedTable, clock: Clock) {
    this.#table = table;
    this.#clock = clock;
    this.#pump = new Broadcast(table, clock);
    this.#beats = new Beats(() => table.feedState(), clock);
  }

  /** Answers that are open. */
  get size(): number {
    return this.#streams.size;
  }

  /**
   * Why a request for what has this order or a later one can't be answered; null where it can.
   *
   * @param generation the one that the reader has come so far in; null where it doesn't tell
   */
  refusal(since: Order | null, finite: boolean, generation: string | null): FeedRefusal | null {
    const refusal = this.unready(since, finite);
    if (refusal !== null || since === null) return refusal;
    if (this.#table.index?.reachesBackTo(since, generation)) return null;
    return { status: 410, reason: "not everything that changed since can be told: ask from 0" };
  }

  /** The same without a look at what was forgotten. */
  unready(since: Order | null, finite: boolean): FeedRefusal | null {
    const { index, table } = this.#table;
    if (index === null) return { status: 404, reason: `${table} has no feed: --feed is not set` };
    if (!index.complete) {
      return { status: 503, reason: "the change index is being made: ask again in a while" };
    }
    const { cursor, live, isExpired } = this.#table.feedState();
    if (isExpired) {
      return { status: 503, reason: "this copy has expired (--expire): ask again in a while" };
    }
    if (!live && (finite || cursor === null)) {
      return { status: 503, reason: "this copy is not complete yet: ask again in a while" };
    }
    if (since === null) return null;
    if (cursor === null || compareOrder(since, cursor) > 0) {
      if (!live) {
        return { status: 503, reason: "this copy is not so far yet: ask again in a while" };
      }
      return { status: 410, reason: "since lies ahead of everything that is here: ask from 0" };
    }
    return null;
  }

  /** An answer that ends with what there is now. */
  finite(since: Order | null): FeedAnswer {
    const { cursor, ageMs } = this.#table.feedState();
    const chunks = cursor === null ? null : backlog(this.#table, {
      from: since === null ? null : { order: since, key: null },
      to: cursor,
      rowsOnly: since === null,
    });
    const body = new ReadableStream<Bytes>({
      pull: async (controller) => {
        for (;;) {
          const next = await chunks?.next();
          if (next === undefined || next.done) return controller.close();
          if (next.value.bytes.length === 0) continue;
          return controller.enqueue(next.value.bytes);
        }
      },
      cancel: async () => void await chunks?.return(undefined),
    }, { highWaterMark: 0 });
    return { body, head: cursor ?? "", generation: this.#table.index?.generation ?? "", ageMs };
  }

  /** An answer that goes on. */
  endless(since: Order | null, beat: BeatWish = beatWish(undefined)): FeedAnswer {
    const { cursor, live, originHead, ageMs } = this.#table.feedState();
    const stream = new BoundedStream({
      limitBytes: QUEUE_BYTES,
      stallMs: STALL_MS,
      clock: this.#clock,
    });
    const isAhead = originHead !== null && cursor !== null && compareOrder(originHead, cursor) > 0;
    const head = live ? cursor ?? "" : isAhead ? originHead : null;
    this.#streams.add(stream);
    if (head === null) this.#headless.add(stream);
    this.#ignore ??= this.#table.onProgress(() => this.#look());
    stream.over.addEventListener("abort", () => this.#forget(stream), { once: true });
    void this.#serve(stream, since, beat).catch((error: unknown) => {
      // Where the reader has gone, so has what it was reading.
      if (stream.open) {
        log.warn("{table}: the feed can't be read: {error}", {
          table: this.#table.table,
          error: messageOf(error),
        });
      }
      stream.cut("the store could not be read");
    });
    return { body: stream.body, head, generation: this.#table.index?.generation ?? "", ageMs };
  }

  /** Cuts off all readers. */
  close(): void {
    for (const stream of [...this.#streams]) stream.cut("this server is closing");
  }

  #forget(stream: BoundedStream): void {
    this.#streams.delete(stream);
    this.#headless.delete(stream);
    if (this.#streams.size > 0) return;
    this.#ignore?.();
    this.#ignore = null;
  }

  /** Who was not told where the end is asks again once that is known. */
  #look(): void {
    if (this.#headless.size === 0 || !this.#table.feedState().live) return;
    for (const stream of [...this.#headless]) stream.cut("this copy is complete now: ask again");
  }

  async #serve(stream: BoundedStream, since: Order | null, beat: BeatWish): Promise<void> {
    const { index } = this.#table;
    if (index === null) return;
    const { generation } = index;
    let place: ChangePlace | null = since === null ? null : { order: since, key: null };
    let isFirst = true;
    const begun = index.version;
    while (stream.open) {
      const { cursor, live } = this.#table.feedState();
      if (cursor !== null) {
        place = await this.#send(stream, place, cursor, isFirst && since === null);
        // What comes from now on may have the cursor's own order as well.
        // Not behind the cursor: it may have been taken back.
        const isAhead = place !== null && compareOrder(place.order, cursor) > 0;
        if (place !== null) place = { order: isAhead ? cursor : place.order, key: null };
      }
      if (isFirst) {
        isFirst = false;
        if (live) stream.push(BLANK);
        // Not before: the first blank line ends the backlog.
        this.#beats.add(stream, beat);
      }
      const membership = await this.#join(stream, cursor);
      if (index.generation !== generation) return stream.cut("the table was resynced: ask again");
      if (membership === null) continue;
      // The cursor may have moved over what was entered before, and nothing new be there. What was
      // late counts from the beginning: an earlier turn may have ended without having joined.
      if ((index.version !== begun || membership.from !== cursor) && membership.from !== null) {
        const { entries, least } = index.lateSince(begun);
        if (least !== null && place !== null && compareOrder(least, place.order) < 0) {
          place = { order: least, key: null };
        } else await this.#sendLate(stream, entries);
        place = await this.#send(stream, place, membership.from, place === null);
      }
      if (membership.release()) return;
      if (place !== null) place = { order: place.order, key: null };
    }
  }

  /**
   * Waits until the reader is one of those who get live rows; null where the cursor has moved on
   * before that could be. Joins at the very moment when a run of commits is complete: under a
   * steady stream the next one has begun an instant later.
   */
  #join(stream: BoundedStream, cursor: Order | null): Promise<Subscription | null> {
    const { promise, resolve } = Promise.withResolvers<Subscription | null>();
    const waiting = new AbortController();
    const done = (membership: Subscription | null) => {
      waiting.abort();
      resolve(membership);
    };
    const look = () => {
      if (waiting.signal.aborted) return;
      if (!stream.open) done(null);
      else if (this.#pump.isAtBoundary) done(this.#pump.join(stream));
      else if (this.#table.feedState().cursor !== cursor) done(null);
    };
    look();
    if (waiting.signal.aborted) return promise;
    const ignore = this.#table.onProgress(look);
    waiting.signal.addEventListener("abort", ignore, { once: true });
    stream.over.addEventListener("abort", look, { signal: waiting.signal });
    void this.#pump.read().then(look);
    return promise;
  }

  /** Sends a part of the backlog at the reader's pace. Returns where it ends. */
  async #send(
    stream: BoundedStream,
    from: ChangePlace | null,
    to: Order,
    rowsOnly: boolean,
  ): Promise<ChangePlace | null> {
    let place = from;
    for await (const chunk of backlog(this.#table, { from, to, rowsOnly })) {
      if (chunk.bytes.length > 0) {
        if (!await stream.send(chunk.bytes, 0)) break;
      }
      place = chunk.place;
    }
    return place;
  }

  /** What was committed below the place of a reader while it was on its way. */
  async #sendLate(stream: BoundedStream, entries: readonly ChangeEntry[]): Promise<void> {
    const { kv, table, shape } = this.#table;
    if (entries.length === 0) return;
    const changes = await lookUpChanges({ kv, table, shape }, entries);
    const lines = changes.map((change) => change === null ? "" : lineOf(change.value)).join("");
    if (lines === "") return;
    await stream.send(encodeLines(lines), 0);
  }
}
