/**
 * What one process asks of the one that writes a table: left in the store, taken at the holder's
 * next beat.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { requestKey, requestPrefix } from "../kv/keys.ts";

/** What can be asked for. */
const REQUESTS = ["resync", "approve", "hold", "release"] as const;

/** One of them. */
export type RequestName = typeof REQUESTS[number];

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
    const known = REQUESTS.find((request) => request === name);
    if (known !== undefined) names.push(known);
  }
  return names;
}
