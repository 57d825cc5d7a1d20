/**
 * From a cursor to a checked byte stream: one request to the origin.
 *
 * Everything that can go wrong before the first byte is thrown as a `LockstepError` that says how
 * soon to try again; what goes wrong later errors the body's stream the same way.
 *
 * @module
 */

import { type Clock, systemClock } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import { VERSION } from "../base/version.ts";
import { isOrderType, type Order, type OrderType } from "../protocol/cursor.ts";
import { LockstepError } from "../protocol/errors.ts";
import type { Endpoint } from "./endpoint.ts";
import { decodeBody } from "./decode.ts";
import { framingOf } from "./framing.ts";
import { guardBody } from "./guard.ts";
import { checkHeaders, type Header, overlay, ownHeaders, readHeaderFile } from "./headers.ts";
import { httpDate } from "./http_date.ts";
import { nextPage } from "./link.ts";
import { printableUrl } from "./printable.ts";
import { type Exchange, follow } from "./redirects.ts";
import type { OriginClient } from "./tls_client.ts";
import { conditionsOf, requestOf, type Validators, validatorsOf } from "./validators.ts";

/** How to talk to an origin. */
export interface ConnectOptions {
  /** Until response headers, all redirects included, in milliseconds; default 10,000. */
  readonly connectTimeoutMs?: number;
  /** Silence allowed in the body, in milliseconds; default 60,000. */
  readonly idleTimeoutMs?: number;
  /** Request headers (`--header`), for the endpoint's own scheme, host and port only. */
  readonly headers?: readonly Header[];
  /** Signs of life that tell its copy's age are wanted so often of an origin that is a feed, in seconds. */
  readonly beatSeconds?: number;
  /** The generation of the origin's feed that the cursor is of; null where none is known. */
  readonly generation?: string | null;
  /** A file of request headers (`--header-file`), read at every call; they win over `headers`. */
  readonly headerFile?: string;
  /**
   * {@linkcode Answer.validators} of an answer that is stored as a whole: where the request is the
   * same as then, only what has changed is asked for. Never for a resync.
   */
  readonly validators?: Validators | null;
  /** The page to ask for, as {@linkcode Answer.next} told it, instead of what `cursor` asks for. */
  readonly page?: string | null;
  /** What to add to the URL's query, `name=value&…`, encoded. */
  readonly query?: string;
  /** The connections and certificates to use; default those of plain fetch. */
  readonly client?: OriginClient;
}

/** What an origin answered; read the body to its end, or cancel it. */
export interface Answer {
  /** The HTTP status: 2xx, or 304 where validators were given. */
  readonly status: number;
  /** The bytes, decoded from gzip or br; `null` for "nothing new" (204, 205, 304). */
  readonly body: ReadableStream<Uint8Array> | null;
  /** `lockstep-head`: the origin's own cursor at the time of the request, as text. */
  readonly head: string | null;
  /**
   * `lockstep-age`: how old the copy is that answers, in milliseconds, `Infinity` where it doesn't
   * know; null where the origin is no copy.
   */
  readonly ageMs: number | null;
  /** `lockstep-generation`: changes when the origin's data was begun anew. */
  readonly generation: string | null;
  /** `lockstep-order-type`: how a feed's orders compare; null where it doesn't tell. */
  readonly orderType: OrderType | null;
  /** The URL of the next page (`Link: rel="next"`), null for none. It may hold secrets. */
  readonly next: string | null;
  /** The `Content-Type` header. */
  readonly contentType: string | null;
  /** The `Content-Encoding` header. */
  readonly contentEncoding: string | null;
  /** The origin's own time (`Date`) in milliseconds since the epoch; `null` where it doesn't tell. */
  readonly date: number | null;
  /**
   * Whether a clean end of the body proves that it is whole: where its framing shows a cut, and so
   * every byte is accounted for. Compressed data that is cut, or not all, is never a clean end.
   */
  readonly endIsProof: boolean;
  /**
   * For the next request, once the body was read to its end, and everything of it is stored. Null
   * where the answer can't be told from a later one, or its end is no proof.
   */
  readonly validators: Validators | null;
  /** The URL that answered, after redirects, as it may be printed. */
  readonly url: string;
  /** All headers. */
  readonly headers: Headers;
}

/** Default of {@linkcode ConnectOptions.connectTimeoutMs}. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** Default of {@linkcode ConnectOptions.idleTimeoutMs}. */
export const IDLE_TIMEOUT_MS = 60_000;

/**
 * Asks the origin for everything from `cursor` on.
 *
 * @param signal ends the request and its body, which reject with the signal's reason
 * @throws {LockstepError} for every answer that isn't records, and for none at all
 *
 * @example
 * ```ts
 * import { connect } from "./connect.ts";
 * import { Endpoint } from "./endpoint.ts";
 * const endpoint = new Endpoint("http://127.0.0.1:1234/servers");
 * const answer = await connect(endpoint, 0).catch((error) => {
 *   console.log(error.message, "-", error.hint);
 *   return null;
 * });
 * for await (const bytes of answer?.body ?? []) console.log(bytes.length);
 * ```
 */
