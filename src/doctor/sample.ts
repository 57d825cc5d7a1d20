/**
 * Samples of an origin: the first bytes of some answers, and when they came.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { type Answer, connect, type ConnectOptions } from "../origin/connect.ts";
import type { Endpoint } from "../origin/endpoint.ts";
import { LockstepError } from "../protocol/errors.ts";

/** Some bytes of an answer, and when they came, in milliseconds since the request. */
export interface Arrival {
  readonly atMs: number;
  readonly bytes: Uint8Array;
}

/** How the reading of an answer ended: by itself, broken, while it stayed open, or at a bound. */
export type SampleEnd = "whole" | "broken" | "open" | "bound";

/** The beginning of one answer. */
export interface Sample {
  /** The cursor that was asked for. */
  readonly since: string;
  readonly answer: Omit<Answer, "body">;
  readonly arrivals: readonly Arrival[];
  readonly end: SampleEnd;
  /** Milliseconds from the request to the headers. */
  readonly headersMs: number;
  /** Milliseconds from the request to the end of the reading. */
  readonly elapsedMs: number;
  /** Our wall clock when the headers came, in milliseconds since the epoch. */
  readonly headersAt: number;
}

/** What may be spent on one request. */
export interface SampleBounds {
  readonly bytes: number;
  /** Milliseconds in all. */
  readonly ms: number;
  /** Milliseconds of silence after which an answer is left open. */
  readonly quietMs: number;
}

/** Requests in all. */
const MOST_REQUESTS = 20;

/** Bytes in all. */
const MOST_BYTES = 16 * 2 ** 20;

const COLON = 0x3a;

/** Whether a chunk is a heartbeat: blanks, or a comment among events. */
function isBlank(chunk: Uint8Array): boolean {
  return chunk[0] === COLON || chunk.every((byte) => byte <= 0x20);
}

/** Asks an origin within its bounds; writes nothing anywhere. */
export class Sampler {
  readonly #clock: Clock;
  readonly #options: ConnectOptions;
  readonly #signal: AbortSignal | undefined;
  readonly #deadline: number;
  #requests = 0;
  #bytes = 0;

  /** @param seconds how long everything may take */
  constructor(seconds: number, options: ConnectOptions, clock: Clock, signal?: AbortSignal) {
    this.#clock = clock;
    this.#options = options;
    this.#signal = signal;
    this.#deadline = clock.monotonic() + seconds * 1000;
  }

  /** Requests made so far. */
  get requests(): number {
    return this.#requests;
  }

  /** Milliseconds that are left. */
  get leftMs(): number {
    return Math.max(0, this.#deadline - this.#clock.monotonic());
  }

  /** Whether one more request may be made. */
  get mayAsk(): boolean {
    return this.#requests < MOST_REQUESTS && this.#bytes < MOST_BYTES && this.leftMs > 100;
  }

  /**
   * Asks from a cursor and reads the beginning of the answer.
   *
   * @returns null where the bounds are used up; the error where there is no answer to read
   */
  async ask(
    endpoint: Endpoint,
    since: string,
    bounds: SampleBounds,
  ): Promise<Sample | LockstepError | null> {
    if (!this.mayAsk) return null;
    this.#requests++;
    const begun = this.#clock.monotonic();
    const ms = Math.min(bounds.ms, this.leftMs);
    const stop = new AbortController();
    const signal = this.#signal === undefined
      ? stop.signal
      : AbortSignal.any([this.#signal, stop.signal]);
    try {
      // A wait for headers is no reason to give an origin up that has time left.
      const options = { ...this.#options, connectTimeoutMs: Math.max(1, this.leftMs) };
      const { body, ...answer } = await connect(endpoint, since, options, this.#clock, signal);
      const headersMs = this.#clock.monotonic() - begun;
      const headersAt = this.#clock.now();
      const limit = Math.min(bounds.bytes, MOST_BYTES - this.#bytes);
      const read = body === null
        ? { arrivals: [], end: "whole" as const }
        : await this.#read(body, begun, { ...bounds, bytes: limit, ms: headersMs + ms });
      const elapsedMs = this.#clock.monotonic() - begun;
      return { since, answer, ...read, headersMs, elapsedMs, headersAt };
    } catch (error) {
      if (error instanceof LockstepError) return error;
      throw error;
    } finally {
      stop.abort();
    }
  }

  async #read(
    body: ReadableStream<Uint8Array>,
    begun: number,
    bounds: SampleBounds,
  ): Promise<{ arrivals: Arrival[]; end: SampleEnd }> {
    const arrivals: Arrival[] = [];
    let bytes = 0;
    const reader = body.getReader();
    let pending: ReturnType<typeof reader.read> | null = null;
    let quietSince = this.#clock.monotonic();
    const late = new AbortController();
    try {
      for (;;) {
        const leftMs = Math.min(begun + bounds.ms - this.#clock.monotonic(), this.leftMs);
        if (leftMs <= 0) return { arrivals, end: "open" };
        const quietLeftMs = quietSince + bounds.quietMs - this.#clock.monotonic();
        pending ??= reader.read();
        const next = await Promise.race([
          pending,
          this.#clock.sleep(Math.max(0, Math.min(quietLeftMs, leftMs)), late.signal)
            .then(() => null),
        ]);
        if (next === null) return { arrivals, end: "open" };
        pending = null;
        if (next.done) return { arrivals, end: "whole" };
        if (!isBlank(next.value)) quietSince = this.#clock.monotonic();
        bytes += next.value.length;
        this.#bytes += next.value.length;
        arrivals.push({ atMs: this.#clock.monotonic() - begun, bytes: next.value });
        if (bytes >= bounds.bytes) return { arrivals, end: "bound" };
      }
    } catch (error) {
      if (!(error instanceof LockstepError) || error.kind === "not-records") throw error;
      return { arrivals, end: "broken" };
    } finally {
      late.abort();
      await reader.cancel().catch(() => {});
    }
  }
}
