/**
 * One table's feed in chunks that never change their meaning.
 *
 * A chunk holds the rows from an order, inclusive, up to the next place where the feed is cut. It is
 * sealed once the cursor has reached that place: from then on rows only leave it, for an order behind
 * it. Who reads an earlier copy of it, and goes on to the end, has every row in the end: the last
 * writer wins. What contradicts that, rows that were committed below the cursor, makes another
 * edition, under other URLs.
 *
 * @module
 */

import { Semaphore } from "../base/semaphore.ts";
import type { Clock } from "../base/clock.ts";
import { compareOrder, formatOrder, type Order } from "../protocol/cursor.ts";
import { ChangesSince } from "../store/change_index/changes_since.ts";
import type { ChunkStore, StoredBytes } from "./chunk_store.ts";
import { isCut } from "./cut.ts";
import type { FeedTable } from "./host.ts";
import { type Bytes, encodeLines, lineOf } from "./lines.ts";

/** Rows of one order can't be cut: with more characters there are no chunks. */
const MOST_CHARS = 32 * 1024 * 1024;

/** Rows looked up together: as many as may have been looked up in vain behind a cut. */
const GROUP_ROWS = 64;

/** Chunks made at the same time, of all tables: they share the store's pace. */
const MAKERS = 2;

/** For how long the open chunk at the end is sent to others as well, in milliseconds. */
const OPEN_MS = 500;

/** Open chunks that are kept: one for each order that somebody goes on from. */
const OPEN_CHUNKS = 16;

/** Lines beyond twice the table that are let be. */
const SLACK_LINES = 50_000;

/** Times that a chunk is read, into which rows come below the cursor, before it is given up. */
const MOST_TRIES = 5;

const makers = new Semaphore(MAKERS);

/** A part of the feed. */
export interface Chunk {
  /** Compressed, one member. */
  readonly gzip: StoredBytes;
  readonly lengthBytes: number;
  /** Where the next one begins; null for the open one at the end. */
  readonly next: Order | null;
  /** The cursor when it was made. */
  readonly cursor: Order;
  /** The order below which deletions may have been forgotten when it was made; null for none. */
  readonly floor: Order | null;
  /** Of the open chunk: what the live changes go on from. Null for a sealed one. */
  readonly at: string | null;
  /** Its content's hash. */
  readonly tag: string;
  /** When it was read, by the stopwatch and by the wall clock, in milliseconds. */
  readonly madeAt: number;
  readonly madeOn: number;
}

/** A range with so many rows of one order, or so busy below the cursor, that it can't be cut. */
export class Uncuttable extends Error {}

/** What chunks are made with. */
export interface ChunksOptions {
  readonly clock: Clock;
  readonly store: ChunkStore;
  /** For how long a sealed chunk is offered: deletions in it are forgotten much later. */
  readonly keptMs: number;
  /** What the live changes go on from at this moment. */
  readonly position: () => string;
}

export class Chunks {
  readonly #table: FeedTable;
  readonly #options: ChunksOptions;
  /** By the order that they begin with. */
  #sealed = new Map<string, Chunk>();
  #open = new Map<string, Chunk>();
  /** One making for all who ask meanwhile. */
  #making = new Map<string, Promise<Chunk>>();
  #lines = 0;
  /** Where the last sealed chunk ends; null without one. */
  #end: Order | null = null;

  constructor(table: FeedTable, options: ChunksOptions) {
    this.#table = table;
    this.#options = options;
  }

  /** Where the last sealed chunk ends; null where there is none. */
  get end(): Order | null {
    return this.#end;
  }

  /** The sealed chunks from the beginning on, as far as they are made. */
  get chain(): readonly Chunk[] {
    const chain: Chunk[] = [];
    let chunk = this.#sealed.get("");
    while (chunk !== undefined) {
      chain.push(chunk);
      chunk = chunk.next === null ? undefined : this.#sealed.get(formatOrder(chunk.next));
    }
    return chain;
  }

