/**
 * Routes about the process: the page, `/status`, `/events`, `/samples`, `/metrics`, `/healthz`,
 * `/readyz`, and the page's assets.
 *
 * @module
 */

import type { Context, Hono } from "hono";
import { assetResponse } from "./assets.ts";
import { type AppParts, get, noStore, tooManyStreams } from "./app_parts.ts";
import { readiness } from "./health.ts";
import { type HubChannel, points } from "./hub.ts";
import { METRICS_TYPE, metricsText } from "./metrics_text.ts";
import { preferred } from "./negotiate.ts";
import { eventResponse } from "./sse.ts";
import { page } from "./view/layout.tsx";
import { Overview, title } from "./view/overview.tsx";
import { headline } from "./view/words.ts";

export function statusRoutes(app: Hono, parts: AppParts): void {
  const { host, hub, clock, maxStalenessMs } = parts;

  get(app, "/", (c) => {
    const status = host.status();
    const samples = new Map([...host.tables].map(([name, table]) => [name, table.samples()]));
    const head = headline(status, maxStalenessMs);
    return c.html(page({
      title: title(head),
      tone: head.tone,
      live: true,
      children: (
        <Overview
          status={status}
          now={clock.now()}
          samples={samples}
          maxStalenessMs={maxStalenessMs}
        />
      ),
    }));
  });

  get(app, "/status", (c) => {
    return c.body(JSON.stringify(host.status(), null, 2) + "\n", 200, {
      "content-type": "application/json; charset=utf-8",
    });
  });

  const events = (channel: HubChannel) => (c: Context) => {
    if (c.req.raw.method === "HEAD") {
      return c.body(null, 200, { "content-type": "text/event-stream" });
    }
    const stream = hub.open(channel);
    return stream === null ? tooManyStreams() : eventResponse(stream);
  };
  get(app, "/events", events("status"));
  get(app, "/events/page", events("page"));

  get(app, "/samples", () => {
    const all = [...host.tables].map(([name, table]) => [name, points(table.samples())] as const);
    return Response.json(Object.fromEntries(all), noStore());
  });

  get(app, "/metrics", (c) => {
    return c.body(metricsText(host.status()), 200, { "content-type": METRICS_TYPE });
  });

  get(app, "/healthz", (c) => c.text("ok\n"));

  get(app, "/readyz", (c) => {
    const found = readiness(host.status(), maxStalenessMs);
    const code = found.ready ? 200 : 503;
    if (preferred(c.req.header("accept"), ["text/plain", "application/json"]) !== "text/plain") {
      return c.json(found, code);
    }
    const lines = found.tables.map(({ table, why }) => `${oneLine(table)}: ${oneLine(why)}`);
    return c.text([found.ready ? "ready" : "not ready", ...lines, ""].join("\n"), code);
  });

  get(app, "/assets/*", (c) => assetResponse(c.req.path) ?? c.notFound());
}

/** Keeps one fact on one line, whatever an origin wrote into it. */
function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, " ");
}
