/**
 * Entries by their keys: a range at a time where the keys lie close together, else key by key.
 *
 * Deno KV reads 10 keys a request, and a thousand neighbours in one: in a file a range is about twice
 * as fast for each entry that it brings, and over a network it is a hundred times fewer requests. What
 * a range brings besides is paid for as well, so that it is given up where little of it was wanted.
 *
 * @module
 */

import type { Key } from "../../protocol/record.ts";
import { compareKeys } from "../kv/key_order.ts";

/** Keys of one `getMany`: Deno KV's limit. */
const GET_KEYS = 10;

/** Reads on their way at once. */
const GETS = 64;

/** Entries of one batch of a list: Deno KV's limit. */
const BATCH_ENTRIES = 1000;

/** Keys below which a range isn't worth a try. */
const FEW_KEYS = 2 * GET_KEYS;

/** The part of a batch that has to be wanted for the next one to be read, of a file. */
const LEAST_WANTED = 1 / 2;

/** The same where each request goes over a network. */
export const LEAST_WANTED_REMOTE = 1 / 50;

/** An entry, or null where there is none. */
export type Found = Deno.KvEntry<unknown> | null;

/** Keys below one prefix. */
export interface KeysToRead {
  /** What all keys begin with. */
  readonly prefix: Deno.KvKey;
  /** What comes behind it. */
  readonly keys: readonly Key[];
}

/**
 * What is stored under each key, in the keys' order.
 *
 * @param leastWanted the part of a range that has to be wanted for the next to be read
 */
export async function readKeys(
  kv: Deno.Kv,
  { prefix, keys }: KeysToRead,
  leastWanted = LEAST_WANTED,
): Promise<Found[]> {
  if (keys.length < FEW_KEYS || !isAscending(keys)) return await readEach(kv, prefix, keys);
  const found: Found[] = [];
  const last = keys.at(-1) ?? [];
  // Behind the last key, and before all that begins with it: `false` sorts behind every other part.
  const end = [...prefix, ...last, false];
  let start: Deno.KvKey = [...prefix, ...keys[0] ?? []];
  while (found.length < keys.length) {
    const options = { limit: BATCH_ENTRIES, batchSize: BATCH_ENTRIES };
    const entries = await Array.fromAsync(kv.list({ start, end }, options));
    let wanted = 0;
    for (const entry of entries) {
      const key = entry.key.slice(prefix.length) as unknown as Key;
      let side = -1;
      for (let next = keys[found.length]; next !== undefined; next = keys[found.length]) {
        side = compareKeys(next, key);
        if (side >= 0) break;
        found.push(null);
      }
      if (side !== 0) continue;
      found.push(entry);
      wanted++;
    }
    const final = entries.at(-1);
    if (final === undefined || entries.length < BATCH_ENTRIES) break;
    if (wanted < leastWanted * BATCH_ENTRIES) {
      return [...found, ...await readEach(kv, prefix, keys.slice(found.length))];
    }
    start = [...final.key, false];
  }
  while (found.length < keys.length) found.push(null);
  return found;
}

function isAscending(keys: readonly Key[]): boolean {
  return keys.every((key, i) => i === 0 || compareKeys(keys[i - 1] ?? key, key) < 0);
}

async function readEach(
  kv: Deno.Kv,
  prefix: Deno.KvKey,
  keys: readonly Key[],
): Promise<Found[]> {
  const found: Found[] = [];
  for (let from = 0; from < keys.length; from += GET_KEYS * GETS) {
    const reads: Promise<Deno.KvEntryMaybe<unknown>[]>[] = [];
    const until = Math.min(keys.length, from + GET_KEYS * GETS);
    for (let at = from; at < until; at += GET_KEYS) {
      const group = keys.slice(at, Math.min(at + GET_KEYS, until));
      reads.push(kv.getMany<unknown[]>(group.map((key) => [...prefix, ...key])));
    }
    for (const group of await Promise.all(reads)) {
      for (const entry of group) found.push(entry.versionstamp === null ? null : entry);
    }
  }
  return found;
}