  /**
   * The chunk that begins with an order, or, for null, the first one.
   *
   * @throws {Uncuttable}
   */
  async get(since: Order | null, cursor: Order): Promise<Chunk> {
    const name = since === null ? "" : formatOrder(since);
    const { keptMs, position } = this.#options;
    const sealed = this.#sealed.get(name);
    if (sealed !== undefined && this.#isYounger(sealed, keptMs)) return sealed;
    const open = this.#open.get(name);
    if (open !== undefined && this.#isYounger(open, OPEN_MS)) return open;
    if (open?.at === position() && this.#isYounger(open, keptMs)) return open;
    let making = this.#making.get(name);
    if (making === undefined) {
      making = this.#make(name, since, cursor).finally(() => this.#making.delete(name));
      this.#making.set(name, making);
    }
    return await making;
  }

  /** Forgets all chunks. */
  async drop(): Promise<void> {
    this.#sealed = new Map();
    this.#open = new Map();
    this.#making = new Map();
    this.#lines = 0;
    this.#end = null;
    await this.#options.store.drop();
  }

  #isYounger({ madeAt, madeOn }: Chunk, ms: number): boolean {
    const { clock } = this.#options;
    // While a machine sleeps deletions are forgotten as well.
    return clock.monotonic() - madeAt < ms && Math.abs(clock.now() - madeOn) < ms;
  }

  async #make(name: string, since: Order | null, cursor: Order): Promise<Chunk> {
    const sealed = this.#sealed;
    const leave = await makers.enter();
    try {
      const { clock, position, store } = this.#options;
      const at = position();
      const times = { madeAt: clock.monotonic(), madeOn: clock.now() };
      const floor = this.#table.index?.floor ?? null;
      const { text, lines, next } = await this.#cut(since, cursor);
      const bytes = encodeLines(text);
      const [packed, tag] = await Promise.all([gzipOf(bytes), hashOf(bytes)]);
      const facts = { lengthBytes: bytes.length, next, cursor, floor, tag, ...times };
      if (next === null) {
        const chunk = { ...facts, gzip: inMemory(packed), at };
        if (sealed === this.#sealed) this.#keepOpen(name, chunk);
        return chunk;
      }
      const chunk = { ...facts, gzip: await store.append(packed), at: null };
      // Made of what was dropped meanwhile: good for who has asked, and for nobody else.
      if (sealed !== this.#sealed) return chunk;
      this.#open.delete(name);
      sealed.set(name, chunk);
      this.#lines += lines;
      if (this.#end === null || compareOrder(next, this.#end) > 0) this.#end = next;
      // The rows of a busy table leave their chunks: those are made anew when they are asked for.
      const most = 2 * (this.#table.index?.size ?? 0) + SLACK_LINES;
      if (this.#lines > most) await this.drop();
      return chunk;
    } finally {
      leave();
    }
  }

  /** A range as it is at one moment: without rows that came into it below the cursor meanwhile. */
  async #cut(since: Order | null, cursor: Order): Promise<Cut> {
    const { index } = this.#table;
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const version = index?.version ?? 0;
      const piece = await cut(this.#table, since, cursor);
      const { next } = piece;
      if (index === null || next === null || index.version === version) return piece;
      const { entries, least } = index.lateSince(version);
      const orders = [...entries.map(({ order }) => order), ...(least === null ? [] : [least])];
      if (!orders.some((order) => compareOrder(order, next) < 0)) return piece;
    }
    throw new Uncuttable();
  }

  #keepOpen(name: string, open: Chunk): void {
    this.#open.delete(name);
    this.#open.set(name, open);
    const [oldest] = this.#open.keys();
    if (this.#open.size > OPEN_CHUNKS && oldest !== undefined) this.#open.delete(oldest);
  }
}

interface Cut {
  readonly text: string;
  readonly lines: number;
  readonly next: Order | null;
}

/** Reads the rows from an order up to where the feed is cut, or to the cursor. */
async function cut(
  { index, kv, table, shape }: FeedTable,
  since: Order | null,
  cursor: Order,
): Promise<Cut> {
  if (index === null) return { text: "", lines: 0, next: null };
  const reading = new ChangesSince(index, { kv, table, shape });
  reading.rows = GROUP_ROWS;
  const from = since === null ? null : { order: since, key: null };
  const parts: string[] = [];
  let chars = 0;
  let last: { readonly order: Order; readonly chars: number } | null = null;
  for await (const { changes } of reading.parts({ from, to: cursor, rowsOnly: since === null })) {
    for (const { order, value } of changes) {
      const isNew = last !== null && compareOrder(order, last.order) !== 0;
      if (last !== null && isNew && isCut(order, chars, last.chars)) {
        return { text: parts.join(""), lines: parts.length, next: order };
      }
      const line = lineOf(value);
      chars += line.length;
      if (chars > MOST_CHARS) throw new Uncuttable();
      last = { order, chars: line.length };
      parts.push(line);
    }
  }
  return { text: parts.join(""), lines: parts.length, next: null };
}

function inMemory(bytes: Bytes): StoredBytes {
  return {
    lengthBytes: bytes.length,
    read: (from, length) => Promise.resolve(bytes.subarray(from, from + length)),
  };
}

/** Bytes as one member of gzip. */
export async function gzipOf(bytes: Bytes): Promise<Bytes> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return await new Response(stream).bytes();
}

/** Bytes as they were before {@linkcode gzipOf}. */
export async function gunzipOf(bytes: Bytes): Promise<Bytes> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(stream).bytes();
}

async function hashOf(bytes: Bytes): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return hash.subarray(0, 12).toHex();
}
