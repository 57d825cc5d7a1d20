/**
 * Reading records over HTTP: one, or a page of them, or what was quarantined.
 *
 * @module
 */

import { Semaphore } from "../base/semaphore.ts";
import { StreamCutError } from "../base/stream_cut_error.ts";
import { stringifyJson } from "../protocol/json_text.ts";
import type { JsonObject, Key } from "../protocol/record.ts";
import { keyCandidates } from "../protocol/key_text.ts";
import type { QuarantineEntry, Tombstone } from "../store/kv/stored_values.ts";
import { isKeyTooLong } from "../store/kv/keys.ts";
import type { ListedEntry } from "../store/read/table_reader.ts";
import type { RecordReader } from "./host.ts";
import type { HeldText, NoText } from "./large_texts.ts";

const encoder = new TextEncoder();

/** A page of records that is larger than this ends early: rows may have 16 MiB each. */
const PAGE_CHARS = 4 * 1024 * 1024;

/** So much of a page is kept from finding its end to sending it. The rest is read again. */
const KEPT_CHARS = 48 * 1024;

/** Bytes of rows that are read ahead of a client that takes them one by one. */
const AHEAD_BYTES = 32 * 1024;

/** The same while a page's end is looked for, and how many pages are looked at a time. */
const LOOK_BYTES = 256 * 1024;
const looks = new Semaphore(4);

export const DEFAULT_LIMIT = 100;
export const MAX_LIMIT = 1000;
/** The same on a page for people. */
export const MAX_HTML_LIMIT = 200;

/** What is known of a key. */
export type Found =
  | { readonly kind: "record"; readonly entry: ListedEntry; readonly tag: string }
  | { readonly kind: "tombstone"; readonly key: Key; readonly tombstone: Tombstone }
  | { readonly kind: "nothing" };

/** Looks a key up by its texts: `123` is the number where there is one, else the string. */
export async function lookUp(reader: RecordReader, texts: readonly string[]): Promise<Found> {
  const keys = keyCandidates(texts).filter((key) => !isKeyTooLong(reader.table, key));
  for (const key of keys) {
    const entry = await reader.entry(key);
    if (entry === null) continue;
    return { kind: "record", entry, tag: await entityTag(entry, await reader.storeId()) };
  }
  for (const key of keys) {
    const tombstone = await reader.tombstone(key);
    if (tombstone !== null) return { kind: "tombstone", key, tombstone };
  }
  return { kind: "nothing" };
}

/**
 * The entity tag of a record: the store's id, the store's version of the record, and something of
 * its own, since a store that is restored from a backup counts its versions once more.
 */
async function entityTag(
  { value, versionstamp, large }: ListedEntry,
  storeId: string | null,
): Promise<string> {
  const own = large?.version.slice(0, 8) ?? await digestOf(stringifyJson(value));
  return `"${storeId ?? "0"}-${versionstamp}-${own}"`;
}

async function digestOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", encoder.encode(text));
  return new Uint8Array(digest, 0, 4).toHex();
}

