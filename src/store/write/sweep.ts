/**
 * The end of a resync: the rows that the origin no longer has are removed.
 *
 * The table is read in the order of keys, beside the keys that the resync's chain has brought, a
 * page at a time: a sweep needs one page of rows in memory whatever the table's size.
 *
 * @module
 */

import { stringifyJson } from "../../protocol/json_text.ts";
import { compareOrder, type Order, plainType, readOrder } from "../../protocol/cursor.ts";
import {
  deletionMark,
  type JsonObject,
  type Key,
  orderOf,
  recordOf,
  type Row,
} from "../../protocol/record.ts";
import { sortableKey } from "../kv/key_order.ts";
import { rowPrefix, tombstoneKey, tombstonePrefix } from "../kv/keys.ts";
import { SWEPT_FIELD } from "../read/last_writer_wins.ts";
import { directoryOf, readParts } from "../kv/large_rows.ts";
import type { Tombstone } from "../kv/stored_values.ts";
import { WindowCommit, type WindowCommitObserver } from "./window_commit.ts";
import type { RemovedRows } from "./removed_rows.ts";
import type { SeenKeys } from "./seen_keys.ts";
import type { Table } from "../table/table.ts";

/** Rows read at a time. */
const PAGE_ROWS = 500;

/** What a chain knows of the table. */
export interface Evidence {
  /** The keys that it has brought; and, of a second one, those that the first has. */
  readonly seen: readonly SeenKeys[];
  /** Where it began: rows below are none of its business. Null for the beginning of all. */
  readonly start: Order | null;
  /** The greatest order that it has brought; null for none. */
  readonly greatest: Order | null;
  /** Whether rows may have moved between two of its pages, so that it may have missed any. */
  readonly isShifting: boolean;
  /** Whether it decides on the rows of which a first one can't be sure: it lacks them, too. */
  readonly isSecond: boolean;
}

/** What the evidence lacks of the table. */
export interface SweepSize {
  /** Rows that a sweep may remove. */
  readonly certain: number;
  /** Rows that only a second chain decides on: above everything that the origin has sent, say. */
  readonly late: number;
  /** Rows in the table. */
  readonly of: number;
}

/** A row that the origin did not send. */
interface Ghost {
  readonly key: Key;
  readonly value: JsonObject;
  readonly isLate: boolean;
}

interface GhostPage {
  readonly ghosts: readonly Ghost[];
  /** Rows of the table on this page. */
  readonly of: number;
}

function isBefore(a: Order, b: Order): boolean {
  // Orders of two kinds, of two origins, say nothing of each other.
  return plainType(a) === plainType(b) && compareOrder(a, b) < 0;
}

/** The rows that were not seen. Keys are read a page at a time, so that no read stays open. */
async function* unseen(table: Table, evidence: Evidence): AsyncGenerator<GhostPage> {
  const { writer } = table.store;
  const walks = evidence.seen.map((keys) => keys.walk());
  const prefix = rowPrefix(table.name);
  let start: Deno.KvKey | null = null;
  for (;;) {
    const selector: Deno.KvListSelector = start === null ? { prefix } : { prefix, start };
    const page: Deno.KvEntry<unknown>[] = await Array.fromAsync(
      writer.list<unknown>(selector, { limit: PAGE_ROWS, batchSize: PAGE_ROWS }),
    );
    let named = page.map((entry) => {
      const key = entry.key.slice(1) as unknown as Key;
      return { name: sortableKey(key), key, entry };
    });
    for (const walk of walks) named = await walk.missing(named);
    const ghosts: Ghost[] = [];
    for (const { key, entry } of named) {
      const directory = directoryOf(entry.value);
      const value = directory === null
        ? entry.value as JsonObject
        : await readParts(writer, table.name, directory) ?? {};
      const order = orderOf(value, table.shape);
      if (order !== undefined && evidence.start !== null && isBefore(order, evidence.start)) {
        continue;
      }
      const { greatest, isShifting, isSecond } = evidence;
      const isAbove = order !== undefined && (greatest === null || isBefore(greatest, order));
      const isLate = !isSecond && (isShifting || isAbove);
      ghosts.push({ key, value, isLate });
    }
    yield { ghosts, of: page.length };
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_ROWS) return;
    start = [...last.key, false];
  }
}

