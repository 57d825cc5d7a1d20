/**
 * Live rows to all readers of a table, from one encoding.
 *
 * A commit's changes are encoded once and the bytes are shared. What the cursor doesn't cover yet
 * waits; when that grows too large (the table has fallen behind, and gathers), it is let go, and
 * read back from the change index as soon as the cursor covers it, once for all readers.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { logger } from "../base/log.ts";
import { compareOrder, maxOrder, type Order } from "../protocol/cursor.ts";
import { messageOf } from "../protocol/errors.ts";
import type { CommitEvent } from "../store/read/change.ts";
import type { BoundedStream } from "../stream/bounded_stream.ts";
import type { ChangePlace } from "../store/change_index/entry.ts";
import { backlog } from "./backlog.ts";
import type { FeedTable } from "./host.ts";
import { type Bytes, encodeLines, lineOf } from "./lines.ts";

const log = logger("feed");

/** Characters that wait for the cursor at most. */
const WAITING_CHARS = 512 * 1024;

/** Bytes that a reader may have unread for the next chunk of a backlog to be sent to all. */
const ROOM_BYTES = 512 * 1024;

/** For how long one slow reader holds up such a chunk. */
const PATIENCE_MS = 2_000;

/** A reader of live rows. */
interface Member {
  readonly stream: BoundedStream;
  /** What came while it reads its backlog to the end; null afterwards. */
  waiting: Bytes[] | null;
  waitingBytes: number;
}

/** Orders from one, null for the beginning, to another. */
interface Gap {
  readonly from: Order | null;
  readonly to: Order | null;
}

/** One change that waits for the cursor. */
interface Line {
  readonly order: Order;
  readonly text: string;
}

/** A reader's place among those who get live rows. */
export interface Subscription {
  /** What comes from now on lies at or behind this order, or is late. */
  readonly from: Order | null;
  /** Sends what came meanwhile; from then on rows go to the stream as they come. False if it left. */
  release(): boolean;
  /** Goes back to reading by itself. */
  leave(): void;
}

/** Null is the beginning. */
function lesser(a: Order | null, b: Order | null): Order | null {
  if (a === null || b === null) return null;
  return compareOrder(a, b) <= 0 ? a : b;
}

function isBehind(a: Order | null, b: Order | null): boolean {
  return a !== null && (b === null || compareOrder(a, b) > 0);
}

export class Broadcast {
  readonly #table: FeedTable;
  readonly #clock: Clock;
  readonly #members = new Set<Member>();
  /** Everything up to here has been sent. */
  #sent: Order | null = null;
  #generation = "";
  #lines: Line[] = [];
  #chars = 0;
  /** What was let go, or never told, and is to be read back; null for nothing. */
  #missed: Gap | null = null;
  /**
   * The part of it that the cursor didn't cover when it was last looked at, and what was stored, but
   * not covered, before anybody listened: behind `from`. Null for nothing.
   */
  #uncovered: Gap | null = null;
  /** The index's count of entries that nobody was told of, when last looked at. */
  #unannounced = 0;
  /** The index's version then. */
  #version = 0;
  #reading: Promise<void> | null = null;
  #stop: (() => void) | null = null;

  constructor(table: FeedTable, clock: Clock) {
    this.#table = table;
    this.#clock = clock;
  }

  /** Readers that get live rows. */
  get size(): number {
    return this.#members.size;
  }

  /**
   * Whether a reader may join: everything that was told so far can be read from the index, and
   * what the cursor covers has been sent.
   */
  get isAtBoundary(): boolean {
    return this.#reading === null && (this.#table.index?.isSettled ?? true);
  }

