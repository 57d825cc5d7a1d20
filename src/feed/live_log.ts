/**
 * What has come to one table lately, for readers who ask for what is behind a position.
 *
 * The log is a reader of the table's own feed, from the cursor on, for as long as it is wanted: what
 * that brings, and in which order, is what every reader of an answer that stays open gets. A position
 * counts the pieces that it has brought. It belongs to this log alone: after a cut, or in another
 * process, the name is another one, and who comes with the old position starts from the chunks.
 * A wait that brings nothing leads to the same position by another name: a cache would answer the
 * next one at once, from the last.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { Signal } from "../base/signal.ts";
import type { Bytes } from "./lines.ts";

/** Bytes of the pieces that are kept: who is farther behind reads the chunks. */
const KEPT_BYTES = 4 * 1024 * 1024;

/** Bytes of an answer, as soon as it has so many. */
const ANSWER_BYTES = 1024 * 1024;

/** What is behind a position. */
export interface LogSlice {
  readonly bytes: Bytes;
  /** The position behind it. */
  readonly at: string;
}

/** How often it was waited at a position in vain: its last part. */
function roundOf(at: string): number {
  return Number(at.split(".")[2] ?? "0");
}

const NEWLINE = 0x0a;
const SPACE = 0x20;

export class LiveLog {
  readonly #name = crypto.randomUUID().slice(0, 8);
  readonly #clock: Clock;
  readonly #news = new Signal();
  #pieces: Bytes[] = [];
  #keptBytes = 0;
  /** The position before the first piece that is kept. */
  #first = 0;
  #isOver = false;

  /** @param feed an answer that stays open, from the cursor on */
  constructor(feed: ReadableStream<Bytes>, clock: Clock) {
    this.#clock = clock;
    void this.#read(feed);
  }

  /** Whether nothing comes any more: the feed was cut. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The present position. */
  get position(): string {
    return `${this.#name}.${this.#last}`;
  }

  get #last(): number {
    return this.#first + this.#pieces.length;
  }

  /**
   * What has come behind a position, as soon as there is something, or after a time; null where it
   * isn't one of this log, or too old.
   */
  async after(at: string, waitMs: number): Promise<LogSlice | null> {
    const from = this.#place(at);
    if (from === null) return null;
    if (from === this.#last && waitMs > 0) await this.#wait(from, waitMs);
    if (this.#isOver || from < this.#first) return null;
    const taken: Bytes[] = [];
    let lengthBytes = 0;
    for (const piece of this.#pieces.slice(from - this.#first)) {
      if (lengthBytes > ANSWER_BYTES) break;
      taken.push(piece);
      lengthBytes += piece.length;
    }
    const bytes = new Uint8Array(lengthBytes);
    let filled = 0;
    for (const piece of taken) {
      bytes.set(piece, filled);
      filled += piece.length;
    }
    const end = `${this.#name}.${from + taken.length}`;
    return { bytes, at: taken.length > 0 ? end : `${end}.${roundOf(at) + 1}` };
  }

  /** The number of a position; null of one that isn't here. */
  #place(at: string): number | null {
    const count = new RegExp(`^${this.#name}\\.(\\d{1,15})(?:\\.\\d{1,15})?$`).exec(at)?.[1];
    if (this.#isOver || count === undefined) return null;
    const place = Number(count);
    return place >= this.#first && place <= this.#last ? place : null;
  }

  async #wait(from: number, waitMs: number): Promise<void> {
    const done = new AbortController();
    let isLate = false;
    const late = this.#clock.sleep(waitMs, done.signal).catch(() => {}).then(() => {
      isLate = true;
      this.#news.notify();
    });
    await this.#news.until(() => isLate || this.#isOver || this.#last !== from);
    done.abort();
    await late;
  }

  async #read(feed: ReadableStream<Bytes>): Promise<void> {
    try {
      for await (const bytes of feed) this.#add(bytes);
    } catch {
      // It was cut, with the reason for those who read it: here it is only over.
    } finally {
      this.#isOver = true;
      this.#pieces = [];
      this.#news.notify();
    }
  }

  #add(bytes: Bytes): void {
    // Signs of life are no news.
    if (bytes.every((byte) => byte === NEWLINE || byte === SPACE)) return;
    this.#pieces.push(bytes);
    this.#keptBytes += bytes.length;
    while (this.#keptBytes > KEPT_BYTES && this.#pieces.length > 1) {
      this.#keptBytes -= this.#pieces.shift()?.length ?? 0;
      this.#first++;
    }
    this.#news.notify();
  }
}
