/**
 * An origin that sends at most so much an answer: pages cut by records, by bytes, or by a filter
 * behind the limit; or pages by offset, with links. Its answers end.
 *
 * @module
 */

import { stringifyJson } from "../../src/protocol/json_text.ts";
import type { JsonObject } from "../../src/protocol/record.ts";

/** Where an answer ends; all of its records by default. */
export interface PageLimits {
  readonly records?: number;
  readonly bytes?: number;
  /** Applied behind the limits, as a filter of rights is. */
  readonly filter?: (record: JsonObject) => boolean;
  /** Pages by offset, reached by `Link` headers, instead of by the cursor. */
  readonly isLinked?: boolean;
}

/** A record with an order that is a number. */
export interface PagedRecord extends JsonObject {
  id: number | string;
  updated_at: number;
}

/** A running origin of one table. */
export class PagedOrigin implements AsyncDisposable {
  records: PagedRecord[] = [];
  limits: PageLimits;
  /** Called before each answer, with the number of the request, counted from 0. */
  before: (request: number) => void = () => {};
  /** The lengths of all answers so far. */
  readonly lengths: number[] = [];
  readonly paths: string[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(limits: PageLimits = {}) {
    this.limits = limits;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(new URL(request.url)),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/items?since={since}`;
  }

  /** Puts records in, or in the place of those of their keys. */
  put(...records: readonly PagedRecord[]): void {
    const ids = new Set(records.map(({ id }) => id));
    this.records = [...this.records.filter(({ id }) => !ids.has(id)), ...records];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.shutdown();
  }

  #answer(url: URL): Response {
    this.before(this.lengths.length);
    this.paths.push(url.pathname + url.search);
    const since = Number(url.searchParams.get("since"));
    const offset = Number(url.searchParams.get("offset") ?? 0);
    const found = this.records.filter(({ updated_at }) => updated_at >= since)
      .sort((a, b) => a.updated_at - b.updated_at).slice(offset);
    const { records = Infinity, bytes = Infinity, filter = () => true, isLinked } = this.limits;
    const headers = new Headers({ "content-type": "application/x-ndjson" });
    let body = "";
    let taken = 0;
    let sent = 0;
    for (const record of found) {
      const line = stringifyJson(record) + "\n";
      if (taken >= records || (taken > 0 && body.length + line.length > bytes)) break;
      taken++;
      if (!filter(record)) continue;
      body += line;
      sent++;
    }
    this.lengths.push(sent);
    if (isLinked && taken < found.length) {
      headers.set("link", `<?since=${since}&offset=${offset + taken}>; rel="next"`);
    }
    return new Response(body, { headers });
  }
}
