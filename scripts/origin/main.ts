/**
 * The reference origin as a program of its own.
 *
 * ```sh
 * deno run -A scripts/origin/main.ts --data cities --rate 20 --port 4570
 * deno run -A scripts/origin/main.ts --data synthetic --count 1000000 --keys random --finite
 * deno run -A scripts/origin/main.ts --data 2011 --port 4567
 * ```
 *
 * The first line on stdout is JSON: `{"url": …, "table": …, "rows": …}`; it listens by then. Besides
 * the table, `GET /stats` tells what was sent, and `POST /rate/N` changes the rate of live changes.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { type Changes, startChanges } from "./changes.ts";
import { citiesTable } from "./cities.ts";
import { type Framing, FRAMINGS } from "./framing.ts";
import { ORDER_STYLES } from "./orders.ts";
import { start2011 } from "./reference_2011.ts";
import { type Origin, startOrigin } from "./server.ts";
import { type MutableSource, SEPARATORS } from "./source.ts";
import { SyntheticSource } from "./synthetic.ts";
import { OriginTable } from "./table.ts";

const HELP = `usage: deno run -A scripts/origin/main.ts [options]

  --data cities|synthetic|empty|2011   what is served (default cities)
  --port N, --host H                   default 4570, 127.0.0.1; port 0 takes a free one
  --table NAME                         default: cities, or servers for other data
  --finite                             answers end, unless a request says finite=0
  --gzip                               compress for those who accept it
  --heartbeat MS                       a blank line so often while an answer is quiet
  --rate N                             live changes a second (default 0)
  --order number|nanos|iso             how updated_at is written (default number)
  --separator newline|crlf|none        between records (default newline)
  --framing lines|pretty|array|envelope|sequence|events
                                       around records (default lines; envelope: data)
  --page N                             records of one answer at most
  --limit N                            cities: only the first N places
synthetic data:
  --count N                            records (default 1000000)
  --keys in-order|random               default in-order
  --size small|large                   110 bytes or 1.5 KB a record (default small)
  --ties N                             records with one updated_at (default 1)
  --tombstones S, --duplicates S, --stale S, --bad S
                                       shares of all records, 0 to 1 (default 0)
  --tombstones-at-zero                 send tombstones to a request from 0, too
  --big                                a field beyond 2^53 in each record
  --base MS                            the first updated_at (default 1700000000000)
  --seed N                             of the random keys (default 1)
`;

const options = {
  data: { type: "string", default: "cities" },
  port: { type: "string", default: "4570" },
  host: { type: "string", default: "127.0.0.1" },
  table: { type: "string" },
  finite: { type: "boolean", default: false },
  gzip: { type: "boolean", default: false },
  heartbeat: { type: "string", default: "0" },
  rate: { type: "string", default: "0" },
  order: { type: "string", default: "number" },
  separator: { type: "string", default: "newline" },
  framing: { type: "string" },
  page: { type: "string" },
  limit: { type: "string" },
  count: { type: "string", default: "1000000" },
  keys: { type: "string", default: "in-order" },
  size: { type: "string", default: "small" },
  ties: { type: "string", default: "1" },
  tombstones: { type: "string", default: "0" },
  duplicates: { type: "string", default: "0" },
  stale: { type: "string", default: "0" },
  bad: { type: "string", default: "0" },
  "tombstones-at-zero": { type: "boolean", default: false },
  big: { type: "boolean", default: false },
  base: { type: "string", default: "1700000000000" },
  seed: { type: "string", default: "1" },
  help: { type: "boolean", default: false },
} as const;

type Values = ReturnType<typeof readArgs>;

function readArgs() {
  return parseArgs({ args: Deno.args, options }).values;
}

/** A mistake in the arguments. */
class UsageError extends Error {}

function numberFrom(name: string, text: string): number {
  const number = Number(text);
  if (text.trim() !== "" && Number.isFinite(number) && number >= 0) return number;
  throw new UsageError(`--${name} ${text}: a number from 0 up is wanted`);
}

