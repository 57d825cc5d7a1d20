/**
 * A table's digest over HTTP: `GET /tables/TABLE/digest`, `/digest/buckets` and `/digest/records`.
 *
 * | path | answer |
 * | --- | --- |
 * | `/digest` | `{ table, digest, rows, cursor, time }` |
 * | `/digest/buckets` | the sums of all 65,536 buckets, 32 bytes each, big-endian |
 * | `/digest/records?bucket=N,N…` | the records of these buckets, NDJSON |
 *
 * 503 with `Retry-After` while a digest is made, or the table changes.
 *
 * @module
 */

import type { Context, Hono } from "hono";
import { BUCKETS, TableDigest } from "../digest/table_digest.ts";
import { stringifyJson } from "../protocol/json_text.ts";
import type { AppParts } from "./app_parts.ts";
import { get, problem } from "./app_parts.ts";
import { freshness } from "./headers.ts";
import type { TableHost } from "./host.ts";
import { segments } from "./paths.ts";

const JSON_TYPE = "application/json; charset=utf-8";

/** Buckets whose records are asked for at once. */
const MOST_BUCKETS = 1000;

const encoder = new TextEncoder();

function notYet(): Response {
  const response = problem(503, "the digest is being made, or the table changes: ask again");
  response.headers.set("retry-after", "1");
  return response;
}

function bucketsOf(text: string | undefined): Set<number> | null {
  const numbers = (text ?? "").split(",").map(Number);
  const isOk = numbers.length <= MOST_BUCKETS &&
    numbers.every((bucket) => Number.isInteger(bucket) && bucket >= 0 && bucket < BUCKETS);
  return isOk && text !== "" && text !== undefined ? new Set(numbers) : null;
}

/** Lines of the records whose keys fall into the buckets, a read for each pull. */
function recordLines(table: TableHost, buckets: ReadonlySet<number>): ReadableStream<Uint8Array> {
  const digest = new TableDigest();
  const rows = table.reader.list()[Symbol.asyncIterator]();
  return new ReadableStream({
    pull: async (controller) => {
      for (;;) {
        const { done, value } = await rows.next();
        if (done) return controller.close();
        if (!buckets.has(digest.bucketOf(value.key))) continue;
        return controller.enqueue(encoder.encode(`${stringifyJson(value.value)}\n`));
      }
    },
    cancel: async () => void await rows.return?.(),
  }, { highWaterMark: 0 });
}

export function digestRoutes(app: Hono, { host }: AppParts): void {
  const within = (handler: (c: Context, table: TableHost) => Response) => (c: Context) => {
    const path = segments(c.req.url);
    if (path === null) return problem(400, "the path is not well-formed percent-encoding");
    const table = host.tables.get(path[1] ?? "");
    return table === undefined ? problem(404, "there is no such table") : handler(c, table);
  };

  get(
    app,
    "/tables/:table/digest",
    within((c, table) => {
      const status = table.digest?.() ?? null;
      if (status === null) return notYet();
      const { digest, rows, cursor, time } = status;
      const body = { table: table.table, digest, rows, cursor, time };
      const headers = { ...freshness(table.status()), "content-type": JSON_TYPE };
      return c.body(`${stringifyJson(body)}\n`, 200, headers);
    }),
  );
  get(
    app,
    "/tables/:table/digest/buckets",
    within((c, table) => {
      const status = table.digest?.() ?? null;
      const buckets = table.digestBuckets?.() ?? null;
      if (status === null || buckets === null) return notYet();
      const headers = {
        ...freshness(table.status()),
        "content-type": "application/octet-stream",
        "lockstep-digest": status.digest,
        "lockstep-rows": String(status.rows),
      };
      return c.body(buckets, 200, headers);
    }),
  );
  get(
    app,
    "/tables/:table/digest/records",
    within((c, table) => {
      const buckets = bucketsOf(c.req.query("bucket"));
      if (buckets === null) {
        return problem(400, `bucket is up to ${MOST_BUCKETS} numbers below ${BUCKETS}, by commas`);
      }
      const headers = { ...freshness(table.status()), "content-type": "application/x-ndjson" };
      return c.body(recordLines(table, buckets), 200, headers);
    }),
  );
}
