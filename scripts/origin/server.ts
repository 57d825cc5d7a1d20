/**
 * The reference origin: the lockstep protocol, spoken by the book over HTTP.
 *
 * `GET /<table>/<since>` and `GET /<table>?since=<since>` answer with every record whose order is
 * at or after `since`, sorted by it, one a line; without tombstones from `0`. An endless answer
 * goes on with the changes as they happen; `finite=1` or `finite=0` in the query chooses for one
 * request.
 *
 * @module
 */

import { type Answer, DroppedError, makeAnswer } from "./answer.ts";
import { Framer, type Framing, FRAMINGS } from "./framing.ts";
import { parseSince } from "./orders.ts";
import type { Source } from "./source.ts";

/** How the origin is started. */
export interface OriginOptions<S extends Source = Source> {
  /** What is served, by table name. */
  readonly tables: Readonly<Record<string, S>>;
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** Default `127.0.0.1`. */
  readonly hostname?: string;
  /** Answers end, where the request doesn't say; default false. */
  readonly finite?: boolean;
  /** Compress for readers that accept gzip; default false. */
  readonly gzip?: boolean;
  /** How records are framed; default as the table separates them. */
  readonly framing?: Framing;
  /** Records of one answer at most; default no bound. */
  readonly pageRows?: number;
  /** Bytes of one answer, about; default no bound. */
  readonly pageBytes?: number;
  /** Which records are sent, by their text; those that aren't count for the bounds all the same. */
  readonly filter?: (record: string) => boolean;
  /** Milliseconds between the blank lines of a quiet endless answer; 0, the default, is none. */
  readonly heartbeatMs?: number;
  /** Answers requests for paths that are no table; returns null to leave it at 404. */
  readonly extra?: (request: Request) => Response | null;
}

/** One request that was made. */
export interface OriginRequest {
  readonly path: string;
  readonly table: string;
  /** The cursor as it was asked for, decoded; empty where there was none. */
  readonly since: string;
  readonly finite: boolean;
  readonly headers: Headers;
  /** Records handed to the connection so far. */
  rows: number;
}

/** How long {@linkcode Origin.stop} waits for open answers to end, in milliseconds. */
const PATIENCE = 1000;

/** A running origin. */
export class Origin<S extends Source = Source> implements AsyncDisposable {
  readonly tables: Readonly<Record<string, S>>;
  /** Every answer given from a table, oldest first. */
  readonly requests: OriginRequest[] = [];
  readonly #options: OriginOptions<S>;
  readonly #answers = new Set<Answer>();
  /** One promise for each answer not yet delivered; none of them rejects. */
  readonly #deliveries = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #heart: ReturnType<typeof setInterval> | undefined;
  #rowsSent = 0;

  constructor(options: OriginOptions<S>) {
    this.#options = options;
    this.tables = options.tables;
    this.#server = Deno.serve({
      port: options.port ?? 0,
      hostname: options.hostname ?? "127.0.0.1",
      signal: this.#abort.signal,
      onListen: () => {},
      onError: (error) => {
        if (!(error instanceof DroppedError)) console.error("origin:", error);
        return new Response(null, { status: 500 });
      },
    }, (request, { completed }) => this.#handle(request, completed));
    if (options.heartbeatMs) {
      this.#heart = setInterval(
        () => this.#answers.forEach((answer) => answer.beat()),
        options.heartbeatMs,
      );
    }
  }

  get port(): number {
    return this.#server.addr.port;
  }

  /** Records handed to connections so far, over all requests. */
  get rowsSent(): number {
    return this.#rowsSent;
  }

  /** Answers that are under way. */
  get open(): number {
    return this.#answers.size;
  }

  /** The address to replicate a table from; without a name, the first table's. */
  url(table = Object.keys(this.tables)[0] ?? ""): string {
    return `http://${this.#server.addr.hostname}:${this.port}/${encodeURIComponent(table)}`;
  }

  /** Breaks every open answer in the middle; returns how many there were. */
  dropConnections(): number {
    const dropped = this.#answers.size;
    for (const answer of [...this.#answers]) answer.drop();
    return dropped;
  }

  /** Ends every endless answer cleanly; returns how many were open. */
  finishConnections(): number {
    const open = this.#answers.size;
    for (const answer of [...this.#answers]) answer.finish();
    return open;
  }

  /** Ends all answers and stops listening. */
  async stop(): Promise<void> {
    clearInterval(this.#heart);
    this.finishConnections();
    // Not `shutdown()`: a reader that doesn't read holds that up for ever, and an abort that comes
    // after it throws.
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([
      Promise.all(this.#deliveries),
      new Promise((resolve) => timer = setTimeout(resolve, PATIENCE)),
    ]);
    clearTimeout(timer);
    this.#abort.abort();
    await this.#server.finished;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #handle(request: Request, completed: Promise<void>): Response {
    const url = new URL(request.url);
    const [, name = "", element = "", ...more] = url.pathname.split("/");
    const table = decode(name);
    const source = table !== null && Object.hasOwn(this.tables, table) ? this.tables[table] : null;
    if (table === null || !source || more.length > 0) {
      return this.#options.extra?.(request) ?? refuse(404, `no table at ${url.pathname}`);
    }
    if (request.method !== "GET") return refuse(405, "only GET is served here");
    const since = element === "" ? url.searchParams.get("since") ?? "" : decode(element);
    const cursor = since === null ? null : parseSince(since, source.orders);
    if (since === null || cursor === null) return refuse(400, `${element} is no cursor`);

    const finite = flag(url.searchParams.get("finite")) ?? this.#options.finite ?? false;
    const { headers } = request;
    const entry: OriginRequest = {
      path: url.pathname + url.search,
      table,
      since,
      finite,
      headers,
      rows: 0,
    };
    this.requests.push(entry);
    const gzip = this.#options.gzip === true &&
      (headers.get("accept-encoding") ?? "").includes("gzip");
    const { framing = "lines", pageRows: rows, pageBytes: bytes, filter } = this.#options;
    const isPlain = this.#options.framing === undefined && rows === undefined &&
      bytes === undefined && filter === undefined;
    const answer = makeAnswer({
      source,
      since: cursor,
      finite,
      gzip,
      framer: isPlain ? null : new Framer(framing, { rows, bytes, filter }),
      onRows: (rows) => {
        entry.rows += rows;
        this.#rowsSent += rows;
      },
      onEnd: () => this.#answers.delete(answer),
    });
    this.#answers.add(answer);
    const delivery = completed.catch(() => {}).finally(() => this.#deliveries.delete(delivery));
    this.#deliveries.add(delivery);
    return new Response(answer.body, {
      headers: {
        "content-type": FRAMINGS[framing].contentType,
        // Keeps Deno.serve from compressing by itself, which holds small pieces back.
        "cache-control": "no-store, no-transform",
        ...(gzip ? { "content-encoding": "gzip" } : {}),
      },
    });
  }
}

/** Starts an origin; it listens when this returns. */
export function startOrigin<S extends Source>(options: OriginOptions<S>): Origin<S> {
  return new Origin(options);
}

function refuse(status: number, message: string): Response {
  return new Response(`${message}\n`, { status, headers: { "content-type": "text/plain" } });
}

/** Percent-decodes a path element; null where it is not encoded properly. */
function decode(element: string): string | null {
  try {
    return decodeURIComponent(element);
  } catch {
    return null;
  }
}

function flag(text: string | null): boolean | null {
  return text === null ? null : text !== "0" && text !== "false";
}
