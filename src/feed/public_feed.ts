/**
 * One table's feed for shared caches (`--feed-public`): in chunks, and live by long polls.
 *
 * | request | answer | a cache keeps it |
 * | --- | --- | --- |
 * | `/feed/T/SINCE?chunk=1&g=EDITION` | rows from SINCE up to `lockstep-next` | a day |
 * | the same at the end | rows up to the cursor, `lockstep-at` | 1 s |
 * | `/feed/T/0?wait=25&at=POSITION` | what came behind the position, and the next `lockstep-at` | 5 s |
 * | the same, and nothing came; or a position that isn't known here | no rows, the present `lockstep-at` | 1 s |
 *
 * | `/feed/T/snapshot` | a redirect to the latest snapshot; see `snapshot.ts` | 60 s |
 * | `/feed/T/snapshot/NAME` | all chunks as one file, with ranges | a day |
 *
 * A chunk of another edition than the one that stands here is empty, and has neither `lockstep-next`
 * nor `lockstep-at`: the fill begins again with the edition that it names.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { Order } from "../protocol/cursor.ts";
import { acceptsGzip, headersOf, problem, RETRY, textOf } from "./answers.ts";
import { Chunks, gunzipOf, Uncuttable } from "./chunks.ts";
import type { Chunk } from "./chunks.ts";
import { ChunkStore } from "./chunk_store.ts";
import { Edition } from "./edition.ts";
import type { FeedTable } from "./host.ts";
import { LiveLog } from "./live_log.ts";
import { bytesOf, rangeOf, Snapshots } from "./snapshot.ts";
import type { TableFeed } from "./table_feed.ts";

/** How answers may be kept. */
export interface PublicFeedOptions {
  /** Whether others than the reader's own cache may keep answers: not where a token is asked for. */
  readonly shared: boolean;
  /** The store's file, beside which chunks are kept; null for the folder of temporary files. */
  readonly beside: string | null;
  /** For how long deletions are remembered, in milliseconds. */
  readonly tombstoneTtlMs: number;
}

/** A sealed chunk is offered, and then kept by caches, for a day at most. */
const MOST_KEPT_MS = 86_400_000;

/**
 * The part of the time for which deletions are remembered that either may take: a row that is in an
 * old chunk is deleted behind it, and half of the time is left to come there.
 */
const KEPT_PART = 1 / 4;

const OPEN = "max-age=1";
const LIVE = "max-age=5";

/** The longest wait for news, in seconds: proxies give up after 30 and more. */
const MOST_WAIT_SECONDS = 25;

/** What of a request counts. */
export interface PublicRequest {
  readonly acceptEncoding: string | undefined;
  readonly ifNoneMatch: string | undefined;
}

export class PublicFeed {
  readonly #table: FeedTable;
  readonly #feed: TableFeed;
  readonly #clock: Clock;
  readonly #scope: "public" | "private";
  readonly #store: ChunkStore;
  readonly #chunks: Chunks;
  readonly #snapshots: Snapshots;
  readonly #sealed: string;
  #edition: Edition | null = null;
  #log: LiveLog | null = null;
  #waiting = 0;
  #isClosed = false;

  constructor(table: FeedTable, feed: TableFeed, clock: Clock, options: PublicFeedOptions) {
    this.#table = table;
    this.#feed = feed;
    this.#clock = clock;
    this.#scope = options.shared ? "public" : "private";
    this.#store = new ChunkStore(options.beside);
    const keptMs = Math.min(MOST_KEPT_MS, KEPT_PART * options.tombstoneTtlMs);
    this.#sealed = `max-age=${Math.floor(keptMs / 1000)}, immutable`;
    const position = () => this.#live().position;
    this.#chunks = new Chunks(table, { clock, store: this.#store, keptMs, position });
    this.#snapshots = new Snapshots(table, this.#chunks, clock);
  }

  /** Requests that wait for news. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The edition of the chunks that may be asked for now; null where there is no index. */
  async edition(): Promise<string | null> {
    const { index } = this.#table;
    if (index === null) return null;
    this.#edition ??= new Edition(index);
    if (!this.#edition.look(index, this.#chunks.end)) {
      this.#snapshots.drop();
      await this.#chunks.drop();
    }
    return this.#edition.name;
  }

