/**
 * An origin that behaves exactly as the protocol's own reference server of 2011 (`server.js`):
 * whatever is asked, it never ends, writes objects with nothing between them, in no order, again
 * and again, and is deaf to `since`.
 *
 * On `node:http`, because `Deno.serve` would gather the small writes into larger chunks.
 *
 * @module
 */

import { createServer } from "node:http";
import type { JsonObject } from "../../src/protocol/record.ts";

/** What it writes, each from a timer of its own. */
export const RECORDS_2011: readonly JsonObject[] = [
  { id: 123, updated_at: 999, deleted_at: null, ip: "0.0.0.0", port: 1234 },
  { id: 124, updated_at: 1001, deleted_at: null, ip: "0.0.0.0", port: 1235 },
  { id: 125, updated_at: 1002, deleted_at: null, ip: "0.0.0.0", port: 1236 },
  { id: 126, updated_at: 1003, deleted_at: null, ip: "0.0.0.0", port: 1237 },
  { id: 127, updated_at: 1004, deleted_at: null, ip: "0.0.0.0", port: 1238 },
  { id: 124, updated_at: 1000, deleted_at: 1000, ip: "0.0.0.0", port: 1236 },
];

/** A running 2011 server. */
export interface Server2011 extends AsyncDisposable {
  readonly port: number;
  /** An address to replicate from: any path is as good. */
  readonly url: string;
  /** Paths asked for so far. */
  readonly requests: readonly string[];
  stop(): Promise<void>;
}

/** Starts the server; `port` 0, the default, takes a free one. */
export async function start2011(port = 0, hostname = "127.0.0.1"): Promise<Server2011> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? "");
    response.writeHead(200, { "Content-Type": "text/plain" });
    const timers = RECORDS_2011.map((record) => {
      const text = JSON.stringify(record);
      return setInterval(() => response.write(text), 1);
    });
    response.on("close", () => timers.forEach(clearInterval));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, hostname, resolve);
  });
  const address = server.address();
  const bound = typeof address === "object" && address ? address.port : port;
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  };
  return {
    port: bound,
    url: `http://${hostname}:${bound}/servers`,
    requests,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
