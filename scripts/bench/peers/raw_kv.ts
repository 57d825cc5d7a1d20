/**
 * The ceiling: rows from memory into Deno KV, in the best batch shape, by a loop that does nothing
 * else. The file is made as the replicator makes it, and the clock runs from the first operation
 * until the store is closed.
 *
 * ```sh
 * deno run -A --unstable-kv raw_kv.ts FILE DATA GENERATION sorted|arrival
 * ```
 *
 * @module
 */

import { openStore } from "../../../src/store/kv/open_store.ts";
import { type Data, sourceOf } from "../data.ts";

/** Rows of an operation: as many as the limits on mutations and on bytes allow. */
const SMALL_ROWS = 998;
const LARGE_ROWS = 480;

/** Operations on their way: two are 1.6 times as fast as one, more are no faster. */
const IN_FLIGHT = 2;

const [file = "", json = "{}", generation = "0", order = "sorted"] = Deno.args;
const data: Data = JSON.parse(json);
const source = sourceOf(data, Number(generation));
const rows = Array.from({ length: data.rows }, (_, at) => source.record(at));
if (order === "sorted") rows.sort((a, b) => Number(a["id"]) - Number(b["id"]));
const perOperation = data.size === "small" ? SMALL_ROWS : LARGE_ROWS;

const store = await openStore(file);
const began = performance.now();
const flying: Promise<unknown>[] = [];
for (let at = 0; at < rows.length; at += perOperation) {
  const operation = store.writer.atomic();
  for (let i = at; i < Math.min(at + perOperation, rows.length); i++) {
    const row = rows[i];
    if (row !== undefined) operation.set(["servers", Number(row["id"])], row);
  }
  flying.push(operation.commit());
  if (flying.length >= IN_FLIGHT) await flying.shift();
}
await Promise.all(flying);
store.close();
console.log(JSON.stringify({ milliseconds: performance.now() - began }));
