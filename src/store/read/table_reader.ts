/**
 * Reads a table: rows whole (parts joined), tombstones, the cursor, the quarantine.
 *
 * Works beside the writer, in the same process or in any other.
 *
 * @module
 */

import { stringifyJson } from "../../protocol/json_text.ts";
import { asKey, type JsonObject, type Key, type KeyPart } from "../../protocol/record.ts";
import {
  cursorKey,
  historyPrefix,
  quarantinePrefix,
  rowKey,
  rowPrefix,
  storeIdKey,
  tombstoneKey,
  tombstonePrefix,
} from "../kv/keys.ts";
import { directoryOf, PART_BYTES, readParts } from "../kv/large_rows.ts";
import type { HistoryEntry, QuarantineEntry, TableMeta, Tombstone } from "../kv/stored_values.ts";

/** A row as it is stored. */
export interface StoredRow {
  /** Its key: a part for each key field. */
  readonly key: Key;
  /** The record. */
  readonly value: JsonObject;
  /** Deno KV's version of the entry: changes with every write of the row. */
  readonly versionstamp: string;
}

/** A deletion as it is stored. */
export interface StoredTombstone {
  readonly key: Key;
  readonly tombstone: Tombstone;
  readonly versionstamp: string;
}

/** Which rows {@linkcode TableReader.list} gives. */
export interface ListOptions {
  /** Only rows after this key. */
  readonly after?: Key;
  /** At most so many; default all. */
  readonly limit?: number;
}

/** An entry of a table as it is listed: a large row is named, and not read. */
export interface ListedEntry {
  readonly key: Key;
  readonly versionstamp: string;
  /** The record; null for a large row, which {@linkcode TableReader.get} reads. */
  readonly value: JsonObject | null;
  /** Of a large row: the version that no other has, and about how many bytes. */
  readonly large: { readonly version: string; readonly sizeBytes: number } | null;
}

/** Which entries {@linkcode TableReader.entries} gives. */
export interface EntryOptions extends ListOptions {
  /** Only rows up to this key. */
  readonly through?: Key;
  /** About so many bytes are read ahead of who takes them; default 1 MiB. */
  readonly aheadBytes?: number;
}

/** Rows of the first read of a list, of which nothing is known; and at most of a later one. */
const FIRST_ROWS = 32;
const MOST_ROWS = 1_000;

/** Bytes that a list reads ahead. */
const AHEAD_BYTES = 1024 * 1024;

/** Rows of a read whose length is looked at, to tell how many the next one may have. */
const SAMPLED_ROWS = 4;

/** Entries of the quarantine that are read at once: each has up to 16 KiB. */
const QUARANTINE_ROWS = 4;

/** How often a large row that is replaced under the reader's hands is read again. */
const ATTEMPTS = 5;

/**
 * The readable side of one table.
 *
 * @example
 * ```ts
 * import { TableReader } from "./table_reader.ts";
 * using kv = await Deno.openKv(":memory:");
 * await kv.set(["servers", 123], { id: 123, updated_at: 999, ip: "192.0.2.1" });
 * const row = await new TableReader(kv, "servers").get([123]);
 * console.assert(row?.value.ip === "192.0.2.1");
 * ```
 */
export class TableReader {
  readonly table: string;
  readonly #kv: Deno.Kv;

  constructor(kv: Deno.Kv, table: string) {
    this.#kv = kv;
    this.table = table;
  }

  /**
   * One row, or null.
   *
   * @param key a part for each key field; of a single one, the bare value will do
   */
  async get(key: Key | KeyPart): Promise<StoredRow | null> {
    const whole = asKey(key);
    return await this.#whole(whole, await this.#kv.get(rowKey(this.table, whole)));
  }

