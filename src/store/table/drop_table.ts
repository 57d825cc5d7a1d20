/**
 * Removes a table: its rows, and everything of it beside them.
 *
 * @module
 */

import type { Clock } from "../../base/clock.ts";
import { LockstepError } from "../../protocol/errors.ts";
import { besidePrefix, changeStateKey, cursorKey, leasePrefix, rowPrefix } from "../kv/keys.ts";
import type { Store } from "../kv/open_store.ts";
import { Operation } from "../kv/operation.ts";
import type { TableMeta } from "../kv/stored_values.ts";
import { Lease } from "./lease.ts";
import { dropped } from "./table_state.ts";

/** Keys read at a time. */
const PAGE_KEYS = 500;

/** Serialised size of the cursor's value at most, for the limits. */
const META_BYTES = 8192;

/**
 * Removes a table that nobody writes. May be repeated after a crash. Returns how many rows it had.
 *
 * @throws {LockstepError} `lease-held` while a process writes it, `held` while it is on hold
 */
export async function dropTable(store: Store, table: string, clock: Clock): Promise<number> {
  const { writer: kv, path, kind } = store;
  const lease = await Lease.take({ kv, table, path, kind, statusUrl: null, clock });
  try {
    const { value: meta } = await kv.get<TableMeta>(cursorKey(table));
    if (meta?.hold != null) {
      throw new LockstepError(`table ${table} is on hold: it is not removed`, {
        kind: "held",
        retry: "never",
        hint: "release it first",
      });
    }
    const first = new Operation(kv, lease.fence);
    // Without its state the change index means nothing, whatever is left of it.
    first.delete(changeStateKey(table));
    if (meta !== null) first.set(cursorKey(table), dropped(meta), META_BYTES);
    await first.commit();
    const rows = await removeAll(kv, lease, rowPrefix(table), []);
    // The state goes last: until then what is left is known to be a part.
    await removeAll(kv, lease, besidePrefix(table), [cursorKey(table), leasePrefix(table)]);
    const last = new Operation(kv, lease.fence);
    last.delete(cursorKey(table));
    await last.commit();
    return rows;
  } finally {
    await lease.release();
  }
}

function isBelow(key: Deno.KvKey, prefix: Deno.KvKey): boolean {
  return prefix.every((part, i) => key[i] === part);
}

async function removeAll(
  kv: Deno.Kv,
  lease: Lease,
  prefix: Deno.KvKey,
  but: readonly Deno.KvKey[],
): Promise<number> {
  let removed = 0;
  let operation = new Operation(kv, lease.fence);
  for await (const { key } of kv.list({ prefix }, { batchSize: PAGE_KEYS })) {
    if (but.some((other) => isBelow(key, other))) continue;
    if (!operation.fits(1, 4096, 0)) {
      await operation.commit();
      operation = new Operation(kv, lease.fence);
    }
    operation.delete(key);
    removed++;
  }
  if (!operation.empty) await operation.commit();
  return removed;
}
