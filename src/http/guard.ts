/**
 * Who may ask what: the checks that every request passes before a route sees it.
 *
 * Four attacks are in mind. A web page that is open in the operator's browser may point its own
 * name at 127.0.0.1 and read from here (DNS rebinding): a `Host` that is not ours is refused. It
 * may post a form to us without reading the answer: a POST has to come from our own page, or bring
 * a bearer token. It may read where a browser lets it: a GET with a foreign `Origin` is refused. And
 * on an address that others reach, everybody needs the token.
 *
 * @module
 */

import type { MiddlewareHandler } from "hono";
import { isIpLiteral, isLoopback } from "./address.ts";
import { givenToken, type TokenFile } from "./token.ts";

export interface GuardOptions {
  /** Names (without port) that the server may be called by, besides loopback names. */
  readonly hosts?: readonly string[];
  /**
   * Nothing but a program on this machine with access to the socket's file can connect (a unix
   * socket): neither `Host` nor `Origin` has to be checked.
   */
  readonly trusted?: boolean;
  readonly token?: TokenFile;
}

/** A refusal in plain text: status, reason, and for 401 the challenge. */
function refuse(status: number, text: string, headers: Record<string, string> = {}): Response {
  return new Response(text + "\n", {
    status,
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "cache-control": "no-store",
      ...headers,
    },
  });
}

/** The name in a `Host` header, without port and brackets, lower case; null where it is malformed. */
export function hostName(header: string): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:\[\]/\s@]+))(?::\d{1,5})?$/i.exec(header);
  return (match?.[1] ?? match?.[2])?.toLowerCase() ?? null;
}

/** Whether a `Host` header names this server. */
export function hostAllowed(header: string | null, options: GuardOptions): boolean {
  if (options.trusted) return true;
  const name = header === null ? null : hostName(header);
  if (name === null) return false;
  // Rebinding takes a name: an address written as such can't have been pointed here by DNS.
  return isLoopback(name) || isIpLiteral(name) ||
    (options.hosts ?? []).some((host) => host.toLowerCase() === name);
}

/** Whether a request comes from this server's own page, going by what browsers tell. */
export function sameOrigin(request: Request): boolean {
  const host = request.headers.get("host") ?? new URL(request.url).host;
  const origin = request.headers.get("origin");
  if (origin !== null && (!URL.canParse(origin) || new URL(origin).host !== host)) return false;
  const site = request.headers.get("sec-fetch-site");
  if (site !== null) return site === "same-origin";
  return origin !== null;
}

/** Whether a browser says that a page of another origin asks. */
function isForeign(request: Request, { hosts = [] }: GuardOptions): boolean {
  const origin = request.headers.get("origin");
  if (origin === null) return false;
  if (!URL.canParse(origin)) return true;
  const { host, hostname } = new URL(origin);
  if (host === (request.headers.get("host") ?? new URL(request.url).host)) return false;
  // Behind a proxy the page has a name that the proxy may not pass on.
  return !hosts.some((name) => name.toLowerCase() === hostname);
}

/** The middleware. `/healthz` is open to everybody: it tells nothing but that the process works. */
export function guard(options: GuardOptions): MiddlewareHandler {
  return async (c, next) => {
    const request = c.req.raw;
    if (c.req.path === "/healthz") return await next();

    let bearer = false;
    if (options.token !== undefined) {
      const given = givenToken(request);
      if (given === null || !(await options.token.accepts(given.token))) {
        return refuse(401, "This server wants the token of its --status-token-file.", {
          "www-authenticate": `Basic realm="lockstep-replicate: any name, the token as password"`,
        });
      }
      // With the token in hand any name will do: a rebound name brings no credentials.
      bearer = !given.ambient;
    } else if (!hostAllowed(request.headers.get("host") ?? new URL(request.url).host, options)) {
      return refuse(421, "This server does not answer to that Host name.");
    }

    // No route takes anything but GET, HEAD and POST: what else is asked is told so by its route.
    if (request.method !== "POST") {
      if (!bearer && !options.trusted && isForeign(request, options)) {
        return refuse(403, "A page of another origin may not read from this server.");
      }
    } else if (!bearer && !options.trusted && !sameOrigin(request)) {
      return refuse(
        403,
        "A POST has to come from this server's own page, or bring its token. " +
          "From a shell: curl -X POST -H 'Sec-Fetch-Site: same-origin' URL",
      );
    }
    await next();
  };
}
