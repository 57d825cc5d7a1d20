/**
 * The layout of the store. This file is the only one that names keys.
 *
 * ```text
 * [table, ...key]                                 a row: the record, as a plain object, or a
 *                                                 large row's directory, as a Map (see large_rows.ts)
 * ["lockstep", "layout"]                          version of this layout: a number
 * ["lockstep", "id"]                              made at random with the store: no other has it
 * ["lockstep", table, "cursor"]                   TableMeta: cursor, origin identity, counts
 * ["lockstep", table, "tombstone", ...key]        Tombstone; expires after the tombstone TTL
 * ["lockstep", table, "change", "state"]          ChangeState: the change index, only with the feed
 * ["lockstep", table, "change", "log", number]    its latest entries, one value a commit
 * ["lockstep", table, "change", "page", run, n]   its sorted runs, a few hundred entries a value
 * ["lockstep", table, "quarantine", number]       QuarantineEntry, numbered upwards
 * ["lockstep", table, "part", "bytes", v, number] one part of version v of a large row
 * ["lockstep", table, "part", "version", v]       which row version v belongs to
 * ["lockstep", table, "lease"]                    who may write: set once a holder, checked by
 *                                                 every commit
 * ["lockstep", table, "lease", "beat"]            the holder's sign of life
 * ["lockstep", table, "request", name]            what another process asks the holder to do
 * ["lockstep", table, "history", number]          HistoryEntry: what changed the table in bulk
 * ["lockstep", table, "hook", name]               HookMark: how far a consumer of changes has come
 * ```
 *
 * Invariants:
 * - A row that is present is newer than any tombstone of the same key.
 * - Everything at or below the cursor is stored; the cursor moves in the same atomic operation as
 *   the last of the records that it covers, or later.
 * - No order in the table is above `high`, and `high` is written before the first row above it.
 *
 * Deno KV sorts keys by part: bytes, strings (by UTF-8), bigints, numbers, booleans.
 *
 * @module
 */

import type { Key, Refusal, Row } from "../../protocol/record.ts";
import { keyBytes, MAX_KEY_BYTES } from "./limits.ts";

/** The first part of every key that is not a row; no table may be called so. */
export const SYSTEM = "lockstep";

/**
 * The version of the layout that this program writes.
 *
 * - 1: the first.
 * - 2: the cursor entry also holds `floor` and `changes`; `table/table.ts` adds them when it opens a
 *   table of an older store.
 * - 3: the cursor entry also holds `order`, `cursorText`, `floorText` and `start`; orders of times
 *   are canonical texts. `table/order_migration.ts` adds them when it opens a table of an older store.
 */
export const LAYOUT_VERSION = 3;

export const layoutKey: Deno.KvKey = [SYSTEM, "layout"];

export const storeIdKey: Deno.KvKey = [SYSTEM, "id"];

/**
 * Where the next table's keys begin, beside the rows: one look a table, however much each has.
 *
 * @param last the key that the look before gave; null for the first look
 */
export function nextTableRange(last: Deno.KvKey | null): Deno.KvListSelector {
  const end = [`${SYSTEM}\0`];
  const name = last?.[1];
  if (last === null || typeof name !== "string") return { start: [SYSTEM, ""], end };
  // The smallest string after the name; a two-part key may share its name with a table.
  return { start: tableOf(last) === null ? [SYSTEM, name, ""] : [SYSTEM, `${name}\0`], end };
}

/** The table that a key beside the rows is of; null for those (of the layout) that are of none. */
export function tableOf(key: Deno.KvKey): string | null {
  const name = key[1];
  return key.length > 2 && typeof name === "string" ? name : null;
}

export function rowKey(table: string, key: Key): Deno.KvKey {
  // Nearly every table has a single key field; the literal is faster than a spread.
  return key.length === 1 && key[0] !== undefined ? [table, key[0]] : [table, ...key];
}

