/**
 * A cache between a feed and its followers that is as stale as its answers allow: what it has kept it
 * gives or forgets by chance, the oldest that is within its `max-age` as well as the newest.
 *
 * @module
 */

import type { Clock } from "../../src/base/clock.ts";

interface Kept {
  readonly at: number;
  readonly maxAgeMs: number;
  readonly status: number;
  readonly headers: readonly [string, string][];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A running cache on a free port of 127.0.0.1. */
export class StaleCache implements AsyncDisposable {
  /** Answers that came from the cache. */
  hits = 0;
  readonly #origin: string;
  readonly #clock: Clock;
  readonly #random: (path: string) => number;
  readonly #kept = new Map<string, Kept[]>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #over = new AbortController();

  /**
   * @param origin `http://127.0.0.1:PORT`
   * @param clock by which answers age
   * @param random for the path and query of a request: 0 for the oldest answer, up to 1 for a new one
   */
  constructor(origin: string, clock: Clock, random: (path: string) => number) {
    this.#origin = origin;
    this.#clock = clock;
    this.#random = random;
    const options = { port: 0, hostname: "127.0.0.1", onListen: () => {} };
    const onError = () => new Response(null, { status: 502 });
    this.#server = Deno.serve(
      { ...options, onError, signal: this.#over.signal },
      (request) => this.#answer(request),
    );
  }

  /** `http://127.0.0.1:PORT`, without a path. */
  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const name = pathname + search;
    const now = this.#clock.monotonic();
    const good = (this.#kept.get(name) ?? []).filter(({ at, maxAgeMs }) => now - at < maxAgeMs);
    const chosen = good[Math.floor(this.#random(name) * (good.length + 1))];
    if (chosen !== undefined) {
      this.hits++;
      const { status, headers, bytes } = chosen;
      return new Response(bytes, { status, headers: [...headers] });
    }
    const headers = new Headers(request.headers);
    headers.delete("host");
    headers.set("accept-encoding", "identity");
    const answer = await fetch(this.#origin + name, {
      headers,
      redirect: "manual",
      signal: this.#over.signal,
    }).catch(() => null);
    if (answer === null) return new Response(null, { status: 502 });
    const control = answer.headers.get("cache-control") ?? "";
    const seconds = /^public, max-age=(\d+)/.exec(control)?.[1];
    if (seconds === undefined || answer.status !== 200) {
      return new Response(answer.body, { status: answer.status, headers: answer.headers });
    }
    const kept: Kept = {
      at: now,
      maxAgeMs: 1000 * Number(seconds),
      status: answer.status,
      headers: [...answer.headers],
      bytes: await answer.bytes(),
    };
    this.#kept.set(name, [...good, kept].slice(-4));
    return new Response(kept.bytes, { status: 200, headers: [...kept.headers] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#server.finished;
  }
}
