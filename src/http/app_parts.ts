/**
 * What routes share: the server's parts, and small answers.
 *
 * @module
 */

import type { Context, Handler, Hono } from "hono";
import type { Clock } from "../base/clock.ts";
import type { TableChanges } from "./changes.ts";
import type { HttpHost, TableHost } from "./host.ts";
import type { StatusHub } from "./hub.ts";
import type { LargeTexts } from "./large_texts.ts";

export interface AppParts {
  readonly host: HttpHost;
  readonly hub: StatusHub;
  readonly clock: Clock;
  readonly maxStalenessMs: number | undefined;
  readonly largeTexts: LargeTexts;
  /** The change stream of a table, made when it is first asked for. */
  changes(table: TableHost): TableChanges;
}

/** Routes GET and HEAD; any other method is refused with 405. */
export function get(app: Hono, path: string, handler: Handler): void {
  app.get(path, handler);
  app.all(path, (c) => notAllowed(c, "GET, HEAD"));
}

/** Routes POST alone. */
export function post(app: Hono, path: string, handler: Handler): void {
  app.post(path, handler);
  app.all(path, (c) => notAllowed(c, "POST"));
}

function notAllowed(c: Context, allow: string): Response {
  return problem(405, `${c.req.path} takes ${allow} only`, { allow });
}

/** A refusal as JSON: `{"error": …}`. */
export function problem(
  status: number,
  error: string,
  headers: Record<string, string> = {},
): Response {
  return Response.json({ error }, { status, headers: { ...noStore().headers, ...headers } });
}

export function tooManyStreams(): Response {
  return Response.json({ error: "too many event streams are open" }, {
    status: 503,
    headers: { "retry-after": "5", "cache-control": "no-store" },
  });
}

export function noStore(): { headers: Record<string, string> } {
  return { headers: { "cache-control": "no-store" } };
}
