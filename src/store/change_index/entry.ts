/**
 * Entries of the change index: which key was written at which order; sorted, and packed into pages.
 *
 * @module
 */

import { compareOrder, type Order } from "../../protocol/cursor.ts";
import type { Key, KeyPart } from "../../protocol/record.ts";
import { compareKeys } from "../kv/key_order.ts";

/** A key was written, or deleted, at an order. */
export interface ChangeEntry {
  readonly order: Order;
  readonly key: Key;
}

/** A place among the entries: behind this entry, or, without a key, before all of the order. */
export interface ChangePlace {
  readonly order: Order;
  readonly key: Key | null;
}

/** Sorted entries as one KV value: two flat lists are half the size of a list of pairs. */
export interface ChangePage {
  readonly orders: readonly Order[];
  /** The parts of all keys, one after the other. */
  readonly parts: readonly KeyPart[];
}

/** Entries of one page at most. */
const PAGE_ENTRIES = 512;

/** Bytes of one page at most; far below the limit of a value, since a page is read as a whole. */
const PAGE_BYTES = 32_768;

/** By order, then by key: total, so that a place in a crowd of equal orders can be told. */
export function compareEntries(a: ChangeEntry, b: ChangeEntry): number {
  return compareOrder(a.order, b.order) || compareKeys(a.key, b.key);
}

/** True of an entry behind a place; every entry lies behind `null`. */
export function isBehind(entry: ChangeEntry, place: ChangePlace | null): boolean {
  if (place === null) return true;
  const side = compareOrder(entry.order, place.order);
  if (side !== 0) return side > 0;
  return place.key === null || compareKeys(entry.key, place.key) > 0;
}

/** Entries in the order of the index: a list, or what gives them one at a time. */
export interface SortedEntries {
  readonly length: number;
  at(index: number): ChangeEntry | undefined;
}

/** The index of the first entry behind a place. */
export function firstBehind(entries: SortedEntries, place: ChangePlace | null): number {
  let from = 0;
  let to = entries.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    const entry = entries.at(middle);
    if (entry !== undefined && isBehind(entry, place)) to = middle;
    else from = middle + 1;
  }
  return from;
}

/** The entries between two indices, each made when it is asked for. */
export function* between(entries: SortedEntries, from: number, to: number): Generator<ChangeEntry> {
  for (let index = from; index < to; index++) {
    const entry = entries.at(index);
    if (entry !== undefined) yield entry;
  }
}

/** Sorts in place and drops what is there twice. */
export function sortEntries(entries: ChangeEntry[]): ChangeEntry[] {
  entries.sort(compareEntries);
  let kept = 0;
  let last: ChangeEntry | undefined;
  for (const entry of entries) {
    if (last !== undefined && compareEntries(last, entry) === 0) continue;
    entries[kept++] = last = entry;
  }
  entries.length = kept;
  return entries;
}

/** Serialised size of an order or a part of a key at most. */
function partBytes(part: KeyPart): number {
  if (typeof part === "string") return 2 * part.length + 8;
  return typeof part === "bigint" ? part.toString(16).length / 2 + 12 : 9;
}

/** Serialised size of an entry at most. */
export function entryBytes({ order, key }: ChangeEntry): number {
  return key.reduce<number>((bytes, part) => bytes + partBytes(part), partBytes(order));
}

/** A page with its serialised size at most. */
export interface PackedPage {
  readonly page: ChangePage;
  readonly entries: number;
  readonly bytes: number;
}

/** Packs sorted entries into as few pages as they need. */
export function* packPages(entries: Iterable<ChangeEntry>): Generator<PackedPage> {
  let orders: Order[] = [];
  let parts: KeyPart[] = [];
  let bytes = 0;
  const page = (): PackedPage => ({ page: { orders, parts }, entries: orders.length, bytes });
  for (const entry of entries) {
    const size = entryBytes(entry);
    if (orders.length >= PAGE_ENTRIES || (orders.length > 0 && bytes + size > PAGE_BYTES)) {
      yield page();
      orders = [];
      parts = [];
      bytes = 0;
    }
    if (orders.length === 0) bytes = 128;
    orders.push(entry.order);
    parts.push(...entry.key);
    bytes += size;
  }
  if (orders.length > 0) yield page();
}

/** The entries of a page. */
export function unpackPage({ orders, parts }: ChangePage): ChangeEntry[] {
  const width = parts.length / orders.length;
  return orders.map((order, i) => ({ order, key: parts.slice(i * width, (i + 1) * width) }));
}