/** Whether `If-None-Match` names the tag. */
export function tagMatches(header: string | null | undefined, tag: string): boolean {
  if (header === null || header === undefined) return false;
  return header.split(",").some((one) => {
    const given = one.trim().replace(/^W\//, "");
    return given === "*" || given === tag;
  });
}

/** A deletion as JSON: the body of a 404 that knows more. */
export function tombstoneJson(key: Key, tombstone: Tombstone): JsonObject {
  return {
    deleted: true,
    key: [...key],
    order: tombstone.order,
    deleted_at: tombstone.deletedAt,
    remembered_until: new Date(tombstone.expiresAt).toISOString(),
    record: tombstone.value,
  };
}

/** One row of a page. */
export interface PageRow {
  readonly key: Key;
  /** The record's JSON; null where it is long. */
  readonly text: string | null;
}

/** A page, of which only the first rows are at hand. */
export interface Page {
  readonly rows: PageRow[];
  /** The last key of the page; null for an empty one. */
  readonly last: Key | null;
  /** Whether another page follows. */
  readonly hasMore: boolean;
  /** Whether `rows` are all of it. */
  readonly isWhole: boolean;
}

/**
 * Finds a page's end, in key order: at most `limit` rows, and about 4 MiB. Only the first rows are
 * kept, so that a page that nobody takes is small.
 */
export async function findPage(
  reader: RecordReader,
  limit: number,
  after: Key | null,
): Promise<Page> {
  const leave = await looks.enter();
  try {
    return await lookForEnd(reader, limit, after);
  } finally {
    leave();
  }
}

async function lookForEnd(
  reader: RecordReader,
  limit: number,
  after: Key | null,
): Promise<Page> {
  const rows: PageRow[] = [];
  let [count, chars, kept] = [0, 0, 0];
  let last: Key | null = null;
  let isWhole = true;
  const start = after === null ? {} : { after };
  const options = { limit: limit + 1, aheadBytes: LOOK_BYTES, ...start };
  for await (const entry of reader.entries(options)) {
    if (count === limit || chars > PAGE_CHARS) return { rows, last, hasMore: true, isWhole };
    const text = entry.value === null ? null : stringifyJson(entry.value);
    const length = text?.length ?? entry.large?.sizeBytes ?? 0;
    count++;
    chars += length;
    last = entry.key;
    isWhole &&= text !== null && kept + length <= KEPT_CHARS;
    if (!isWhole) continue;
    kept += length;
    rows.push({ key: entry.key, text });
  }
  return { rows, last, hasMore: false, isWhole };
}

/** The rows of a page that a person looks at: short ones whole, long ones by their beginning. */
export async function readPage(
  reader: RecordReader,
  limit: number,
  after: Key | null,
  textChars: number,
): Promise<Page> {
  const rows: PageRow[] = [];
  const start = after === null ? {} : { after };
  for await (const { key, value } of reader.entries({ limit: limit + 1, ...start })) {
    if (rows.length === limit) {
      return { rows, last: rows.at(-1)?.key ?? null, hasMore: true, isWhole: true };
    }
    const text = value === null ? null : stringifyJson(value).slice(0, textChars);
    rows.push({ key, text });
  }
  return { rows, last: rows.at(-1)?.key ?? null, hasMore: false, isWhole: true };
}

/** A row's text: at hand, or that of a large row, which is held until it is released. */
export type RowText = string | HeldText;

/** All rows of a page, one at a time; throws where a large one can't be had now. */
export async function* pageTexts(
  reader: RecordReader,
  { rows, last, isWhole }: Page,
  after: Key | null,
  large: (entry: ListedEntry) => Promise<HeldText | NoText>,
): AsyncGenerator<RowText> {
  for (const { text } of rows) if (text !== null) yield text;
  if (isWhole || last === null) return;
  const place = rows.at(-1)?.key ?? after;
  const start = place === null ? {} : { after: place };
  for await (
    const entry of reader.entries({ ...start, through: last, aheadBytes: AHEAD_BYTES })
  ) {
    if (entry.value !== null) {
      yield stringifyJson(entry.value);
      continue;
    }
    const held = await large(entry);
    if (held === "busy") throw new StreamCutError("too many large records are being read");
    // A row that went since the end was found is on no page.
    if (held !== "gone") yield held;
  }
}

/** The newest entries of the quarantine. */
export async function* newestQuarantine(
  reader: RecordReader,
  limit: number,
): AsyncGenerator<QuarantineEntry> {
  let left = limit;
  for await (const entry of reader.quarantine()) {
    yield entry;
    if (--left === 0) return;
  }
}

/** A quarantine entry as JSON; its time as ISO-8601. */
export function quarantineJson(entry: QuarantineEntry): JsonObject {
  return {
    number: entry.number,
    time: new Date(entry.time).toISOString(),
    reason: entry.reason,
    cursor: entry.cursor,
    text: entry.text,
  };
}

/** Reads `?limit=`; null where it is no number from 1 to 1000. */
export function parseLimit(text: string | undefined, standard = DEFAULT_LIMIT): number | null {
  if (text === undefined || text === "") return standard;
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  return limit >= 1 && limit <= MAX_LIMIT ? limit : null;
}