function oneOf<T extends string>(name: string, text: string, accepted: readonly T[]): T {
  const found = accepted.find((choice) => choice === text);
  if (found !== undefined) return found;
  throw new UsageError(`--${name} ${text}: one of ${accepted.join(", ")} is wanted`);
}

async function sourceOf(values: Values): Promise<MutableSource> {
  const orders = oneOf("order", values.order, ORDER_STYLES);
  const separator = oneOf("separator", values.separator, ["newline", "crlf", "none"] as const);
  switch (oneOf("data", values.data, ["cities", "synthetic", "empty"] as const)) {
    case "cities": {
      const limit = values.limit === undefined ? {} : { limit: numberFrom("limit", values.limit) };
      return await citiesTable({ orders, separator, ...limit });
    }
    case "empty":
      return new OriginTable({ orders, separator });
    case "synthetic":
      return new SyntheticSource({
        orders,
        separator,
        count: numberFrom("count", values.count),
        keys: oneOf("keys", values.keys, ["in-order", "random"] as const),
        size: oneOf("size", values.size, ["small", "large"] as const),
        ties: numberFrom("ties", values.ties),
        tombstones: numberFrom("tombstones", values.tombstones),
        tombstonesAtZero: values["tombstones-at-zero"],
        duplicates: numberFrom("duplicates", values.duplicates),
        stale: numberFrom("stale", values.stale),
        bad: numberFrom("bad", values.bad),
        big: values.big,
        base: numberFrom("base", values.base),
        seed: numberFrom("seed", values.seed),
      });
  }
}

/** `GET /stats` and `POST /rate/N`. */
function control(request: Request, origin: () => Origin<MutableSource>, changes: Changes) {
  const { pathname } = new URL(request.url);
  if (request.method === "GET" && pathname === "/stats") {
    const { tables, requests, rowsSent, open } = origin();
    return Response.json({
      tables: Object.fromEntries(
        Object.entries(tables).map(([name, { size, head }]) => {
          return [name, { rows: size, head: head === null ? null : String(head) }];
        }),
      ),
      rate: changes.rate,
      changes: changes.made,
      requests: requests.map(({ path, rows }) => ({ path, rows })),
      rowsSent,
      open,
    });
  }
  const rate = Number(/^\/rate\/([\d.]+)$/.exec(pathname)?.[1]);
  if (request.method !== "POST" || !Number.isFinite(rate)) return null;
  changes.rate = rate;
  return Response.json({ rate, changes: changes.made });
}

/** Resolves at SIGINT or SIGTERM. */
function stopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      Deno.addSignalListener(signal, () => resolve());
    }
  });
}

async function main(values: Values): Promise<void> {
  const port = numberFrom("port", values.port);
  const stop = stopped();
  if (values.data === "2011") {
    await using server = await start2011(port, values.host);
    console.log(JSON.stringify({ url: server.url, table: "servers", rows: null }));
    await stop;
    return;
  }
  const table = values.table ?? (values.data === "cities" ? "cities" : "servers");
  oneOf("separator", values.separator, Object.keys(SEPARATORS));
  const source = await sourceOf(values);
  const changes = startChanges(source, numberFrom("rate", values.rate));
  await using origin: Origin<MutableSource> = startOrigin({
    tables: { [table]: source },
    port,
    hostname: values.host,
    finite: values.finite,
    gzip: values.gzip,
    heartbeatMs: numberFrom("heartbeat", values.heartbeat),
    ...(values.framing === undefined
      ? {}
      : { framing: oneOf("framing", values.framing, Object.keys(FRAMINGS) as Framing[]) }),
    ...(values.page === undefined ? {} : { pageRows: numberFrom("page", values.page) }),
    extra: (request) => control(request, () => origin, changes),
  });
  console.log(JSON.stringify({ url: origin.url(), table, rows: source.size }));
  await stop;
  changes.stop();
}

if (import.meta.main) {
  try {
    const values = readArgs();
    if (values.help) console.log(HELP);
    else await main(values);
    Deno.exit(0);
  } catch (error) {
    console.error(`origin: ${error instanceof Error ? error.message : error}`);
    const usage = error instanceof UsageError || error instanceof TypeError;
    Deno.exit(usage ? 2 : 1);
  }
}