export function rowPrefix(table: string): Deno.KvKey {
  return [table];
}

/** Everything of a table beside its rows. */
export function besidePrefix(table: string): Deno.KvKey {
  return [SYSTEM, table];
}

export function cursorKey(table: string): Deno.KvKey {
  return [SYSTEM, table, "cursor"];
}

export function tombstoneKey(table: string, key: Key): Deno.KvKey {
  return [SYSTEM, table, "tombstone", ...key];
}

export function tombstonePrefix(table: string): Deno.KvKey {
  return [SYSTEM, table, "tombstone"];
}

export function changePrefix(table: string): Deno.KvKey {
  return [SYSTEM, table, "change"];
}

export function changeStateKey(table: string): Deno.KvKey {
  return [SYSTEM, table, "change", "state"];
}

export function changeLogKey(table: string, number: number): Deno.KvKey {
  return [SYSTEM, table, "change", "log", number];
}

export function changeLogPrefix(table: string): Deno.KvKey {
  return [SYSTEM, table, "change", "log"];
}

export function changePageKey(table: string, run: number, page: number): Deno.KvKey {
  return [SYSTEM, table, "change", "page", run, page];
}

export function changePagePrefix(table: string): Deno.KvKey {
  return [SYSTEM, table, "change", "page"];
}

export function quarantineKey(table: string, number: number): Deno.KvKey {
  return [SYSTEM, table, "quarantine", number];
}

export function quarantinePrefix(table: string): Deno.KvKey {
  return [SYSTEM, table, "quarantine"];
}

export function partKey(table: string, version: string, number: number): Deno.KvKey {
  return [SYSTEM, table, "part", "bytes", version, number];
}

export function partEntryKey(table: string, version: string): Deno.KvKey {
  return [SYSTEM, table, "part", "version", version];
}

export function partEntryPrefix(table: string): Deno.KvKey {
  return [SYSTEM, table, "part", "version"];
}

/** Who may write a table, and the sign of its life. */
export function leasePrefix(table: string): Deno.KvKey {
  return [SYSTEM, table, "lease"];
}

export function leaseKey(table: string): Deno.KvKey {
  return [SYSTEM, table, "lease"];
}

export function beatKey(table: string): Deno.KvKey {
  return [SYSTEM, table, "lease", "beat"];
}

export function requestKey(table: string, name: string): Deno.KvKey {
  return [SYSTEM, table, "request", name];
}

export function requestPrefix(table: string): Deno.KvKey {
  return [SYSTEM, table, "request"];
}

export function historyKey(table: string, number: number): Deno.KvKey {
  return [SYSTEM, table, "history", number];
}

export function historyPrefix(table: string): Deno.KvKey {
  return [SYSTEM, table, "history"];
}

export function hookKey(table: string, name: string): Deno.KvKey {
  return [SYSTEM, table, "hook", name];
}

/** Whether a key can be stored in all its places; the tombstone's is the longest. */
export function isKeyTooLong(table: string, key: Key): boolean {
  const longest = tombstoneKey(table, key);
  return keyBytes(longest) > MAX_KEY_BYTES && keyBytes(longest, true) > MAX_KEY_BYTES;
}

/** UTF-16 units of an order at most: it stands in URLs, and three times in the cursor's entry. */
const MAX_ORDER_LENGTH = 512;

/**
 * Why a row can't be stored, if it can't.
 *
 * A lone surrogate has no UTF-8: as a key, Deno KV would store it as another key, and as a cursor
 * no URL could carry it.
 */
export function unstorable(table: string, { key, order }: Row): Refusal | null {
  if (typeof order === "string" && (order.length > MAX_ORDER_LENGTH || !order.isWellFormed())) {
    return "bad order";
  }
  for (const part of key) {
    if (typeof part === "string" && !part.isWellFormed()) return "bad key";
  }
  return isKeyTooLong(table, key) ? "key too long" : null;
}
