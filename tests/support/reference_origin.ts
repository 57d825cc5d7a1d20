/**
 * The reference origin inside a test: one table, changed by hand, on a free port.
 *
 * @module
 */

import { type Origin, type OriginOptions, startOrigin } from "../../scripts/origin/server.ts";
import { OriginTable, type TableOptions } from "../../scripts/origin/table.ts";

/** How it differs from the plain case. */
export interface TestOriginOptions
  extends Omit<OriginOptions, "tables">, Omit<TableOptions, "clock"> {
  /** Table name; default `servers`. */
  readonly name?: string;
  /** Serves this table (as a restarted origin would) instead of a new one. */
  readonly table?: OriginTable;
  /** Records put into the new table, in this order. */
  readonly rows?: Parameters<OriginTable["put"]>[0][];
}

/** A running origin and its one table. */
export interface TestOrigin extends AsyncDisposable {
  readonly server: Origin<OriginTable>;
  /** Put, remove, forget, snapshot, restore, liveRows… */
  readonly table: OriginTable;
  /** What to replicate from: `http://127.0.0.1:PORT/servers`. */
  readonly url: string;
  readonly requests: Origin["requests"];
  /** Records sent so far, over all requests. */
  readonly rowsSent: number;
  dropConnections(): number;
  stop(): Promise<void>;
}

/** A table whose clock counts: each write has an order of its own, the first one 1000. */
export function testTable(options: Omit<TableOptions, "clock"> = {}): OriginTable {
  let time = 1000;
  return new OriginTable({ ...options, clock: () => time++ });
}

/**
 * Starts a reference origin for one test.
 *
 * @example
 * ```ts
 * import { startTestOrigin } from "./reference_origin.ts";
 * await using origin = startTestOrigin({ finite: true, rows: [{ id: 1, ip: "10.0.0.1" }] });
 * const text = await (await fetch(`${origin.url}/0`)).text();
 * ```
 */
export function startTestOrigin(options: TestOriginOptions = {}): TestOrigin {
  const { name = "servers", rows = [], ...rest } = options;
  const table = options.table ?? testTable(rest);
  for (const row of rows) table.put(row);
  const server = startOrigin({ ...rest, tables: { [name]: table } });
  return {
    server,
    table,
    url: server.url(name),
    requests: server.requests,
    get rowsSent() {
      return server.rowsSent;
    },
    dropConnections: () => server.dropConnections(),
    stop: () => server.stop(),
    [Symbol.asyncDispose]: () => server.stop(),
  };
}
