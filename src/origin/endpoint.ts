/**
 * An origin's endpoint: what `--url` means, and the URL of each request to it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { formatOrder, type Order } from "../protocol/cursor.ts";
import { LockstepError } from "../protocol/errors.ts";
import {
  decoded,
  HIDDEN,
  isSecretName,
  isShown,
  mapQuery,
  printableText,
  printableUrl,
} from "./printable.ts";

/** The place of the cursor in an endpoint's URL. */
const SINCE = "{since}";

/**
 * A parsed `--url`.
 *
 * The cursor replaces every `{since}` in path and query, percent-encoded. Without one it becomes
 * the last path element, and the query string stays: `/servers?x=1` and `/servers/?x=1` are asked
 * for as `/servers/998?x=1`. A fragment is ignored.
 *
 * What could be a secret (credentials, query values) is in private fields only, so that no log
 * and no inspection of the object shows it.
 *
 * @example
 * ```ts
 * import { Endpoint } from "./endpoint.ts";
 * const endpoint = new Endpoint("https://me:s3cret@origin.example/servers");
 * console.assert(endpoint.requestUrl(998) === "https://origin.example/servers/998");
 * console.assert(endpoint.printable === "https://origin.example/servers");
 * console.assert(endpoint.defaultTable === "servers");
 * ```
 */
export class Endpoint {
  /**
   * What a store's cursor is bound to: the URL without credentials and fragment; `{since}` is kept
   * unless it is the last path element. A secret in the query is left out, so that it may rotate;
   * a value that isn't shown stands there as a digest.
   */
  readonly identity: string;
  /** The URL for people: no credentials, no query value that could be a secret. */
  readonly printable: string;
  /** The last path element without `{since}`, percent-decoded; `null` where there is none. */
  readonly defaultTable: string | null;
  /** Scheme, host and port: the only ones that get credentials. */
  readonly origin: string;

  readonly #authorization: string | null;
  readonly #secrets: readonly string[];
  /** The URL with a marker for each cursor. */
  readonly #template: string;
  readonly #marker: string;

  /**
   * Parses a URL.
   *
   * @param text the value of `--url`, without a table's name
   * @param isWhole whether a URL without a place for the cursor is asked as it is
   * @throws {LockstepError} of kind `usage` for anything but an http or https URL
   */
  constructor(text: string, isWhole = false) {
    // A marker of unreserved characters passes the URL parser unchanged wherever it stands.
    let marker = "lockstep-since";
    while (text.includes(marker)) marker += "-x";
    const marked = text.trim().replaceAll(/\{since\}|%7Bsince%7D/gi, marker);
    const url = URL.canParse(marked) ? new URL(marked) : null;
    if (url === null || !/^https?:$/.test(url.protocol)) {
      throw usage(
        `${JSON.stringify(printableText(text))} is no http or https URL`,
        /^[\w.-]+(:\d+)?(\/|$)/.test(text)
          ? "put http:// or https:// before it"
          : "give one like https://origin.example/servers; percent-encode a /, ?, # or @ in " +
            "a user name or password",
      );
    }
    const place = url.username + url.password + url.hostname;
    if (place.toLowerCase().includes(marker)) {
      throw usage(
        `${JSON.stringify(printableText(text))} has ${SINCE} before its path`,
        "the cursor can stand in the path or in the query",
      );
    }
    this.#authorization = basicAuthorization(url);
    this.#secrets = secretsIn(url, marker);
    url.username = "";
    url.password = "";
    url.hash = "";
    const given = printableUrl(url, marker).replaceAll(marker, SINCE);
    if (!isWhole && !(url.pathname + url.search).includes(marker)) {
      url.pathname = `${url.pathname.replace(/\/$/, "")}/${marker}`;
    }
    this.origin = url.origin;
    this.printable = given;
    this.identity = identityOf(url, marker);
    this.defaultTable = tableOf(url, marker);
    this.#template = url.href;
    this.#marker = marker;
  }

  /**
   * The URL that asks for everything from `cursor` on, without credentials. It may hold a secret
   * in its query: print {@linkcode printable} instead.
   *
   * @throws {LockstepError} of kind `usage` for a cursor `.` or `..` that is a whole path element
   */
  requestUrl(cursor: Order): string {
    const text = formatOrder(cursor);
    const filled = this.#template.replaceAll(this.#marker, () => encodeCursor(text));
    if ((text === "." || text === "..") && new URL(filled).href !== filled) {
      throw usage(
        `the cursor ${JSON.stringify(text)} can't be an element of a path`,
        `put it in the query: ${this.origin}/…?since=${SINCE}`,
      );
    }
    return filled;
  }

  /** Whether the URL of a request has something in its query that isn't shown. */
  get hidesQuery(): boolean {
    return this.printable.includes(HIDDEN);
  }

  /** The password, and what the query hides. */
  secrets(): readonly string[] {
    return this.#secrets;
  }

  /** The `Authorization` header from the URL's user name and password, or `null`. A secret. */
  authorization(): string | null {
    return this.#authorization;
  }
}

/**
 * Percent-encodes a cursor. UTF-8 can't carry a lone surrogate: the text is cut before the first,
 * which asks for more than needed and misses nothing.
 */
function encodeCursor(text: string): string {
  const lone = text.isWellFormed() ? -1 : text.search(/\p{Surrogate}/u);
  return encodeURIComponent(lone < 0 ? text : text.slice(0, lone));
}

function secretsIn(url: URL, marker: string): string[] {
  const found = [url.password];
  mapQuery(url.search, (name, value) => {
    if (value !== marker && !isShown(name, decoded(value))) found.push(value);
    return value;
  });
  return [...new Set(found.flatMap((value) => [value, decoded(value)]))].filter((value) =>
    value !== ""
  );
}

/** Basic credentials as RFC 7617 has them: UTF-8, the first colon ends the user name. */
function basicAuthorization(url: URL): string | null {
  if (url.username === "" && url.password === "") return null;
  let user: string;
  let password: string;
  try {
    user = decodeURIComponent(url.username);
    password = decodeURIComponent(url.password);
  } catch {
    throw usage(
      `the user name or password in ${JSON.stringify(printableUrl(url))} is badly encoded`,
      "write a % in it as %25",
    );
  }
  if (user.includes(":")) {
    throw usage(
      `the user name in ${JSON.stringify(printableUrl(url))} has a colon`,
      "Basic authentication can't carry it; only a password may have one",
    );
  }
  return `Basic ${new TextEncoder().encode(`${user}:${password}`).toBase64()}`;
}

function identityOf(url: URL, marker: string): string {
  const path = url.pathname.endsWith(`/${marker}`) && !url.search.includes(marker)
    ? url.pathname.slice(0, -marker.length - 1)
    : url.pathname;
  const search = mapQuery(url.search, (name, value) => {
    if (value === marker || isShown(name, decoded(value))) return value;
    if (isSecretName(name)) return HIDDEN;
    return `${HIDDEN}${createHash("sha256").update(value).digest("hex").slice(0, 12)}`;
  });
  return (url.origin + path + search).replaceAll(marker, SINCE);
}

function tableOf(url: URL, marker: string): string | null {
  const element = url.pathname.split("/").findLast((part) => part !== "" && !part.includes(marker));
  return element === undefined ? null : decoded(element);
}

function usage(message: string, hint: string): LockstepError {
  return new LockstepError(message, { kind: "usage", retry: "never", hint });
}