  /** Resolves when nothing is being read back for all readers. */
  async read(): Promise<void> {
    while (this.#reading !== null) await this.#reading;
  }

  /** Adds a reader; only at a {@linkcode Broadcast.isAtBoundary boundary}. */
  join(stream: BoundedStream): Subscription {
    if (this.#members.size === 0) this.#start();
    const member: Member = { stream, waiting: [], waitingBytes: 0 };
    const leave = () => {
      if (this.#members.delete(member) && this.#members.size === 0) this.#end();
    };
    this.#members.add(member);
    stream.over.addEventListener("abort", leave, { once: true });
    if (!stream.open) leave();
    return {
      from: this.#sent,
      release: () => {
        for (const bytes of member.waiting ?? []) stream.push(bytes);
        member.waiting = null;
        return this.#members.has(member);
      },
      leave,
    };
  }

  /** Cuts off all readers. */
  cutAll(reason: string): void {
    for (const { stream } of [...this.#members]) stream.cut(reason);
  }

  #start(): void {
    const { cursor, high } = this.#table.feedState();
    this.#sent = cursor;
    this.#missed = null;
    this.#uncovered = isBehind(high, cursor) ? { from: cursor, to: high } : null;
    this.#generation = this.#table.index?.generation ?? "";
    this.#unannounced = this.#table.index?.unannounced ?? 0;
    this.#version = this.#table.index?.version ?? 0;
    this.#letGo();
    const unsubscribe = this.#table.subscribe((event) => this.#committed(event));
    const ignore = this.#table.onProgress(() => this.#flush());
    this.#stop = () => {
      unsubscribe();
      ignore();
    };
  }

  #end(): void {
    this.#stop?.();
    this.#stop = null;
    this.#letGo();
  }

  #letGo(): void {
    this.#lines = [];
    this.#chars = 0;
  }

  #committed(event: CommitEvent): void {
    for (const { order, value } of event.changes) {
      if (this.#missed !== null) {
        this.#miss(order);
        continue;
      }
      const line = { order, text: lineOf(value) };
      this.#lines.push(line);
      this.#chars += line.text.length;
    }
    this.#flush();
    // Still there: the cursor doesn't cover them yet.
    if (this.#chars <= WAITING_CHARS) return;
    for (const { order } of this.#lines) this.#miss(order);
    this.#letGo();
  }

  /** What has these orders was not kept, or never told. */
  #miss(from: Order | null, to: Order | null = from): void {
    const missed = this.#missed;
    this.#missed = missed === null
      ? { from, to }
      : { from: lesser(missed.from, from), to: maxOrder(missed.to, to) };
  }

  /** Sends what the cursor covers by now. */
  #flush(): void {
    const { index } = this.#table;
    if (index === null || this.#reading !== null || this.#members.size === 0) return;
    if (index.generation !== this.#generation) {
      return this.cutAll("the table was resynced: ask again");
    }
    const { cursor } = this.#table.feedState();
    if (index.unannounced !== this.#unannounced) {
      this.#unannounced = index.unannounced;
      this.#miss(this.#sent);
      const { entries, least } = index.lateSince(this.#version);
      for (const { order } of entries) this.#miss(order);
      if (least !== null) this.#miss(least);
    }
    this.#version = index.version;
    if (cursor === null) return;
    const uncovered = this.#uncovered;
    if (uncovered !== null && isBehind(cursor, uncovered.from)) {
      this.#miss(uncovered.from, uncovered.to);
      this.#uncovered = null;
    }
    const missed = this.#missed;
    if (missed !== null) {
      if (missed.from === null || compareOrder(cursor, missed.from) >= 0) {
        this.#readBack(missed, cursor);
      }
      return;
    }
    if (this.#lines.length > 0) {
      const ready: Line[] = [];
      const rest: Line[] = [];
      for (const line of this.#lines) {
        (compareOrder(line.order, cursor) <= 0 ? ready : rest).push(line);
      }
      this.#lines = rest;
      this.#chars = rest.reduce((sum, { text }) => sum + text.length, 0);
      ready.sort((a, b) => compareOrder(a.order, b.order));
      if (ready.length > 0) this.#send(encodeLines(ready.map(({ text }) => text).join("")));
    }
    this.#sent = maxOrder(this.#sent, cursor);
  }

  #send(bytes: Bytes): void {
    for (const member of [...this.#members]) {
      const { stream, waiting } = member;
      if (waiting === null) {
        stream.push(bytes);
        continue;
      }
      waiting.push(bytes);
      member.waitingBytes += bytes.length;
      if (member.waitingBytes <= ROOM_BYTES) continue;
      // It isn't there yet: it goes on by itself.
      this.#members.delete(member);
      if (this.#members.size === 0) this.#end();
    }
  }

  /** Reads from the index what was let go. */
  #readBack({ from, to }: Gap, cursor: Order): void {
    this.#missed = null;
    // The cursor moves on window by window; what was let go may be of several.
    if (isBehind(to, cursor)) {
      this.#uncovered = { from: cursor, to: maxOrder(to, this.#uncovered?.to ?? null) };
    }
    const place: ChangePlace | null = from === null ? null : { order: from, key: null };
    this.#reading = this.#sendRange(place, cursor).catch((error: unknown) => {
      log.warn("{table}: the feed can't read the change index: {error}", {
        table: this.#table.table,
        error: messageOf(error),
      });
      this.cutAll("the store could not be read");
    }).finally(() => {
      this.#reading = null;
      this.#sent = maxOrder(this.#sent, cursor);
      this.#flush();
    });
  }

  async #sendRange(from: ChangePlace | null, to: Order): Promise<void> {
    for await (const { bytes } of backlog(this.#table, { from, to, rowsOnly: false })) {
      if (this.#members.size === 0) return;
      if (bytes.length === 0) continue;
      await this.#room();
      this.#send(bytes);
    }
  }

  /** Waits until every reader has room, but not for ever. */
  async #room(): Promise<void> {
    const slow = [...this.#members].filter(({ stream }) => stream.unreadBytes > ROOM_BYTES);
    if (slow.length === 0) return;
    const patience = new AbortController();
    const late = this.#clock.sleep(PATIENCE_MS, patience.signal).catch(() => {});
    await Promise.race([Promise.all(slow.map(({ stream }) => stream.room(ROOM_BYTES))), late]);
    patience.abort();
    await late;
    for (const { stream } of slow) {
      if (stream.unreadBytes > ROOM_BYTES) stream.cut("the reader was too slow");
    }
  }
}
