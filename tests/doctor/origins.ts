/**
 * Origins as they are: what people bring, in a few lines each.
 *
 * @module
 */

import type { JsonObject } from "../../src/protocol/record.ts";

/** A running origin. */
export interface OddOrigin extends AsyncDisposable {
  readonly url: string;
  /** Paths that were asked for. */
  readonly paths: readonly string[];
}

/** Serves what a handler answers. */
export function serve(
  handler: (url: URL, request: Request) => Response,
  path = "/items",
): OddOrigin {
  const paths: string[] = [];
  const abort = new AbortController();
  const server = Deno.serve({
    port: 0,
    hostname: "127.0.0.1",
    signal: abort.signal,
    onListen: () => {},
  }, (request) => {
    const url = new URL(request.url);
    paths.push(url.pathname + url.search);
    return handler(url, request);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}${path}`,
    paths,
    async [Symbol.asyncDispose]() {
      abort.abort();
      await server.finished;
    },
  };
}

/** The cursor of a request: the path's last element, or a parameter; null for none. */
export function cursorOf(url: URL, parameter?: string): string | null {
  if (parameter !== undefined) return url.searchParams.get(parameter);
  return decodeURIComponent(/^\/items\/([^/]+)$/.exec(url.pathname)?.[1] ?? "") || null;
}

/** Records with an order of each its own, some of them deleted where that is asked for. */
export function rows(
  count: number,
  make: (i: number) => JsonObject = () => ({}),
): JsonObject[] {
  return Array.from({ length: count }, (_, i) => ({
    id: i + 1,
    updated_at: 1000 + 10 * i,
    deleted_at: null,
    name: `row ${i % 7}`,
    ...make(i),
  }));
}

export const NDJSON = { "content-type": "application/x-ndjson" };

/** One record a line. */
export function lines(records: readonly JsonObject[], headers: HeadersInit = NDJSON): Response {
  return new Response(records.map((record) => `${JSON.stringify(record)}\n`).join(""), { headers });
}
