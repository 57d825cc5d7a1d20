/**
 * From entries of the change index to the changes that they stand for.
 *
 * @module
 */

import { compareOrder } from "../protocol/cursor.ts";
import { orderOf, type RecordShape } from "../protocol/record.ts";
import type { Change } from "./change.ts";
import type { ChangeEntry } from "./change_entry.ts";
import { tombstoneKey } from "./keys.ts";
import type { Tombstone } from "./meta.ts";
import { TableReader } from "./reader.ts";

/** Keys of one `getMany`: Deno KV's limit. */
const GET_KEYS = 10;

/** Where to look. */
export interface ChangeSource {
  readonly kv: Deno.Kv;
  readonly table: string;
  readonly shape: RecordShape;
}

/**
 * What each entry stands for: the row, or the tombstone, that has its order; null where the key
 * was written again since, or its deletion forgotten.
 *
 * @param wantsTombstone whether a tombstone is looked for, for an entry without a row
 */
export async function lookUpChanges(
  { kv, table, shape }: ChangeSource,
  entries: readonly ChangeEntry[],
  wantsTombstone: (entry: ChangeEntry) => boolean = () => true,
): Promise<(Change | null)[]> {
  const rows = await new TableReader(kv, table).getMany(entries.map(({ key }) => key));
  const missing: number[] = [];
  const changes = entries.map((entry, i): Change | null => {
    const row = rows[i] ?? null;
    if (row === null) {
      if (wantsTombstone(entry)) missing.push(i);
      return null;
    }
    const order = orderOf(row.value, shape);
    if (order === undefined || compareOrder(order, entry.order) !== 0) return null;
    return { kind: "put", key: entry.key, order, value: row.value };
  });
  for (let from = 0; from < missing.length; from += GET_KEYS) {
    const asked = missing.slice(from, from + GET_KEYS);
    const keys = asked.flatMap((i) => {
      const entry = entries[i];
      return entry === undefined ? [] : [tombstoneKey(table, entry.key)];
    });
    const found = await kv.getMany<Tombstone[]>(keys);
    for (const [n, i] of asked.entries()) {
      const tombstone = found[n]?.value ?? null;
      const entry = entries[i];
      if (tombstone === null || entry === undefined) continue;
      if (compareOrder(tombstone.order, entry.order) !== 0) continue;
      const { order, value } = tombstone;
      changes[i] = { kind: "delete", key: entry.key, order, value };
    }
  }
  return changes;
}
