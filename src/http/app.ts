/**
 * The status server's application: every route behind the guard, Request → Response, without a
 * port.
 *
 * @module
 */

import { Hono } from "hono";
import { type Clock, systemClock } from "../base/clock.ts";
import type { AppParts } from "./app_parts.ts";
import { TableChanges } from "./changes.ts";
import { guard, type GuardOptions } from "./guard.ts";
import { SECURITY_HEADERS } from "./headers.ts";
import type { HttpHost, TableHost } from "./host.ts";
import { StatusHub } from "./hub.ts";
import { LargeTexts } from "./large_texts.ts";
import { statusRoutes } from "./routes_status.tsx";
import { digestRoutes } from "./routes_digest.ts";
import { tableRoutes } from "./routes_tables.tsx";
import { EventStreams, MAX_STREAMS } from "./sse.ts";
import { renderOverview } from "./view/render.tsx";

export interface AppOptions extends GuardOptions {
  /** `/readyz` fails when the last contact is older, in milliseconds; no limit by default. */
  readonly maxStalenessMs?: number;
  /** Open event streams at most; default 1000. */
  readonly maxStreams?: number;
  readonly clock?: Clock;
  /** Told of a request that failed inside: a fault of the store, or of this program. */
  readonly onError?: (error: Error) => void;
}

/** The application, and how to end its event streams. */
export interface StatusApp {
  fetch(request: Request): Response | Promise<Response>;
  /** Event streams that are open. */
  readonly openStreams: number;
  /** Ends all event streams, so that the server can stop. */
  close(): void;
}

/**
 * Builds the application.
 *
 * @param mount adds routes of others (the feed); they stand behind the same guard
 */
export function createApp(
  host: HttpHost,
  options: AppOptions = {},
  mount?: (app: Hono) => void,
): StatusApp {
  const clock = options.clock ?? systemClock;
  const { maxStalenessMs } = options;
  const streams = new EventStreams(clock, options.maxStreams ?? MAX_STREAMS);
  const hub = new StatusHub(
    host,
    streams,
    clock,
    (status) => renderOverview(status, clock.now(), maxStalenessMs),
  );
  const changes = new Map<string, TableChanges>();
  const parts: AppParts = {
    host,
    hub,
    clock,
    maxStalenessMs,
    largeTexts: new LargeTexts(clock),
    changes(table: TableHost): TableChanges {
      const known = changes.get(table.table) ?? new TableChanges(table, streams, clock);
      changes.set(table.table, known);
      return known;
    },
  };

  // Paths are matched as they were sent: an encoded slash in a key is no separator.
  const app = new Hono({ getPath: (request) => new URL(request.url).pathname });
  app.use(async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.res.headers.set(name, value);
    if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-store");
  });
  app.use(guard(options));
  statusRoutes(app, parts);
  tableRoutes(app, parts);
  digestRoutes(app, parts);
  mount?.(app);
  app.notFound(({ req }) => {
    // With the feed its routes would have answered.
    const isFeed = mount === undefined && /^\/feed(\/|$)/.test(req.path);
    const error = isFeed ? "no feed is served here: start with --feed" : "there is nothing here";
    return Response.json({ error }, { status: 404 });
  });
  app.onError((error) => {
    options.onError?.(error);
    return Response.json({ error: "this request failed; the log tells why" }, { status: 500 });
  });

  return {
    fetch: (request) => app.fetch(request),
    get openStreams() {
      return streams.size;
    },
    close() {
      streams.closeAll();
      for (const table of changes.values()) table.close();
    },
  };
}
