/**
 * A request as it came over the wire → the platform's `Request`.
 *
 * @module
 */

import type { IncomingMessage } from "node:http";

/** Stands for a host that the client didn't name (HTTP/1.0), or that no URL can hold. */
const NO_HOST = "localhost";

/**
 * The request, without its body: no route takes one. A response where it is none that makes sense.
 */
export function readRequest(message: IncomingMessage): Request | Response {
  const headers = new Headers();
  try {
    for (let at = 0; at < message.rawHeaders.length; at += 2) {
      headers.append(message.rawHeaders[at] ?? "", message.rawHeaders[at + 1] ?? "");
    }
  } catch {
    return refuse(400, "a header can't be read");
  }
  let target = message.url ?? "/";
  // The form that proxies are asked in: its host is what counts, and has to be the other one too.
  const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(target);
  if (absolute !== null) {
    const [, host = "", rest = ""] = absolute;
    if (host.toLowerCase() !== headers.get("host")?.toLowerCase()) {
      return refuse(421, "This server does not answer to that Host name.");
    }
    target = rest.startsWith("/") ? rest : `/${rest}`;
  }
  const method = message.method ?? "GET";
  if (target === "*") target = "/";
  if (!target.startsWith("/")) return refuse(400, "the request names no path");
  const host = headers.get("host") ?? NO_HOST;
  const url = [`http://${host}${target}`, `http://${NO_HOST}${target}`].find((text) =>
    URL.canParse(text) && new URL(text).pathname.startsWith("/")
  );
  if (url === undefined) return refuse(400, "the request's path can't be read");
  try {
    return new Request(url, { method, headers });
  } catch {
    return refuse(405, `${method} is not taken`, { allow: "GET, HEAD, POST" });
  }
}

function refuse(status: number, text: string, headers: Record<string, string> = {}): Response {
  return new Response(`${text}\n`, {
    status,
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "cache-control": "no-store",
      ...headers,
    },
  });
}
