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
import type { ChangeIndex } from "../store/change_index/index.ts";
import { ChangesSince } from "../store/change_index/changes_since.ts";
import type { ChunkStore, StoredBytes } from "./chunk_store.ts";
import { isCut } from "./cut.ts";
import type { FeedTable } from "./host.ts";
import { type Bytes, encodeLines, lineOf } from "./lines.ts";
import { sortedLines } from "./sorted_rows.ts";

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

/** Entries of a table that is worth to be read at once. */
const SORTED_LINES = 400_000;

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
      const now = this.#now(cursor);
      const piece = await (since === null ? this.#cutAll(now) : null) ??
        await this.#cut(since, cursor);
      const chunk = await this.#packed(piece, now);
      // Made of what was dropped meanwhile: good for who has asked, and for nobody else.
      if (sealed !== this.#sealed) return chunk;
      if (chunk.next === null) this.#keepOpen(name, chunk);
      else this.#keep(name, chunk, piece.lines);
      // The rows of a busy table leave their chunks: those are made anew when they are asked for.
      const most = 2 * (this.#table.index?.size ?? 0) + SLACK_LINES;
      if (this.#lines > most) await this.drop();
      return chunk;
    } finally {
      leave();
    }
  }

  /** What holds of all that is read from now on. */
  #now(cursor: Order): Moment {
    const { clock, position } = this.#options;
    const { floor = null, version = 0 } = this.#table.index ?? {};
    const times = { madeAt: clock.monotonic(), madeOn: clock.now() };
    return { cursor, floor, version, at: position(), ...times };
  }

  async #packed({ text, next }: Cut, { version: _, at, ...facts }: Moment): Promise<Chunk> {
    const bytes = encodeLines(text);
    const [packed, tag] = await Promise.all([gzipOf(bytes), hashOf(bytes)]);
    const isOpen = next === null;
    const gzip = isOpen ? inMemory(packed) : await this.#options.store.append(packed);
    return { ...facts, lengthBytes: bytes.length, next, tag, gzip, at: isOpen ? at : null };
  }

  #keep(name: string, chunk: Chunk, lines: number): void {
    const { next } = chunk;
    this.#open.delete(name);
    this.#sealed.set(name, chunk);
    this.#lines += lines;
    if (next === null) return;
    if (this.#end === null || compareOrder(next, this.#end) > 0) this.#end = next;
  }

  /**
   * Makes all sealed chunks from one list of the table, which is quicker than one after the other.
   * Returns the first of them; null where the table is too large, or too small.
   */
  async #cutAll(now: Moment): Promise<Cut | null> {
    const { index } = this.#table;
    if (index === null || index.size > SORTED_LINES) return null;
    const sealed = this.#sealed;
    const lines = await sortedLines(this.#table, now.cursor);
    if (lines === null) return null;
    const cuts: { readonly since: Order | null; readonly cut: Cut }[] = [];
    let cutter = new Cutter();
    let since: Order | null = null;
    for (const { order, line, isDeletion } of lines) {
      // Who begins has nothing that was deleted.
      if (since === null && isDeletion) continue;
      if (cutter.isBefore(order)) {
        cuts.push({ since, cut: cutter.end(order) });
        since = order;
        cutter = new Cutter();
      }
      cutter.add(order, line);
    }
    const [first, ...rest] = cuts;
    const next = cuts.at(-1)?.cut.next ?? null;
    if (first === undefined || next === null) return null;
    if (isDisturbed(index, now.version, next)) return null;
    for (const { since, cut } of rest) {
      const chunk = await this.#packed(cut, now);
      if (sealed !== this.#sealed) break;
      if (since !== null) this.#keep(formatOrder(since), chunk, cut.lines);
    }
    return first.cut;
  }

  /** A range as it is at one moment: without rows that came into it below the cursor meanwhile. */
  async #cut(since: Order | null, cursor: Order): Promise<Cut> {
    const { index } = this.#table;
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const version = index?.version ?? 0;
      const piece = await cut(this.#table, since, cursor);
      const { next } = piece;
      if (index === null || next === null || index.version === version) return piece;
      if (!isDisturbed(index, version, next)) return piece;
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

/** What holds of a chunk by the time when its rows began to be read. */
type Moment = Pick<Chunk, "cursor" | "floor" | "at" | "madeAt" | "madeOn"> & {
  /** Of the index. */
  readonly version: number;
};

/** Lines of one chunk. */
class Cutter {
  readonly #parts: string[] = [];
  #chars = 0;
  #last: { readonly order: Order; readonly chars: number } | null = null;

  /** Whether the chunk ends before a row of this order. */
  isBefore(order: Order): boolean {
    const last = this.#last;
    return last !== null && compareOrder(order, last.order) !== 0 &&
      isCut(order, this.#chars, last.chars);
  }

  /** @throws {Uncuttable} */
  add(order: Order, line: string): void {
    this.#chars += line.length;
    if (this.#chars > MOST_CHARS) throw new Uncuttable();
    this.#last = { order, chars: line.length };
    this.#parts.push(line);
  }

  end(next: Order | null): Cut {
    return { text: this.#parts.join(""), lines: this.#parts.length, next };
  }
}

/** Reads the rows from an order up to where the feed is cut, or to the cursor. */
async function cut(
  { index, kv, table, shape }: FeedTable,
  since: Order | null,
  cursor: Order,
): Promise<Cut> {
  const cutter = new Cutter();
  if (index === null) return cutter.end(null);
  const reading = new ChangesSince(index, { kv, table, shape });
  reading.rows = GROUP_ROWS;
  const from = since === null ? null : { order: since, key: null };
  for await (const { changes } of reading.parts({ from, to: cursor, rowsOnly: since === null })) {
    for (const { order, value } of changes) {
      if (cutter.isBefore(order)) return cutter.end(order);
      cutter.add(order, lineOf(value));
    }
  }
  return cutter.end(null);
}

/** Whether rows were committed below an order since a version. */
function isDisturbed(index: ChangeIndex, version: number, below: Order): boolean {
  if (index.version === version) return false;
  const { entries, least } = index.lateSince(version);
  if (least !== null && compareOrder(least, below) < 0) return true;
  return entries.some(({ order }) => compareOrder(order, below) < 0);
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
