/**
 * A request followed through its redirects, by hand: fetch itself would hand user headers such as
 * `x-api-key` on to any server.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { LockstepError } from "../protocol/errors.ts";
import { connectError, isProtocolRefused } from "./connect_error.ts";
import { contentError } from "./content_type.ts";
import type { Header } from "./headers.ts";
import { policyFor } from "./policy.ts";
import { printableUrl } from "./printable.ts";
import type { OriginClient } from "./tls_client.ts";

/**
 * fetch gives the bytes as they came only where `identity` is the first that is accepted, and its own
 * decoder stops behind the first gzip member, or brotli stream, as if that were all. An origin that
 * reads all fields of the name sees what else is decoded here.
 */
const ACCEPT_ENCODING: readonly Header[] = [
  ["accept-encoding", "identity"],
  ["accept-encoding", "gzip, br"],
];

/** Redirects followed for one request. */
export const MAX_REDIRECTS = 10;

/** What a request carries. */
export interface RequestParts {
  /** Headers for the first URL's own scheme, host and port, credentials included. */
  readonly trusted: Headers;
  /** Headers for every other server. */
  readonly strangers: Headers;
  /** Headers that make the first request conditional; where it leads elsewhere they mean nothing. */
  readonly conditions: readonly Header[];
  /** Connections and certificates; those of plain fetch where there is none. */
  readonly client: OriginClient | undefined;
  /** For the time that `Retry-After` is measured from. */
  readonly clock: Clock;
  /** Ends the request with its reason. */
  readonly signal: AbortSignal;
}

/** A response that is to be read, or that says "nothing new". */
export interface Exchange {
  /** Its body is unread, or cancelled where there is nothing new. */
  readonly response: Response;
  /** The URL that answered. */
  readonly url: URL;
  /** Whether no redirect led there. */
  readonly isDirect: boolean;
  /** Whether there is a body to read. */
  readonly decision: "read" | "nothing-new";
  /** Whether it is known to have come over HTTP/2. */
  readonly isHttp2: boolean;
}

/**
 * Fetches `first` and follows redirects to the response that counts.
 *
 * Credentials, user headers and the client certificate go to the first URL's own scheme, host and
 * port only; once a redirect has led away they are not taken up again, even where the next one
 * leads back: what is asked for there was then chosen by a stranger.
 *
 * @throws {LockstepError} for a connection that fails, too many redirects, and every response that
 *   isn't one of the two kinds of {@linkcode Exchange}; its body is cancelled
 */
export async function follow(first: URL, parts: RequestParts): Promise<Exchange> {
  const hasCredentials = carriesCredentials(parts);
  let url = first;
  let trusted = true;
  for (let hops = 0;; hops++) {
    const conditions = hops === 0 ? parts.conditions : [];
    const headers = [...(trusted ? parts.trusted : parts.strangers), ...conditions];
    const { response, isHttp2 } = await fetchOnce(url, trusted, headers, parts);
    const printable = printableUrl(url);
    const decision = policyFor({
      status: response.status,
      headers: response.headers,
      printable,
      credentials: !hasCredentials ? "none" : trusted ? "sent" : "withheld",
      isConditional: conditions.length > 0,
      now: parts.clock.now(),
    });
    if (decision === "nothing-new" || decision === "read") {
      const error = decision === "read" ? contentError(response.headers, printable) : null;
      if (error === null) {
        if (decision === "nothing-new") await discard(response);
        return { response, url, isDirect: hops === 0, decision, isHttp2 };
      }
      await discard(response);
      throw error;
    }
    await discard(response);
    if (decision !== "follow") throw decision;
    if (hops === MAX_REDIRECTS) {
      throw redirectError(
        `${printableUrl(first)} redirected more than ${MAX_REDIRECTS} times, last to ${printable}`,
        response.status,
      );
    }
    const next = locationOf(response, url);
    if (url.protocol === "https:" && next.protocol === "http:") {
      // What comes back would be anybody's between, and so would what is asked for.
      throw new LockstepError(`${printable} redirected from https to http (${next.host})`, {
        kind: "redirect",
        retry: "slow",
        hint: "let the origin redirect to https; or give the http:// address as --url, " +
          "where the network between is to be trusted",
        status: response.status,
      });
    }
    url = next;
    trusted &&= url.origin === first.origin;
  }
}

async function fetchOnce(
  url: URL,
  trusted: boolean,
  headers: readonly Header[],
  parts: RequestParts,
): Promise<Pick<Exchange, "response" | "isHttp2">> {
  for (;;) {
    const isHttp2 = parts.client?.isHttp2(url) ?? false;
    const client = await parts.client?.http(url, trusted);
    try {
      const response = await fetch(url, {
        redirect: "manual",
        headers: [...headers, ...ACCEPT_ENCODING].map(([name, value]) => [name, value]),
        signal: parts.signal,
        ...(client === undefined ? {} : { client }),
      });
      return { response, isHttp2 };
    } catch (error) {
      if (parts.signal.aborted) throw parts.signal.reason;
      if (!isHttp2 && isProtocolRefused(error) && parts.client?.useHttp2(url)) continue;
      throw connectError(error, url);
    }
  }
}

/** Where a redirect leads: an http or https URL without credentials and fragment. */
function locationOf(response: Response, from: URL): URL {
  const location = response.headers.get("location") ?? "";
  const url = URL.canParse(location, from) ? new URL(location, from) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw redirectError(
      `${printableUrl(from)} redirected to something that is no http or https URL`,
      response.status,
    );
  }
  url.username = "";
  url.password = "";
  url.hash = "";
  return url;
}

function redirectError(message: string, status: number): LockstepError {
  return new LockstepError(message, {
    kind: "redirect",
    retry: "slow",
    hint: "open the URL with curl -iL, and give the address that has the records as --url",
    status,
  });
}

function carriesCredentials({ trusted, strangers }: RequestParts): boolean {
  return [...trusted.keys()].some((name) => !strangers.has(name));
}

/** Frees the connection of a response that nobody reads. */
async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {});
}
