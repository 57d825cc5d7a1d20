/**
 * The end of a resync: the rows that the origin no longer has are removed.
 *
 * During a resync every row that the origin sends is written, also where it is the same as what
 * is stored. So a row whose entry is older than the resync was not sent: Deno KV's versionstamps
 * are the mark, they cost no memory, and they survive a crash. A sweep needs one page of rows in
 * memory whatever the table's size.
 *
 * @module
 */

import { stringifyJson } from "../../protocol/json_text.ts";
import { compareOrder, type Order } from "../../protocol/cursor.ts";
import { type Key, recordOf, type Row } from "../../protocol/record.ts";
import { rowPrefix, tombstoneKey, tombstonePrefix } from "../kv/keys.ts";
import type { Tombstone } from "../kv/stored_values.ts";
import { WindowCommit, type WindowCommitObserver } from "./window_commit.ts";
import type { Table } from "../table/table.ts";
import { resyncEnded } from "../table/table_state.ts";

/** Rows read at a time. */
const PAGE_ROWS = 500;

/** What a sweep would do. */
export interface SweepSize {
  /** Rows that the origin did not send. */
  readonly gone: number;
  /** Rows in the table. */
  readonly of: number;
}

/** Counts the rows that a sweep of the table's resync would remove. Must not run beside a commit. */
export async function sizeSweep(table: Table, began: string): Promise<SweepSize> {
  let gone = 0;
  let of = 0;
  const options = { batchSize: PAGE_ROWS };
  for await (const entry of table.store.writer.list({ prefix: rowPrefix(table.name) }, options)) {
    of++;
    if (entry.versionstamp <= began) gone++;
  }
  return { gone, of };
}

/**
 * Whether a sweep may go ahead unasked.
 *
 * An answer without any record, or one that would remove more than the limit, is more often a
 * fault at the origin than the truth (consul-replicate#82: "0 updates, 127739 deletes").
 *
 * @param shrinkLimit the part of the table that may be removed, 0 to 1
 */
export function isSweepAllowed({ gone, of }: SweepSize, shrinkLimit: number): boolean {
  return gone === 0 || (gone < of && gone <= of * shrinkLimit);
}

/** Keys are read a page at a time, so that no read transaction stays open beside the deletes. */
async function* unconfirmed(table: Table, prefix: Deno.KvKey, began: string) {
  let start: Deno.KvKey | null = null;
  for (;;) {
    const selector: Deno.KvListSelector = start === null ? { prefix } : { prefix, start };
    const page: Deno.KvEntry<unknown>[] = await Array.fromAsync(
      table.store.writer.list<unknown>(selector, { limit: PAGE_ROWS, batchSize: PAGE_ROWS }),
    );
    yield page.filter((entry) => entry.versionstamp <= began);
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_ROWS) return;
    start = [...last.key, false];
  }
}

/** The deletion of a row that the origin never announced: dated at the cursor. */
function burial(table: Table, key: Key, order: Order): Row {
  const { shape } = table;
  const value = recordOf([
    [shape.orderBy, order],
    [shape.deletedBy, order],
    ...shape.key.map((place, i) => [place, key[i] ?? null] as const),
  ]);
  return { key, order, deletedAt: order, value, length: stringifyJson(value).length };
}

/** Before every order of the table's kind: what is swept when the origin has nothing at all. */
function leastOrder(high: Order | null): Order {
  return typeof high === "string" ? "" : 0;
}

/**
 * Removes every row that the origin did not confirm since `began`, and the tombstones of its
 * earlier life that lie ahead of its cursor. Ends the resync. May be repeated after a crash.
 */
export async function sweep(
  table: Table,
  began: string,
  observer: WindowCommitObserver,
  tombstoneTtlMs: number,
): Promise<number> {
  const order = table.meta.cursor ?? leastOrder(table.meta.high);
  let removed = 0;
  for await (const page of unconfirmed(table, rowPrefix(table.name), began)) {
    const run = new WindowCommit(table, observer, tombstoneTtlMs);
    for (const { key } of page) {
      await run.add(burial(table, key.slice(1) as unknown as Key, order), {
        outcome: "deleted",
        write: true,
        changed: true,
        rows: -1,
      });
      removed++;
    }
    await run.end(table.meta.cursor, () => {});
    await table.committer.idle();
  }
  const prefix = tombstonePrefix(table.name);
  for await (const page of unconfirmed(table, prefix, began)) {
    const operation = table.operation();
    for (const { key, value } of page) {
      if (compareOrder((value as Tombstone).order, order) > 0) {
        operation.delete(tombstoneKey(table.name, key.slice(prefix.length) as unknown as Key));
      }
    }
    if (!operation.empty) await table.committer.submit(operation);
  }
  await table.committer.idle();
  table.index?.resyncEnds(table.meta.cursor);
  await table.save(resyncEnded(table.meta));
  await table.tidy();
  return removed;
}