  /** Several rows, in the order asked for; null where there is none. */
  async getMany(keys: readonly Key[]): Promise<(StoredRow | null)[]> {
    const groups: Promise<Deno.KvEntryMaybe<unknown>[]>[] = [];
    for (let from = 0; from < keys.length; from += 10) {
      const group = keys.slice(from, from + 10).map((key) => rowKey(this.table, key));
      groups.push(this.#kv.getMany<unknown[]>(group));
    }
    const entries = (await Promise.all(groups)).flat();
    return await Promise.all(keys.map((key, i) => {
      const entry = entries[i];
      return entry === undefined ? null : this.#whole(key, entry);
    }));
  }

  /** Rows in key order. Pages are read as they are consumed; each is consistent in itself. */
  async *list(options: ListOptions = {}): AsyncGenerator<StoredRow> {
    for await (const { key, value, versionstamp } of this.entries(options)) {
      if (value !== null) {
        yield { key, value, versionstamp };
        continue;
      }
      const row = await this.get(key);
      if (row !== null) yield row;
    }
  }

  /**
   * The same with large rows named only. What is read ahead follows the rows' length: who stops
   * taking them holds no more.
   */
  async *entries(options: EntryOptions = {}): AsyncGenerator<ListedEntry> {
    const { through, aheadBytes = AHEAD_BYTES } = options;
    const prefix = rowPrefix(this.table);
    let left = options.limit ?? Infinity;
    let { after } = options;
    for (let rows = FIRST_ROWS; left > 0;) {
      const selector = {
        ...(after === undefined || through === undefined ? { prefix } : {}),
        ...(after === undefined ? {} : { start: rowKey(this.table, [...after, false]) }),
        ...(through === undefined ? {} : { end: rowKey(this.table, [...through, false]) }),
      } as Deno.KvListSelector;
      const limit = Math.min(rows, left);
      const batch = await Array.fromAsync(this.#kv.list(selector, { limit, batchSize: limit }));
      rows = rowsIn(aheadBytes, batch);
      for (const { key, value, versionstamp } of batch) {
        after = key.slice(1) as unknown as Key;
        yield listed(after, value, versionstamp);
      }
      if (batch.length < limit) return;
      left -= batch.length;
    }
  }

  /** A row without the bytes of a large one; null where there is none. */
  async entry(key: Key): Promise<ListedEntry | null> {
    const { value, versionstamp } = await this.#kv.get(rowKey(this.table, key));
    return versionstamp === null ? null : listed(key, value, versionstamp);
  }

  /** The id of the store: no other store has it. Null for one that was only read so far. */
  async storeId(): Promise<string | null> {
    return (await this.#kv.get<string>(storeIdKey)).value;
  }

  /** The tombstone of a deleted key, while it is remembered. */
  async tombstone(key: Key | KeyPart): Promise<Tombstone | null> {
    const [row, tombstone] = await this.#kv.getMany<[unknown, Tombstone]>([
      rowKey(this.table, asKey(key)),
      tombstoneKey(this.table, asKey(key)),
    ]);
    return row.value === null ? tombstone.value : null;
  }

  /** The deletions that are remembered, in key order; a row may have come back since. */
  async *tombstones(): AsyncGenerator<StoredTombstone> {
    const prefix = tombstonePrefix(this.table);
    const entries = this.#kv.list<Tombstone>({ prefix }, { batchSize: 1000 });
    for await (const { key, value, versionstamp } of entries) {
      const own = key.slice(prefix.length) as unknown as Key;
      yield { key: own, tombstone: value, versionstamp };
    }
  }

  /** Cursor, origin and counts; null for a table that was never replicated. */
  async meta(): Promise<TableMeta | null> {
    return (await this.#kv.get<TableMeta>(cursorKey(this.table))).value;
  }

  /** The versionstamp of the table's latest commit: of the same kind as that of its rows. */
  async version(): Promise<string | null> {
    return (await this.#kv.get(cursorKey(this.table))).versionstamp;
  }

  /** The quarantine, newest first. */
  async *quarantine(): AsyncGenerator<QuarantineEntry> {
    const selector = { prefix: quarantinePrefix(this.table) };
    const options = { reverse: true, batchSize: QUARANTINE_ROWS };
    for await (const entry of this.#kv.list<QuarantineEntry>(selector, options)) yield entry.value;
  }

  /** What changed the table in bulk, newest first. */
  async *history(): AsyncGenerator<HistoryEntry> {
    const options = { reverse: true, batchSize: 100 };
    const selector = { prefix: historyPrefix(this.table) };
    for await (const { value } of this.#kv.list<HistoryEntry>(selector, options)) yield value;
  }

  async #whole(key: Key, entry: Deno.KvEntryMaybe<unknown>): Promise<StoredRow | null> {
    let { value, versionstamp } = entry;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (value === null || versionstamp === null) return null;
      const directory = directoryOf(value);
      if (directory === null) return { key, value: value as JsonObject, versionstamp };
      const joined = await readParts(this.#kv, this.table, directory);
      if (joined !== null) return { key, value: joined, versionstamp };
      // Replaced between the two reads: the directory now names other parts.
      ({ value, versionstamp } = await this.#kv.get(rowKey(this.table, key)));
    }
    return null;
  }
}

function listed(key: Key, value: unknown, versionstamp: string): ListedEntry {
  const directory = directoryOf(value);
  if (directory === null) return { key, versionstamp, value: value as JsonObject, large: null };
  const { version, parts } = directory;
  return { key, versionstamp, value: null, large: { version, sizeBytes: parts * PART_BYTES } };
}

/** How many rows like these have so many bytes. */
function rowsIn(bytes: number, rows: readonly Deno.KvEntry<unknown>[]): number {
  const step = Math.max(1, Math.floor(rows.length / SAMPLED_ROWS));
  let longest = 1;
  for (let at = 0; at < rows.length; at += step) {
    const value = rows[at]?.value;
    if (value instanceof Map || value === undefined) continue;
    longest = Math.max(longest, stringifyJson(value as JsonObject).length);
  }
  return Math.min(MOST_ROWS, Math.max(FIRST_ROWS / 8, Math.floor(bytes / longest)));
}
