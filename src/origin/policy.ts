/**
 * What each HTTP status means for the replica: the table of "When the origin misbehaves".
 *
 * | status | decision |
 * | --- | --- |
 * | 204, 205 | nothing new |
 * | 304 | nothing new, where that was asked; else retry slowly |
 * | other 2xx | read the body |
 * | 301, 302, 303, 307, 308 with `Location` | follow |
 * | 408, 425, 429, 5xx | retry soon, `Retry-After` as a floor |
 * | 410 | resync |
 * | other 4xx, and what is left | retry slowly: a person has to act |
 *
 * @module
 */

import { LockstepError } from "../protocol/errors.ts";
import { retryAfterMs } from "./retry_after.ts";

/** What to do with a response whose headers have come. */
export type Decision = "read" | "nothing-new" | "follow" | LockstepError;

/** What of a response, and of the request, decides. */
export interface PolicyInput {
  /** The HTTP status. */
  readonly status: number;
  /** The response's headers. */
  readonly headers: Headers;
  /** The request's URL as it may be printed. */
  readonly printable: string;
  /** Whether credentials were configured, and whether this request carried them. */
  readonly credentials: "sent" | "none" | "withheld";
  /** Whether only what has changed was asked for. */
  readonly isConditional: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

const FOLLOWED = new Set([301, 302, 303, 307, 308]);
const NOTHING_NEW = new Set([204, 205]);
const PASSING = new Set([408, 425, 429]);

/** The decision for a response; pure. An error is returned, not thrown. */
export function policyFor(input: PolicyInput): Decision {
  const { status, headers } = input;
  if (NOTHING_NEW.has(status) || (status === 304 && input.isConditional)) return "nothing-new";
  if (status >= 200 && status <= 299) return "read";
  if (FOLLOWED.has(status) && headers.has("location")) return "follow";
  const message = `${input.printable} answered ${status}`;
  if (status === 410) {
    return new LockstepError(`${message}: the cursor is older than what the origin remembers`, {
      kind: "gone",
      retry: "resync",
      hint: "the table is read again from 0; rows stay readable meanwhile",
      status,
    });
  }
  if (status === 304) {
    return new LockstepError(`${message} (not modified) to a request without a condition`, {
      kind: "status",
      retry: "slow",
      hint:
        "something between answers for a copy that isn't here: look at the caches and proxies " +
        "before the origin",
      status,
    });
  }
  if (status >= 300 && status <= 399) {
    return new LockstepError(`${message} without a Location that can be followed`, {
      kind: "redirect",
      retry: "slow",
      hint: "open the URL with curl -i, and give the address it ends at as --url",
      status,
    });
  }
  const after = retryAfterMs(headers.get("retry-after"), headers.get("date"), input.now);
  const soon = PASSING.has(status) || (status >= 500 && status <= 599);
  return new LockstepError(message, {
    kind: "status",
    retry: soon ? "soon" : "slow",
    hint: soon ? passingHint(status) : lastingHint(input),
    status,
    ...(after === undefined ? {} : { retryAfterMs: after }),
  });
}

function passingHint(status: number): string {
  if (status === 429) return "nothing to do: the origin wants fewer requests and gets them";
  if (status < 500) return "nothing to do: it is tried again";
  return "it is tried again; if it lasts, look at the origin's own log";
}

function lastingHint({ status, credentials }: PolicyInput): string {
  if (status === 401 || status === 403) {
    if (credentials === "withheld") {
      return "a redirect led to another scheme, host or port, which gets no credentials: " +
        "give the address it led to as --url";
    }
    if (credentials === "none") {
      return "no credentials were sent: put user:password@ into --url, or an Authorization line " +
        "into a --header-file";
    }
    return status === 401
      ? "the credentials were refused: check them; a --header-file is read again at each attempt"
      : "the credentials are known but may not read this: ask the origin's owner";
  }
  switch (status) {
    case 400:
    case 422:
      return "the origin doesn't accept this cursor: check --order-by and --since, " +
        "and where {since} belongs in --url";
    case 404:
      return "check the path of --url; the cursor is put at its end unless {since} says where, " +
        "as in https://origin/servers?since={since}";
    case 405:
    case 501:
      return "the address doesn't answer GET: check the path of --url";
    case 406:
      return "the origin offers no NDJSON or JSON here: add a --header 'Accept: …' that it knows";
    case 407:
      return "a proxy wants credentials: put user:password@ into HTTP_PROXY or HTTPS_PROXY";
    case 414:
      return "the URL is too long for the origin: shorten its query";
    default:
      return "look the status up in the origin's documentation, and check --url and --header";
  }
}
