/**
 * Rows too big for one KV value, kept in parts.
 *
 * A large row is a directory at the row's own key (a `Map`, which no JSON object ever is) and its
 * V8-serialised bytes cut into parts under a version of their own. The parts are written first;
 * the directory, set in one operation with the cursor, switches readers from the old version to
 * the new. Parts that no directory names (replaced, deleted, or left by a crash) are removed by
 * {@linkcode collectParts}.
 *
 * @module
 */

import { deserialize, serialize } from "node:v8";
import type { JsonObject, Key } from "../../protocol/record.ts";
import type { OperationQueue } from "./committer.ts";
import { partEntryKey, partEntryPrefix, partKey, rowKey } from "./keys.ts";
import { MAX_VALUE_BYTES, serializedBound } from "./limits.ts";
import type { Operation } from "./operation.ts";

/** Bytes of one part: below the limit by more than a byte array's own header. */
export const PART_BYTES = 60_000;

/** V8's header may differ by a few bytes between two serialisers of one format. */
const VALUE_SLACK = 64;

/** What a large row's own key holds. */
export interface Directory {
  readonly version: string;
  readonly parts: number;
}

/** What is needed of a table to write parts. */
export interface PartTable {
  readonly name: string;
  readonly store: { readonly writer: Deno.Kv };
  readonly committer: OperationQueue;
  operation(): Operation;
}

/** Value at the part entry: which row a version belongs to, so that orphans can be told. */
interface PartEntry {
  readonly key: Key;
  readonly parts: number;
}

/** The directory in a stored value; null for an ordinary row. */
export function directoryOf(value: unknown): Directory | null {
  if (!(value instanceof Map)) return null;
  const version: unknown = value.get("version");
  const parts: unknown = value.get("parts");
  return typeof version === "string" && typeof parts === "number" ? { version, parts } : null;
}

/** The row's bytes if it needs parts; null where it fits one value. */
export function largeBytes(value: JsonObject, length: number): Uint8Array | null {
  if (serializedBound(length, value) <= MAX_VALUE_BYTES) return null;
  const bytes = serialize(value);
  return bytes.length <= MAX_VALUE_BYTES - VALUE_SLACK ? null : bytes;
}

/** Writes the parts of a new version; returns the value for the row's own key. */
export async function writeParts(
  table: PartTable,
  key: Key,
  bytes: Uint8Array,
): Promise<Map<string, string | number>> {
  const version = crypto.randomUUID();
  const parts = Math.ceil(bytes.length / PART_BYTES);
  let operation = table.operation();
  const entry: PartEntry = { key, parts };
  operation.set(partEntryKey(table.name, version), entry, 4096);
  for (let number = 0; number < parts; number++) {
    const part = bytes.slice(number * PART_BYTES, (number + 1) * PART_BYTES);
    if (!operation.fits(1, part.length + 512, 256)) {
      await table.committer.submit(operation);
      operation = table.operation();
    }
    operation.set(partKey(table.name, version, number), part, part.length);
  }
  await table.committer.submit(operation);
  // The row that names them must not be there before them.
  if (!table.committer.isOrdered) await table.committer.idle();
  return new Map<string, string | number>([["version", version], ["parts", parts]]);
}

/** Joins a large row; null when its version is gone (it was replaced meanwhile: read again). */
export async function readParts(
  kv: Deno.Kv,
  table: string,
  directory: Directory,
): Promise<JsonObject | null> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let from = 0; from < directory.parts; from += 10) {
    const keys = Array.from(
      { length: Math.min(10, directory.parts - from) },
      (_, i) => partKey(table, directory.version, from + i),
    );
    for (const entry of await kv.getMany<Uint8Array[]>(keys)) {
      if (entry.value === null) return null;
      chunks.push(entry.value);
      length += entry.value.length;
    }
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return deserialize(bytes) as JsonObject;
}

/** Whether the table has any large row, or leftovers of one. */
export async function hasParts(kv: Deno.Kv, table: string): Promise<boolean> {
  for await (const _ of kv.list({ prefix: partEntryPrefix(table) }, { limit: 1 })) return true;
  return false;
}

/** Removes the parts that no row's directory names. Must not run beside a write of the table. */
export async function collectParts(table: PartTable): Promise<number> {
  const { committer, name } = table;
  const kv = table.store.writer;
  let removed = 0;
  await committer.idle();
  for await (const entry of kv.list<PartEntry>({ prefix: partEntryPrefix(name) })) {
    const version = entry.key.at(-1);
    if (typeof version !== "string") continue;
    if (await removeParts(table, version, entry.value)) removed++;
  }
  await committer.idle();
  return removed;
}

/** Removes the parts of one version, if its row doesn't name it any more. */
export async function dropVersion(table: PartTable, version: string): Promise<void> {
  const { value } = await table.store.writer.get<PartEntry>(partEntryKey(table.name, version));
  if (value !== null) await removeParts(table, version, value);
}

async function removeParts(
  table: PartTable,
  version: string,
  { key, parts }: PartEntry,
): Promise<boolean> {
  const { committer, name } = table;
  const row = await table.store.writer.get(rowKey(name, key));
  if (directoryOf(row.value)?.version === version) return false;
  let operation = table.operation();
  for (let number = 0; number < parts; number++) {
    if (!operation.fits(1, 4096, 0)) {
      await committer.submit(operation);
      operation = table.operation();
    }
    operation.delete(partKey(name, version, number));
  }
  if (!operation.empty) await committer.submit(operation);
  // The entry goes last: what a crash leaves behind is still found by it.
  await committer.idle();
  operation = table.operation();
  operation.delete(partEntryKey(name, version));
  await committer.submit(operation);
  return true;
}
