/**
 * A table's rows from an order on, sorted by it, with bounded memory and without a file.
 *
 * With a change index, that is read from the order on. Without, the table is read once for every
 * {@linkcode PAGE_PLACES} results: each time the least orders after those that were given are
 * picked out, and their rows are read by key. So a short backlog costs one pass, and a table of a
 * million rows twenty.
 *
 * @module
 */

import { compareOrder, type Order, readOrder } from "../../protocol/cursor.ts";
import { type JsonObject, type Key, type OrderField, orderOf } from "../../protocol/record.ts";
import type { Change } from "../read/change.ts";
import type { ChangePlace } from "./entry.ts";
import type { ChangeIndex } from "./index.ts";
import type { ChangeSlice, PageHints } from "./merge_iterator.ts";
import { compareKeys } from "../kv/key_order.ts";
import type { TableReader } from "../read/table_reader.ts";

/** Results of one pass: keys and orders of about 10 MB. */
const PAGE_PLACES = 50_000;

/** Rows that are read together, by key. */
const GROUP_ROWS = 100;

/** The rows to look for. */
export interface BacklogOptions {
  /** Only what has this order or a later one; null for all. */
  readonly since: Order | null;
  /** Only what was written after the commit of this versionstamp, whatever its order. */
  readonly after?: string | undefined;
  /** Also deletions, as far as they are remembered. */
  readonly deletions: boolean;
  /** The table's change index, where it has one that knows all there is. */
  readonly index?: IndexedBacklog | null | undefined;
  readonly signal: AbortSignal;
}

/** A change index, and the greatest order in the table. */
export interface IndexedBacklog {
  readonly index: Pick<ChangeIndex, "read">;
  readonly upTo: Order;
}

/** One result. */
export interface Found {
  /** The row as it is now: it may have changed since it was found, and then comes again. */
  readonly change: Change;
  /** Its order when it was found: the results are sorted by it. */
  readonly order: Order;
}

/** A place in the sequence. */
interface Place {
  readonly order: Order;
  readonly key: Key;
}

function comparePlaces(a: Place, b: Place): number {
  return compareOrder(a.order, b.order) || compareKeys(a.key, b.key);
}

/** Reads a table's rows, and deletions, in their order. Ends early where the signal aborts. */
export async function* backlog(
  reader: TableReader,
  options: BacklogOptions,
): AsyncGenerator<Found> {
  const meta = await reader.meta();
  if (meta === null) return;
  const field: OrderField = { orderBy: meta.origin.orderBy, orderType: meta.order?.type ?? null };
  // A consumer may give a cursor as the origin writes it.
  const { since: given } = options;
  const since = given === null ? null : readOrder(given, field.orderType ?? null) ?? given;
  const wanted = { ...options, since };
  const indexed = options.index ?? null;
  const pages = indexed === null
    ? scannedPages(reader, field, wanted)
    : indexedPages(indexed, wanted);
  for await (const page of pages) {
    for (let from = 0; from < page.length; from += GROUP_ROWS) {
      const group = page.slice(from, from + GROUP_ROWS);
      const rows = await reader.getMany(group.map(({ key }) => key));
      for (const [i, { key, order }] of group.entries()) {
        if (options.signal.aborted) return;
        const change = await changeOf(reader, key, rows[i]?.value ?? null, field);
        if (change === null) continue;
        // The index still has where a row was before; it also has, or gets, where it is now.
        const isPast = indexed !== null && compareOrder(change.order, order) !== 0;
        const isWanted = options.deletions || indexed === null || change.kind === "put";
        if (!isPast && isWanted) yield { change, order };
      }
    }
  }
}

async function* indexedPages(
  { index, upTo }: IndexedBacklog,
  { since }: BacklogOptions,
): AsyncGenerator<readonly Place[]> {
  const hints: PageHints = new Map();
  for (let place: ChangePlace | null = since === null ? null : { order: since, key: null };;) {
    const { entries, done }: ChangeSlice = await index.read(place, upTo, hints);
    yield entries;
    place = entries.at(-1) ?? place;
    if (done || entries.length === 0) return;
  }
}

async function* scannedPages(
  reader: TableReader,
  field: OrderField,
  options: BacklogOptions,
): AsyncGenerator<readonly Place[]> {
  for (let last: Place | null = null;;) {
    const page: Place[] = await nextPage(reader, field, options, last);
    yield page;
    last = page.at(-1) ?? null;
    if (page.length < PAGE_PLACES) return;
  }
}

async function changeOf(
  reader: TableReader,
  key: Key,
  value: JsonObject | null,
  field: OrderField,
): Promise<Change | null> {
  if (value !== null) {
    const order = orderOf(value, field);
    return order === undefined ? null : { kind: "put", key, order, value };
  }
  const tombstone = await reader.tombstone(key);
  const order = tombstone && readOrder(tombstone.order, field.orderType ?? null);
  return order === null ? null : { kind: "delete", key, order, value: tombstone?.value ?? {} };
}

/** The least places after `last`, sorted. */
async function nextPage(
  reader: TableReader,
  field: OrderField,
  { since, after, deletions, signal }: BacklogOptions,
  last: Place | null,
): Promise<Place[]> {
  let page: Place[] = [];
  let limit: Place | null = null;
  const cut = () => {
    page.sort(comparePlaces);
    // A key that was deleted during the pass shows up twice.
    page = page.filter((place, i) => i === 0 || comparePlaces(page[i - 1] ?? place, place) !== 0);
    if (page.length < PAGE_PLACES) return;
    page.length = PAGE_PLACES;
    limit = page.at(-1) ?? null;
  };
  const offer = (key: Key, order: Order, versionstamp: string) => {
    if (after !== undefined && versionstamp <= after) return;
    if (since !== null && compareOrder(order, since) < 0) return;
    const place = { order, key };
    if (last !== null && comparePlaces(place, last) <= 0) return;
    if (limit !== null && comparePlaces(place, limit) >= 0) return;
    if (page.push(place) >= 2 * PAGE_PLACES) cut();
  };
  for await (const { key, value, versionstamp } of reader.list()) {
    if (signal.aborted) return [];
    const order = orderOf(value, field);
    if (order !== undefined) offer(key, order, versionstamp);
  }
  if (deletions) {
    for await (const { key, tombstone, versionstamp } of reader.tombstones()) {
      if (signal.aborted) return [];
      const order = readOrder(tombstone.order, field.orderType ?? null);
      if (order !== null) offer(key, order, versionstamp);
    }
  }
  cut();
  return page;
}
