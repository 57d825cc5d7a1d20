/**
 * The reference origin with finite answers and two more routes, in a process of its own:
 *
 * - `GET /bench` tells when each request's records were first asked for, and how many were sent;
 * - `POST /bench/N` serves generation N from then on, under the same URL; with `?rows=N`, only so
 *   many of its rows.
 *
 * @module
 */

import type { Order } from "../../src/protocol/cursor.ts";
import { startOrigin } from "../origin/server.ts";
import type { Source, SourceReader } from "../origin/source.ts";
import type { SyntheticSource } from "../origin/synthetic.ts";
import { type Data, sourceOf } from "./data.ts";

/** What `GET /bench` answers. */
export interface OriginReport {
  /** When each answer began, in milliseconds since 1970. */
  readonly reads: readonly number[];
  readonly rowsSent: number;
}

class TimedSource implements Source {
  readonly reads: number[] = [];
  readonly #data: Data;
  #source: SyntheticSource;

  constructor(data: Data) {
    this.#data = data;
    this.#source = sourceOf(data, 0);
  }

  turnTo(generation: number, rows: number): void {
    this.#source = sourceOf({ ...this.#data, rows }, generation);
  }

  get rows(): number {
    return this.#data.rows;
  }

  get orders() {
    return this.#source.orders;
  }

  get size(): number {
    return this.#source.size;
  }

  get head(): Order | null {
    return this.#source.head;
  }

  read(since: Order): SourceReader {
    this.reads.push(performance.timeOrigin + performance.now());
    return this.#source.read(since);
  }

  changed(): Promise<void> {
    return this.#source.changed();
  }
}

if (import.meta.main) {
  const data: Data = JSON.parse(Deno.args[0] ?? "{}");
  const source = new TimedSource(data);
  const origin = startOrigin({
    tables: { servers: source },
    finite: true,
    extra: (request) => {
      const { pathname, searchParams } = new URL(request.url);
      const [, generation] = /^\/bench\/?(\d*)$/.exec(pathname) ?? [];
      if (generation === undefined) return null;
      if (request.method === "POST") {
        source.turnTo(Number(generation), Number(searchParams.get("rows") ?? source.rows));
      }
      const report: OriginReport = { reads: source.reads, rowsSent: origin.rowsSent };
      return Response.json(report);
    },
  });
  console.log(origin.url("servers"));
}
