/**
 * The feed over HTTP: `GET /feed/TABLE/<since>` and `GET /feed/TABLE?since=<since>`.
 *
 * | header of the answer | |
 * | --- | --- |
 * | `lockstep-head` | everything up to this order is sent before the first blank line; empty for an empty table, missing while the copy is not complete |
 * | `lockstep-order-type` | how the orders compare: `number`, `time` or `text`; a follower goes by it |
 * | `lockstep-age` | age of this copy in seconds: since the origin's last word, as far as it is known here (`unknown` where there was none) |
 * | `lockstep-generation` | another one than before: what was asked for can't tell all that has changed; a follower starts over from 0, and sends the new one back with its requests |
 *
 * A reader that asks with `lockstep-beat: SECONDS`, or `?beat=SECONDS` (1 to 15), gets a blank line as
 * often, whose length tells the age; see `protocol/beat.ts`. There are none while the origin is not
 * in touch.
 *
 * @module
 */

import type { Context, Hono } from "hono";
import { type Clock, systemClock } from "../base/clock.ts";
import {
  formatOrder,
  type Order,
  type OrderType,
  parseOrder,
  plainType,
} from "../protocol/cursor.ts";
import { LockstepError } from "../protocol/errors.ts";
import type { FeedHost, FeedTable } from "./host.ts";
import { beatWish } from "./beats.ts";
import { type FeedAnswer, TableFeed } from "./table_feed.ts";

/** Answers that stay open at the same time, for all tables. */
const MAX_READERS = 5_000;

/** Settings of {@linkcode Feeds}. */
export interface FeedOptions {
  readonly clock?: Clock;
  /** Answers that stay open at the same time; default 5,000. */
  readonly maxReaders?: number;
}

/** The feeds of all tables of a process. */
export class Feeds {
  readonly #host: FeedHost;
  readonly #clock: Clock;
  readonly #maxReaders: number;
  readonly #feeds = new Map<string, TableFeed>();
  #closed = false;

  constructor(host: FeedHost, options: FeedOptions = {}) {
    this.#host = host;
    this.#clock = options.clock ?? systemClock;
    this.#maxReaders = options.maxReaders ?? MAX_READERS;
  }

  /** Answers that are open. */
  get readers(): number {
    return [...this.#feeds.values()].reduce((sum, feed) => sum + feed.size, 0);
  }

  /** Adds the routes. */
  mount(app: Hono): void {
    const handler = (c: Context) => this.#answer(c);
    for (const path of ["/feed/:table", "/feed/:table/", "/feed/:table/:since"]) {
      app.get(path, handler);
      app.all(path, () => problem(405, "the feed takes GET only", { allow: "GET, HEAD" }));
    }
  }

  /** Cuts off all readers, so that the server can stop. */
  close(): void {
    this.#closed = true;
    for (const feed of this.#feeds.values()) feed.close();
  }

  #feed(name: string): TableFeed | null {
    const table = this.#host.tables.get(name);
    if (table === undefined) return null;
    const known = this.#feeds.get(name) ?? new TableFeed(table, this.#clock);
    this.#feeds.set(name, known);
    return known;
  }

  #answer(c: Context): Response {
    const path = elements(c.req.url);
    if (path === null) return problem(400, "the path is not well-formed percent-encoding");
    const name = path[1] ?? "";
    const table = this.#host.tables.get(name);
    const feed = this.#feed(name);
    if (table === undefined || feed === null) return problem(404, "there is no such table");
    const { cursor } = table.feedState();
    let since: Order | null;
    try {
      since = readSince(path[2] || c.req.query("since") || "0", table.orders.type, cursor);
    } catch (error) {
      if (error instanceof LockstepError) return problem(400, `${error.message}: ${error.hint}`);
      throw error;
    }
    const finite = isTrue(c.req.query("finite"));
    const refusal = feed.refusal(since, finite, c.req.header("lockstep-generation") ?? null);
    if (refusal !== null) {
      return problem(refusal.status, refusal.reason, refusal.status === 503 ? RETRY : {});
    }
    if (this.#closed || (!finite && this.readers >= this.#maxReaders)) {
      return problem(503, "too many readers: ask again in a while", RETRY);
    }
    if (c.req.raw.method === "HEAD") {
      const head = feed.finite(since);
      void head.body.cancel();
      return new Response(null, { headers: headersOf(head, table) });
    }
    const answer = finite
      ? feed.finite(since)
      : feed.endless(since, beatWish(c.req.query("beat") ?? c.req.header("lockstep-beat")));
    const headers = headersOf(answer, table);
    if (!finite || !acceptsGzip(c.req.header("accept-encoding"))) {
      return new Response(answer.body, { headers });
    }
    // Only what ends: a compressor that stays open keeps rows back until it is full.
    headers["content-encoding"] = "gzip";
    return new Response(answer.body.pipeThrough(new CompressionStream("gzip")), { headers });
  }
}

const RETRY = { "retry-after": "1" };

function headersOf(
  { head, generation, ageMs }: FeedAnswer,
  { orders }: FeedTable,
): Record<string, string> {
  const headers: Record<string, string> = {
    "content-type": "application/x-ndjson",
    "cache-control": "no-store",
    "lockstep-generation": generation,
    "lockstep-age": ageMs === null ? "unknown" : (ageMs / 1000).toFixed(3),
    vary: "accept-encoding",
    // Tells nginx not to gather rows.
    "x-accel-buffering": "no",
  };
  if (orders.type !== null) headers["lockstep-order-type"] = orders.type;
  const isText = typeof head === "string" && head !== "";
  const text = head === null || head === ""
    ? head
    : isText
    ? orders.textOf(head)
    : formatOrder(head);
  // What no header can carry as it is stays out: a follower then goes by other signs.
  if (text !== null && /^[!-~]?(?:[ -~]*[!-~])?$/.test(text)) headers["lockstep-head"] = text;
  return headers;
}

/** The decoded elements of a URL's path, also of one whose elements hold an encoded slash. */
function elements(url: string): string[] | null {
  try {
    return new URL(url).pathname.split("/").slice(1).map(decodeURIComponent);
  } catch {
    return null;
  }
}

/** Null for `0`: from the beginning. */
function readSince(
  text: string,
  type: OrderType | null | undefined,
  cursor: Order | null,
): Order | null {
  if (text === "0") return null;
  return parseOrder(text, type ?? (cursor === null ? null : plainType(cursor)));
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && text !== "0" && text !== "false";
}

/** Whether gzip is asked for: `gzip;q=0` says no. */
function acceptsGzip(header: string | undefined): boolean {
  return (header ?? "").split(",").some((part) => {
    const [name, ...rest] = part.split(";").map((text) => text.trim().toLowerCase());
    return (name === "gzip" || name === "*") && !rest.some((text) => /^q=0(\.0*)?$/.test(text));
  });
}

/** A refusal as JSON: `{"error": …}`. */
function problem(status: number, error: string, headers: Record<string, string> = {}): Response {
  return Response.json({ error }, { status, headers: { "cache-control": "no-store", ...headers } });
}
