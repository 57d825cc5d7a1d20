/**
 * Compares two copies by their digests, and fetches only what differs.
 *
 * @module
 */

import { TableDigest } from "../../digest/table_digest.ts";
import { parseJson } from "../../protocol/json_text.ts";
import { isJsonObject, type JsonObject, type Key } from "../../protocol/record.ts";
import { sortableKey } from "../../store/kv/key_order.ts";
import { equalJson } from "../../store/read/last_writer_wins.ts";

/** Buckets whose records are fetched together. */
const BUCKETS_TOGETHER = 200;

/** A copy as it is compared. */
export interface ComparedCopy {
  /** The digest with all buckets, and the cursor that it stands for; null where it can't be told. */
  digest(): Promise<{ readonly digest: TableDigest; readonly cursor: string | null } | null>;
  /** The records of some buckets. */
  records(buckets: readonly number[]): AsyncIterable<JsonObject>;
}

/** What came of it. */
export interface AgainstResult {
  readonly verdict: "equal" | "different" | "unknown";
  /** Why nothing could be told; null where something could. */
  readonly reason: string | null;
  readonly rows: number;
  readonly cursor: string | null;
  /** Keys that only the other copy has, that only this one has, and whose records differ. */
  readonly missing: readonly Key[];
  readonly ghosts: readonly Key[];
  readonly different: readonly Key[];
}

function unknown(reason: string, rows: number, cursor: string | null): AgainstResult {
  return { verdict: "unknown", reason, rows, cursor, missing: [], ghosts: [], different: [] };
}

/** @param keyOf the key of a record; null where it has none */
export async function compareCopies(
  ours: ComparedCopy,
  theirs: ComparedCopy,
  keyOf: (record: JsonObject) => Key | null,
): Promise<AgainstResult> {
  const [here, there] = [await ours.digest(), await theirs.digest()];
  if (here === null) return unknown("this copy's digest can't be told", 0, null);
  const { rows } = here.digest;
  if (there === null) return unknown("the other copy's digest can't be told", rows, here.cursor);
  if (here.cursor !== there.cursor) {
    const reason = `the other copy stands at ${there.cursor}, this one at ${here.cursor}`;
    return unknown(reason, rows, here.cursor);
  }
  const buckets = here.digest.differing(there.digest);
  const missing: Key[] = [];
  const ghosts: Key[] = [];
  const different: Key[] = [];
  for (let at = 0; at < buckets.length; at += BUCKETS_TOGETHER) {
    const some = buckets.slice(at, at + BUCKETS_TOGETHER);
    const mine = await gathered(ours.records(some), keyOf);
    for (const [name, { key, record }] of await gathered(theirs.records(some), keyOf)) {
      const own = mine.get(name);
      mine.delete(name);
      if (own === undefined) missing.push(key);
      else if (!equalJson(own.record, record)) different.push(key);
    }
    for (const { key } of mine.values()) ghosts.push(key);
  }
  const isDifferent = buckets.length > 0;
  return {
    verdict: isDifferent ? "different" : "equal",
    reason: null,
    rows,
    cursor: here.cursor,
    missing,
    ghosts,
    different,
  };
}

async function gathered(
  records: AsyncIterable<JsonObject>,
  keyOf: (record: JsonObject) => Key | null,
): Promise<Map<string, { readonly key: Key; readonly record: JsonObject }>> {
  const found = new Map<string, { readonly key: Key; readonly record: JsonObject }>();
  for await (const record of records) {
    const key = keyOf(record);
    if (key !== null) found.set(sortableKey(key), { key, record });
  }
  return found;
}

/** A copy behind the status server of a running process. */
export class ServedCopy implements ComparedCopy {
  readonly #table: string;
  readonly #ask: (path: string) => Promise<Response>;

  /** @param ask fetches a path of its status server */
  constructor(table: string, ask: (path: string) => Promise<Response>) {
    this.#table = `/tables/${encodeURIComponent(table)}/digest`;
    this.#ask = ask;
  }

  async digest() {
    const status = await this.#ask(this.#table);
    if (!status.ok) {
      await status.body?.cancel();
      return null;
    }
    const { rows, cursor, digest: text } = await status.json();
    const buckets = await this.#ask(`${this.#table}/buckets`);
    const bytes = new Uint8Array(await buckets.arrayBuffer());
    if (!buckets.ok) return null;
    const digest = TableDigest.from(bytes, Number(rows));
    // It has changed between the two.
    if (digest.text !== text) return null;
    return { digest, cursor: cursor === null ? null : String(cursor) };
  }

  async *records(buckets: readonly number[]): AsyncGenerator<JsonObject> {
    const answer = await this.#ask(`${this.#table}/records?bucket=${buckets.join(",")}`);
    for (const line of (await answer.text()).split("\n")) {
      const value = line === "" ? null : parseJson(line);
      if (value !== null && isJsonObject(value)) yield value;
    }
  }
}

/** A copy in a store that nobody writes. */
export class StoredCopy implements ComparedCopy {
  readonly #rows: () => AsyncIterable<{ readonly key: Key; readonly value: JsonObject }>;
  readonly #cursor: string | null;

  constructor(
    rows: () => AsyncIterable<{ readonly key: Key; readonly value: JsonObject }>,
    cursor: string | null,
  ) {
    this.#rows = rows;
    this.#cursor = cursor;
  }

  async digest() {
    const digest = new TableDigest();
    for await (const { key, value } of this.#rows()) digest.add(key, value);
    return { digest, cursor: this.#cursor };
  }

  async *records(buckets: readonly number[]): AsyncGenerator<JsonObject> {
    const wanted = new Set(buckets);
    const digest = new TableDigest();
    for await (const { key, value } of this.#rows()) {
      if (wanted.has(digest.bucketOf(key))) yield value;
    }
  }
}
