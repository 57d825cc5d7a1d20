/**
 * Reads a table: rows whole (parts joined), tombstones, the cursor, the quarantine.
 *
 * Works beside the writer, in the same process or in any other.
 *
 * @module
 */

import { asKey, type JsonObject, type Key, type KeyPart } from "../../protocol/record.ts";
import {
  cursorKey,
  historyPrefix,
  quarantinePrefix,
  rowKey,
  rowPrefix,
  tombstoneKey,
  tombstonePrefix,
} from "../kv/keys.ts";
import { directoryOf, readParts } from "../kv/large_rows.ts";
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
    const prefix = rowPrefix(this.table);
    const selector: Deno.KvListSelector = options.after === undefined
      ? { prefix }
      : { prefix, start: rowKey(this.table, [...options.after, false]) };
    const limit = options.limit === undefined ? {} : { limit: options.limit };
    const batchSize = Math.min(1000, options.limit ?? 1000);
    for await (const entry of this.#kv.list(selector, { ...limit, batchSize })) {
      const key = entry.key.slice(1) as unknown as Key;
      const row = await this.#whole(key, entry);
      if (row !== null) yield row;
    }
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
    const options = { reverse: true, batchSize: 50 };
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
