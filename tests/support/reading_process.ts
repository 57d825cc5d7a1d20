/**
 * A process that lists a table again and again, as any reader may, until its rows have come to
 * where they should; it fails at a row that is not whole or that goes back.
 *
 * @module
 */

import { TableReader } from "../../src/store/read/table_reader.ts";

if (import.meta.main) {
  const { kv: path, table, until } = JSON.parse(Deno.args[0] ?? "{}");
  using kv = await Deno.openKv(path);
  const reader = new TableReader(kv, table);
  const seen = new Map<number, number>();
  let lists = 0;
  for (let least = 0; least < until; lists++) {
    least = until;
    let rows = 0;
    for await (const { value } of reader.list()) {
      const { id, n } = value;
      if (typeof id !== "number" || typeof n !== "number") throw new Error("not a whole row");
      if (n < (seen.get(id) ?? 0)) throw new Error(`row ${id} went back to ${n}`);
      seen.set(id, n);
      rows++;
      if (id < 100) least = Math.min(least, n);
    }
    if (rows !== 3_000) throw new Error(`${rows} rows`);
  }
  console.log(`listed ${lists} times`);
}
