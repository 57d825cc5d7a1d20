/**
 * A table's chunks as one file, which doesn't change: `EDITION-CURSOR.ndjson.gz`.
 *
 * ```text
 * {"lockstep":"snapshot","generation":…,"type":…,"cursor":…}      the first line
 * rows, and deletions, by order
 * {"lockstep":"end","cursor":…}                                   the last one: else it is cut
 * ```
 *
 * Each chunk is a member of the gzip, as it is stored: the file is made of nothing but places.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { logger } from "../base/log.ts";
import type { Order } from "../protocol/cursor.ts";
import { messageOf } from "../protocol/errors.ts";
import { textOf } from "./answers.ts";
import { type Chunk, type Chunks, gzipOf } from "./chunks.ts";
import type { StoredBytes } from "./chunk_store.ts";
import type { FeedTable } from "./host.ts";
import { type Bytes, encodeLines } from "./lines.ts";

const log = logger("feed");

/** A snapshot is offered for so long before a newer one is made, in milliseconds. */
const OFFERED_MS = 60_000;

/** Snapshots that are kept for who has begun to read one. */
const KEPT = 3;

/** Bytes read at once. */
const PIECE_BYTES = 256 * 1024;

/** A file. */
export interface Snapshot {
  readonly name: string;
  readonly cursor: Order;
  readonly lengthBytes: number;
  /** By the stopwatch. */
  readonly madeAt: number;
  readonly pieces: readonly StoredBytes[];
}

export class Snapshots {
  readonly #table: FeedTable;
  readonly #chunks: Chunks;
  readonly #clock: Clock;
  #kept: Snapshot[] = [];
  #making: Promise<void> | null = null;

  constructor(table: FeedTable, chunks: Chunks, clock: Clock) {
    this.#table = table;
    this.#chunks = chunks;
    this.#clock = clock;
  }

  /** The latest one, while a newer one may be made in the background; null where there is none yet. */
  latest(edition: string): Snapshot | null {
    const newest = this.#kept.at(-1) ?? null;
    const isGood = newest?.name.startsWith(`${edition}-`) ?? false;
    const isNew = isGood && this.#clock.monotonic() - (newest?.madeAt ?? 0) < OFFERED_MS;
    if (!isNew && this.#making === null) {
      this.#making = this.#make(edition).catch((error: unknown) => {
        log.warn("{table}: no snapshot of the feed: {error}", {
          table: this.#table.table,
          error: messageOf(error),
        });
      }).finally(() => {
        this.#making = null;
      });
    }
    return isGood ? newest : null;
  }

  /** One that was offered lately; null where it is gone. */
  named(name: string): Snapshot | null {
    return this.#kept.find((snapshot) => snapshot.name === name) ?? null;
  }

  /** Forgets all of them. */
  drop(): void {
    this.#kept = [];
  }

  /** Resolves when none is being made. */
  async idle(): Promise<void> {
    await this.#making;
  }

  async #make(edition: string): Promise<void> {
    const { cursor } = this.#table.feedState();
    const { index, orders } = this.#table;
    if (cursor === null || index === null) return;
    const { generation } = index;
    const chunks: Chunk[] = [];
    for (let next: Order | null = null;;) {
      const chunk: Chunk = await this.#chunks.get(next, cursor);
      chunks.push(chunk);
      next = chunk.next;
      if (next === null) break;
    }
    // What is told of the rows has to be of the same data.
    if (index.generation !== generation) return;
    const end = chunks.at(-1)?.cursor ?? cursor;
    const told = { cursor: textOf(end, this.#table) };
    const mark = (facts: Record<string, unknown>) =>
      stored(encodeLines(JSON.stringify(facts) + "\n"));
    const pieces = [
      await mark({ lockstep: "snapshot", generation, type: orders.type, ...told }),
      ...chunks.map(({ gzip }) => gzip),
      await mark({ lockstep: "end", ...told }),
    ];
    const snapshot = {
      name: `${edition}-${encodeURIComponent(told.cursor)}.ndjson.gz`,
      cursor: end,
      lengthBytes: pieces.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0),
      madeAt: this.#clock.monotonic(),
      pieces,
    };
    this.#kept = [...this.#kept, snapshot].slice(-KEPT);
  }
}

async function stored(bytes: Bytes): Promise<StoredBytes> {
  const packed = await gzipOf(bytes);
  return {
    lengthBytes: packed.length,
    read: (from, length) => Promise.resolve(packed.subarray(from, from + length)),
  };
}

/** The bytes of a snapshot from one up to, but without, another. */
export function bytesOf({ pieces }: Snapshot, from: number, to: number): ReadableStream<Bytes> {
  let at = from;
  return new ReadableStream<Bytes>({
    async pull(controller) {
      if (at >= to) return controller.close();
      let start = 0;
      for (const piece of pieces) {
        if (at < start + piece.lengthBytes) {
          const inside = at - start;
          const length = Math.min(piece.lengthBytes - inside, PIECE_BYTES, to - at);
          controller.enqueue(await piece.read(inside, length));
          at += length;
          return;
        }
        start += piece.lengthBytes;
      }
      controller.close();
    },
  }, { highWaterMark: 0 });
}

/** The bytes that a `Range` header asks for; null for all of them, and `none` where there are none. */
export function rangeOf(
  header: string | undefined,
  lengthBytes: number,
): { readonly from: number; readonly to: number } | "none" | null {
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "") ?? [];
  if (first === "" && last === "") return null;
  const from = first === "" ? Math.max(0, lengthBytes - Number(last)) : Number(first);
  const to = first === "" || last === "" ? lengthBytes : Math.min(lengthBytes, Number(last) + 1);
  return from < to ? { from, to } : "none";
}
