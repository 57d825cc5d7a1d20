/**
 * What one process asks of the one that writes a table: left in the store, taken at the holder's
 * next beat.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { requestKey, requestPrefix } from "../kv/keys.ts";

/** What can be asked for. */
export type RequestName = "resync" | "approve";

/** Leaves a request for the table's holder, or for the next one. */
export async function leaveRequest(kv: Deno.Kv, table: string, name: RequestName): Promise<void> {
  await kv.set(requestKey(table, name), systemClock.now());
}

/** Takes what was asked for. */
export async function takeRequests(kv: Deno.Kv, table: string): Promise<RequestName[]> {
  const names: RequestName[] = [];
  for await (const { key } of kv.list({ prefix: requestPrefix(table) })) {
    const name = key.at(-1);
    await kv.delete(key);
    if (name === "resync" || name === "approve") names.push(name);
  }
  return names;
}