export async function connect(
  endpoint: Endpoint,
  cursor: Order,
  options: ConnectOptions = {},
  clock: Clock = systemClock,
  signal?: AbortSignal,
): Promise<Answer> {
  signal?.throwIfAborted();
  const timeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
  const abort = new AbortController();
  const asked = ask(endpoint, cursor, options, clock, abort.signal);
  try {
    const exchange = await withDeadline(asked, timeoutMs, clock, signal, () => {
      const host = new URL(endpoint.origin).host;
      return new LockstepError(`${host} sent no answer within ${formatDuration(timeoutMs)}`, {
        kind: "connect-timeout",
        retry: "soon",
        hint: "check host and port of --url; raise --connect-timeout for an origin that is slow " +
          "to begin",
      });
    });
    return answerOf(exchange, endpoint, options, clock, signal, (reason) => abort.abort(reason));
  } catch (error) {
    abort.abort(error);
    // An aborted fetch may settle late, or never: what it still brings is thrown away.
    asked.then(({ response }) => response.body?.cancel()).catch(() => {});
    throw error;
  }
}

/** An exchange, and what was asked for it. */
interface Asked extends Exchange {
  /** The request by {@linkcode requestOf}. */
  readonly request: string;
}

/** Headers and redirects: everything up to a response that is to be read. */
async function ask(
  endpoint: Endpoint,
  cursor: Order,
  options: ConnectOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<Asked> {
  const strangers = ownHeaders(VERSION);
  const trusted = new Headers(strangers);
  const authorization = endpoint.authorization();
  if (authorization !== null) trusted.set("authorization", authorization);
  if (options.beatSeconds !== undefined) trusted.set("lockstep-beat", `${options.beatSeconds}`);
  if (options.generation) trusted.set("lockstep-generation", options.generation);
  overlay(trusted, checkHeaders(options.headers ?? []));
  if (options.headerFile !== undefined) overlay(trusted, await readHeaderFile(options.headerFile));
  const url = new URL(options.page ?? endpoint.requestUrl(cursor));
  if (options.query !== undefined) url.search += `${url.search === "" ? "?" : "&"}${options.query}`;
  const request = requestOf(url, trusted);
  const conditions = conditionsOf(request, options.validators ?? null);
  const { client } = options;
  const parts = { trusted, strangers, conditions, client, clock, signal };
  return { ...await follow(url, parts), request };
}

function answerOf(
  asked: Asked,
  endpoint: Endpoint,
  options: ConnectOptions,
  clock: Clock,
  signal: AbortSignal | undefined,
  abandon: (reason: unknown) => void,
): Answer {
  const { response, url, isDirect, decision, isHttp2, request } = asked;
  const { headers } = response;
  const contentType = headers.get("content-type");
  const orderType = headers.get("lockstep-order-type");
  const printable = printableUrl(url);
  const next = nextPage(headers.get("link"), url, endpoint.origin);
  const framing = framingOf(headers, isHttp2);
  // Where there is no body, its end came with the headers. A part that nobody asked for is a part.
  const endIsProof = decision === "nothing-new" ||
    (framing.kind !== "close" && response.status !== 206);
  let validators: Validators | null = null;
  // What is still the same is recognised as before.
  if (response.status === 304) validators = options.validators ?? null;
  else if (isDirect && endIsProof) validators = validatorsOf(headers, request);
  let body: ReadableStream<Uint8Array> | null = null;
  if (decision === "read") {
    const idleTimeoutMs = options.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
    const raw = guardBody(response.body ?? new Blob().stream(), {
      idleTimeoutMs,
      clock,
      signal,
      abandon,
      lengthBytes: framing.kind === "length" ? framing.lengthBytes : null,
      printable,
    });
    body = decodeBody(raw, { headers, printable });
  }
  return {
    status: response.status,
    body,
    head: headers.get("lockstep-head"),
    ageMs: ageOf(headers.get("lockstep-age")),
    generation: headers.get("lockstep-generation"),
    orderType: isOrderType(orderType) ? orderType : null,
    next,
    contentType,
    contentEncoding: headers.get("content-encoding"),
    date: httpDate(headers.get("date")),
    endIsProof,
    validators,
    url: printable,
    headers,
  };
}

/** Milliseconds of a `lockstep-age` header; null where there is none. */
function ageOf(text: string | null): number | null {
  if (text === null) return null;
  const seconds = /^\d+(?:\.\d+)?$/.test(text.trim()) ? Number(text) : Infinity;
  return seconds * 1000;
}

/** The work's outcome, or `late()` after `ms`, or the signal's reason: whichever comes first. */
function withDeadline<T>(
  work: Promise<T>,
  ms: number,
  clock: Clock,
  signal: AbortSignal | undefined,
  late: () => LockstepError,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = new AbortController();
  const onAbort = () => reject(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  clock.sleep(ms, timer.signal).then(() => reject(late()), () => {});
  work.then(resolve, reject);
  return promise.finally(() => {
    timer.abort();
    signal?.removeEventListener("abort", onAbort);
  });
}