/** Counts what the evidence lacks of the table. Must not run beside a commit. */
export async function sizeSweep(table: Table, evidence: Evidence): Promise<SweepSize> {
  let certain = 0;
  let late = 0;
  let of = 0;
  for await (const page of unseen(table, evidence)) {
    of += page.of;
    for (const { isLate } of page.ghosts) isLate ? late++ : certain++;
  }
  return { certain, late, of };
}

/** The deletion of a row that the origin never announced: dated at the cursor, and told as such. */
function burial(table: Table, key: Key, order: Order): Row {
  const { shape } = table;
  // As the origin writes it: a follower reads it as it reads the others.
  const sent = typeof order === "string" ? table.orders.textOf(order) : order;
  const deletedAt = deletionMark(shape, sent);
  const value = recordOf([
    [shape.orderBy, sent],
    [shape.deletedBy, deletedAt],
    ...shape.key.map((place, i) => [place, key[i] ?? null] as const),
    [SWEPT_FIELD, true],
  ]);
  return { key, order, deletedAt, value, length: stringifyJson(value).length };
}

/** Before every order of the table's kind: what is swept when the origin has nothing at all. */
function leastOrder({ orders, meta }: Table): Order {
  if (orders.type === "time") return "0000-01-01T00:00:00";
  return typeof meta.high === "string" ? "" : 0;
}

/** What a sweep needs besides the table and the evidence. */
export interface SweepOptions {
  readonly observer: WindowCommitObserver;
  readonly tombstoneTtlMs: number;
  /** Where the rows are written before they are removed; null for a store that has no files. */
  readonly removed: RemovedRows | null;
  /** Rows that there are to remove: the table isn't read again for none. */
  readonly rows: number;
}

/** A sweep's rows could not be written aside. */
export class RowsNotSavedError extends Error {}

/**
 * Removes the rows that the evidence lacks, but for those that only a second chain decides on, and
 * the tombstones of an earlier life that lie ahead of the cursor. Returns how many rows.
 *
 * @throws {RowsNotSavedError} where the rows can't be written aside: those are not removed
 */
export async function sweep(
  table: Table,
  evidence: Evidence,
  { observer, tombstoneTtlMs, removed, rows: expected }: SweepOptions,
): Promise<number> {
  const order = table.meta.cursor ?? leastOrder(table);
  let rows = 0;
  for await (const { ghosts } of expected === 0 ? [] : unseen(table, evidence)) {
    const gone = ghosts.filter(({ isLate }) => !isLate);
    if (gone.length === 0) continue;
    await removed?.add(gone.map(({ value }) => value)).catch((error: unknown) => {
      throw new RowsNotSavedError(`${removed.path ?? "the rows"}: ${String(error)}`);
    });
    const commit = new WindowCommit(table, observer, tombstoneTtlMs);
    for (const { key, value } of gone) {
      table.digester?.adjust(key, value, null);
      const row = burial(table, key, order);
      const outcome = { outcome: "deleted", write: true, changed: true, rows: -1 } as const;
      await commit.add(row, outcome);
      rows++;
    }
    await commit.end(table.meta.cursor, () => {});
    await table.committer.idle();
  }
  await forgetTombstones(table, evidence.seen, order);
  return rows;
}

async function hasAny(seen: readonly SeenKeys[], key: Key): Promise<boolean> {
  for (const keys of seen) if (await keys.has(key)) return true;
  return false;
}

/** Tombstones above all that the origin has: it has been rewound, and may use those orders anew. */
async function forgetTombstones(
  table: Table,
  seen: readonly SeenKeys[],
  order: Order,
): Promise<void> {
  const prefix = tombstonePrefix(table.name);
  let operation = table.operation();
  for await (const { key, value } of table.store.writer.list<Tombstone>({ prefix })) {
    const rowKey = key.slice(prefix.length) as unknown as Key;
    const ofTombstone = readOrder(value.order, table.orders.type) ?? value.order;
    if (!isBefore(order, ofTombstone) || await hasAny(seen, rowKey)) continue;
    if (!operation.fits(1, 4096, 0)) {
      await table.committer.submit(operation);
      operation = table.operation();
    }
    operation.delete(tombstoneKey(table.name, rowKey));
  }
  if (!operation.empty) await table.committer.submit(operation);
  await table.committer.idle();
}