  /** The rows from an order on, up to where the feed is cut. */
  async chunk(since: Order | null, asked: string, request: PublicRequest): Promise<Response> {
    const refusal = this.#feed.unready(since, false);
    if (refusal !== null) return refused(refusal);
    const { cursor, live } = this.#table.feedState();
    const edition = await this.edition();
    if (edition === null || cursor === null) {
      // An empty table: what comes to it comes behind this position.
      const headers = this.#headers(OPEN, edition ?? "", live ? "" : null);
      return new Response("", { headers: { ...headers, "lockstep-at": this.#live().position } });
    }
    if (asked !== edition) {
      return new Response("", { headers: this.#headers(OPEN, edition, null) });
    }
    let chunk: Chunk;
    try {
      chunk = await this.#chunks.get(since, cursor);
    } catch (error) {
      if (!(error instanceof Uncuttable)) throw error;
      return problem(404, "there are no chunks of this table: ask for its feed as a whole");
    }
    // The rows of a chunk that was made meanwhile may be those of a resync.
    if (await this.edition() !== edition) return problem(503, "the table has changed", RETRY);
    return await this.#sent(chunk, edition, live, request);
  }

  /** What has come behind a position, as soon as there is something. */
  async poll(at: string, seconds: number): Promise<Response> {
    const refusal = this.#feed.unready(null, false);
    if (refusal !== null) return refused(refusal);
    const edition = await this.edition() ?? "";
    const waitMs = 1000 * Math.min(MOST_WAIT_SECONDS, Math.max(0, seconds || 0));
    this.#waiting++;
    const slice = await this.#live().after(at, waitMs)
      .finally(() => this.#waiting--);
    const { cursor, live } = this.#table.feedState();
    const head = live ? cursor ?? "" : null;
    const hasRows = slice !== null && slice.bytes.length > 0;
    const headers = this.#headers(hasRows ? LIVE : OPEN, edition, head);
    headers["lockstep-at"] = slice?.at ?? this.#live().position;
    if (slice !== null) headers["lockstep-from"] = at;
    return new Response(slice?.bytes ?? "", { headers });
  }

  /** Where the latest snapshot is. */
  async latest(): Promise<Response> {
    const refusal = this.#feed.unready(null, true);
    if (refusal !== null) return refused(refusal);
    const snapshot = this.#snapshots.latest(await this.edition() ?? "");
    if (snapshot === null) return problem(503, "the snapshot is being made: ask again", RETRY);
    const location = `snapshot/${encodeURIComponent(snapshot.name)}`;
    const headers = { location, "cache-control": `${this.#scope}, max-age=60` };
    return new Response(null, { status: 302, headers });
  }

  /** A snapshot, or the part of it that is asked for. */
  async snapshot(name: string, range: string | undefined, ifRange: string | undefined) {
    await this.edition();
    const snapshot = this.#snapshots.named(name);
    if (snapshot === null) return problem(404, "this snapshot is gone: ask for the latest");
    const { lengthBytes, cursor } = snapshot;
    const etag = `"${name}"`;
    const headers: Record<string, string> = {
      "content-type": "application/gzip",
      "cache-control": `${this.#scope}, ${this.#sealed}`,
      "accept-ranges": "bytes",
      "lockstep-generation": this.#table.index?.generation ?? "",
      "lockstep-next": encodeURIComponent(textOf(cursor, this.#table)),
      etag,
    };
    const part = ifRange === undefined || ifRange === etag ? rangeOf(range, lengthBytes) : null;
    if (part === "none") {
      return new Response(null, {
        status: 416,
        headers: { "content-range": `bytes */${lengthBytes}`, "cache-control": "no-store" },
      });
    }
    const { from, to } = part ?? { from: 0, to: lengthBytes };
    headers["content-length"] = `${to - from}`;
    if (part !== null) headers["content-range"] = `bytes ${from}-${to - 1}/${lengthBytes}`;
    const status = part === null ? 200 : 206;
    return new Response(bytesOf(snapshot, from, to), { status, headers });
  }

  /** Gives the chunks up. To be called once the table's readers are cut off. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#snapshots.idle();
    await this.#store.close();
  }

  /** The log, which is opened when it is first wanted, and after a cut. */
  #live(): LiveLog {
    if (this.#log !== null && (this.#isClosed || !this.#log.isOver)) return this.#log;
    const { cursor } = this.#table.feedState();
    return this.#log = new LiveLog(this.#feed.endless(cursor).body, this.#clock);
  }

  #headers(age: string, edition: string, head: Order | "" | null): Record<string, string> {
    const { ageMs } = this.#table.feedState();
    const generation = this.#table.index?.generation ?? "";
    // nginx keeps nothing of what it isn't to gather.
    const { "x-accel-buffering": _, ...headers } = headersOf(
      { head, generation, ageMs },
      this.#table,
    );
    return {
      ...headers,
      "cache-control": `${this.#scope}, ${age}`,
      "lockstep-edition": edition,
    };
  }

  async #sent(
    chunk: Chunk,
    edition: string,
    live: boolean,
    { acceptEncoding, ifNoneMatch }: PublicRequest,
  ): Promise<Response> {
    const { gzip, lengthBytes, next, at, floor, cursor, tag } = chunk;
    const isPacked = acceptsGzip(acceptEncoding);
    const headers = this.#headers(
      next === null ? OPEN : this.#sealed,
      edition,
      live ? cursor : null,
    );
    const etag = `"${edition}-${tag}${isPacked ? "-gzip" : ""}"`;
    headers["etag"] = etag;
    if (next !== null) headers["lockstep-next"] = encodeURIComponent(textOf(next, this.#table));
    if (at !== null) headers["lockstep-at"] = at;
    if (floor !== null) headers["lockstep-floor"] = encodeURIComponent(textOf(floor, this.#table));
    if (ifNoneMatch?.split(",").some((given) => given.trim() === etag)) {
      return new Response(null, { status: 304, headers });
    }
    const packed = await gzip.read(0, gzip.lengthBytes);
    const bytes = isPacked ? packed : await gunzipOf(packed);
    if (isPacked) headers["content-encoding"] = "gzip";
    headers["content-length"] = `${isPacked ? gzip.lengthBytes : lengthBytes}`;
    return new Response(bytes, { headers });
  }
}

function refused({ status, reason }: { status: number; reason: string }): Response {
  return problem(status, reason, status === 503 ? RETRY : {});
}
