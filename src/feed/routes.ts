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
 * Where caches may keep answers, the header `lockstep-edition` says so; see `public_feed.ts`.
 *
 * @module
 */

import type { Context, Hono } from "hono";
import { type Clock, systemClock } from "../base/clock.ts";
import type { Order } from "../protocol/cursor.ts";
import { LockstepError } from "../protocol/errors.ts";
import { acceptsGzip, headersOf, problem, readSince, RETRY } from "./answers.ts";
import type { FeedHost } from "./host.ts";
import { beatWish } from "./beats.ts";
import { PublicFeed, type PublicFeedOptions } from "./public_feed.ts";
import { TableFeed } from "./table_feed.ts";

/** Answers that stay open at the same time, for all tables. */
const MAX_READERS = 5_000;

/** Settings of {@linkcode Feeds}. */
export interface FeedOptions {
  readonly clock?: Clock;
  /** Answers that stay open at the same time; default 5,000. */
  readonly maxReaders?: number;
  /** That caches may keep answers, and which; default none. */
  readonly public?: PublicFeedOptions;
}

/** One table's feed, and what of it caches may keep. */
interface Feed {
  readonly plain: TableFeed;
  readonly public: PublicFeed | null;
}

/** The feeds of all tables of a process. */
export class Feeds implements AsyncDisposable {
  readonly #host: FeedHost;
  readonly #clock: Clock;
  readonly #maxReaders: number;
  readonly #public: PublicFeedOptions | null;
  readonly #feeds = new Map<string, Feed>();
  #closed = false;

  constructor(host: FeedHost, options: FeedOptions = {}) {
    this.#host = host;
    this.#clock = options.clock ?? systemClock;
    this.#maxReaders = options.maxReaders ?? MAX_READERS;
    this.#public = options.public ?? null;
  }

  /** Answers that are open. */
  get readers(): number {
    return [...this.#feeds.values()].reduce(
      (sum, feed) => sum + feed.plain.size + (feed.public?.waiting ?? 0),
      0,
    );
  }

  /** Adds the routes. */
  mount(app: Hono): void {
    const handler = (c: Context) => this.#answer(c);
    const paths = ["", "/", "/:since", "/snapshot/:name"].map((path) => `/feed/:table${path}`);
    for (const path of paths) {
      app.get(path, handler);
      app.all(path, () => problem(405, "the feed takes GET only", { allow: "GET, HEAD" }));
    }
  }

  /** Cuts off all readers, so that the server can stop. */
  close(): void {
    this.#closed = true;
    for (const { plain } of this.#feeds.values()) plain.close();
  }

  /** Gives up what was kept for caches. To be called once no answer is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    for (const feed of this.#feeds.values()) await feed.public?.close();
  }

  #feed(name: string): Feed | null {
    const table = this.#host.tables.get(name);
    if (table === undefined) return null;
    const known = this.#feeds.get(name);
    if (known !== undefined) return known;
    const plain = new TableFeed(table, this.#clock);
    const options = this.#public;
    const feed = {
      plain,
      public: options === null ? null : new PublicFeed(table, plain, this.#clock, options),
    };
    this.#feeds.set(name, feed);
    return feed;
  }

  async #answer(c: Context): Promise<Response> {
    const path = elements(c.req.url);
    if (path === null) return problem(400, "the path is not well-formed percent-encoding");
    const name = path[1] ?? "";
    const table = this.#host.tables.get(name);
    const feed = this.#feed(name);
    if (table === undefined || feed === null) return problem(404, "there is no such table");
    const file = feed.public === null ? null : snapshotOf(c, feed.public, path);
    if (file !== null) return withoutBody(c, await file);
    const { cursor } = table.feedState();
    let since: Order | null;
    try {
      since = readSince(path[2] || c.req.query("since") || "0", table.orders.type, cursor);
    } catch (error) {
      if (error instanceof LockstepError) return problem(400, `${error.message}: ${error.hint}`);
      throw error;
    }
    const forCaches = feed.public === null ? null : this.#forCaches(c, feed.public, since);
    if (forCaches !== null) return withoutBody(c, await forCaches);
    const finite = isTrue(c.req.query("finite"));
    const refusal = feed.plain.refusal(since, finite, c.req.header("lockstep-generation") ?? null);
    if (refusal !== null) {
      return problem(refusal.status, refusal.reason, refusal.status === 503 ? RETRY : {});
    }
    if (this.#closed || (!finite && this.readers >= this.#maxReaders)) return crowded();
    const edition = await feed.public?.edition() ?? null;
    const offer: Record<string, string> = edition === null ? {} : { "lockstep-edition": edition };
    if (c.req.raw.method === "HEAD") {
      const head = feed.plain.finite(since);
      void head.body.cancel();
      return new Response(null, { headers: { ...headersOf(head, table), ...offer } });
    }
    const answer = finite
      ? feed.plain.finite(since)
      : feed.plain.endless(since, beatWish(c.req.query("beat") ?? c.req.header("lockstep-beat")));
    const headers = { ...headersOf(answer, table), ...offer };
    if (!finite || !acceptsGzip(c.req.header("accept-encoding"))) {
      return new Response(answer.body, { headers });
    }
    // Only what ends: a compressor that stays open keeps rows back until it is full.
    headers["content-encoding"] = "gzip";
    return new Response(answer.body.pipeThrough(new CompressionStream("gzip")), { headers });
  }

  /** A chunk, or a poll; null where the request is for neither. */
  #forCaches(c: Context, feed: PublicFeed, since: Order | null): Promise<Response> | null {
    const request = {
      acceptEncoding: c.req.header("accept-encoding"),
      ifNoneMatch: c.req.header("if-none-match"),
    };
    const at = c.req.query("at");
    const isChunk = isTrue(c.req.query("chunk"));
    if (!isChunk && at === undefined) return null;
    if (this.#closed || this.readers >= this.#maxReaders) return Promise.resolve(crowded());
    if (isChunk) return feed.chunk(since, c.req.query("g") ?? "", request);
    return feed.poll(at ?? "", Number(c.req.query("wait") ?? "0"));
  }
}

/** The latest snapshot, or a certain one; null where the request is for none. */
function snapshotOf(c: Context, feed: PublicFeed, path: string[]): Promise<Response> | null {
  if (path[2] !== "snapshot") return null;
  if (path[3] === undefined) return feed.latest();
  return feed.snapshot(path[3], c.req.header("range"), c.req.header("if-range"));
}

function crowded(): Response {
  return problem(503, "too many readers: ask again in a while", RETRY);
}

/** The headers alone, where they alone are asked for. */
function withoutBody(c: Context, answer: Response): Response {
  if (c.req.raw.method !== "HEAD") return answer;
  void answer.body?.cancel();
  const { status, headers } = answer;
  return new Response(null, { status, headers });
}

/** The decoded elements of a URL's path, also of one whose elements hold an encoded slash. */
function elements(url: string): string[] | null {
  try {
    return new URL(url).pathname.split("/").slice(1).map(decodeURIComponent);
  } catch {
    return null;
  }
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && text !== "0" && text !== "false";
}
