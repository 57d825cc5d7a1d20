/**
 * Reading records over HTTP: one, or a page of them, or what was quarantined.
 *
 * @module
 */

import { stringifyJson } from "../protocol/json_text.ts";
import type { JsonObject, Key } from "../protocol/record.ts";
import { keyCandidates } from "../protocol/key_text.ts";
import type { QuarantineEntry, Tombstone } from "../store/kv/stored_values.ts";
import type { RecordReader, StoredRecord } from "./host.ts";

/** A page of records that is larger than this ends early: rows may have 16 MiB each. */
const PAGE_BYTES = 4 * 1024 * 1024;

export const DEFAULT_LIMIT = 100;
export const MAX_LIMIT = 1000;

/** What is known of a key. */
export type Found =
  | { readonly kind: "record"; readonly record: StoredRecord; readonly text: string }
  | { readonly kind: "tombstone"; readonly key: Key; readonly tombstone: Tombstone }
  | { readonly kind: "nothing" };

/** Looks a key up by its texts: `123` is the number where there is one, else the string. */
export async function lookUp(reader: RecordReader, texts: readonly string[]): Promise<Found> {
  const keys = keyCandidates(texts);
  for (const key of keys) {
    const record = await reader.get(key);
    if (record !== null) return { kind: "record", record, text: stringifyJson(record.value) };
  }
  for (const key of keys) {
    const tombstone = await reader.tombstone(key);
    if (tombstone !== null) return { kind: "tombstone", key, tombstone };
  }
  return { kind: "nothing" };
}

/** The entity tag of a record: the store's version of it. */
export function entityTag(record: StoredRecord): string {
  return `"${record.versionstamp}"`;
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

/** One row of a page, as text. */
export interface PageRow {
  readonly key: Key;
  readonly value: JsonObject;
  /** The record's JSON. */
  readonly text: string;
}

export interface Page {
  readonly rows: readonly PageRow[];
  /** The key after which the next page begins; null at the end. */
  readonly next: Key | null;
}

/** Reads a page in key order: at most `limit` rows and about 4 MiB. */
export async function readPage(
  reader: RecordReader,
  limit: number,
  after: Key | null,
): Promise<Page> {
  const rows: PageRow[] = [];
  let length = 0;
  const options = { limit: limit + 1, ...(after === null ? {} : { after }) };
  for await (const { key, value } of reader.list(options)) {
    if (rows.length === limit || length > PAGE_BYTES) {
      return { rows, next: rows.at(-1)?.key ?? null };
    }
    const text = stringifyJson(value);
    length += text.length;
    rows.push({ key, value, text });
  }
  return { rows, next: null };
}

/** The newest entries of the quarantine. */
export async function readQuarantine(
  reader: RecordReader,
  limit: number,
): Promise<QuarantineEntry[]> {
  const entries: QuarantineEntry[] = [];
  for await (const entry of reader.quarantine()) {
    entries.push(entry);
    if (entries.length === limit) break;
  }
  return entries;
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
