/**
 * A feed that caches may keep, read as one answer that stays open.
 *
 * An origin whose ordinary answer names an edition of its feed (`lockstep-edition`) is asked in
 * another way: every request of it is one that a cache between may have answered before.
 *
 * ```text
 * entry ──▶ chunk ──lockstep-next──▶ chunk … ──lockstep-at──▶ poll ──lockstep-at──▶ poll …
 *             ▲  another edition: from the beginning of the fill    │ position unknown: cut,
 *             └──────────────────────────────                       ▼ and asked from the cursor
 * ```
 *
 * - The entry tells the head. Each answer may be an earlier one: a chunk goes as far as it did when
 *   it was made, and names the position, or the chunk, that goes on from exactly there.
 * - Where that fails again and again, the ordinary feed is read for a while.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { logger } from "../base/log.ts";
import {
  type Answer,
  connect,
  CONNECT_TIMEOUT_MS,
  type ConnectOptions,
} from "../origin/connect.ts";
import type { Endpoint } from "../origin/endpoint.ts";
import { beatOf } from "../protocol/beat.ts";
import { compareOrder, parseOrder } from "../protocol/cursor.ts";
import { LockstepError, messageOf } from "../protocol/errors.ts";
import type { ReplicaConfig } from "./config.ts";
import { openSeed } from "./seed.ts";

const log = logger("replica");

/** How long a poll waits for news, in seconds: all readers say the same, so that they share answers. */
const WAIT_SECONDS = 25;

/** Who wants to hear of the copy's age more often than this, in seconds, reads a stream when near. */
const STREAM_SECONDS = 15;

/** Fills that come to no poll before the ordinary feed is read, and for how long that is. */
const MOST_FAILURES = 3;
const PLAIN_MS = 10 * 60_000;

/** Times that a fill begins again for another edition. */
const MOST_EDITIONS = 3;

/** An answer without news that came sooner than this came from a cache: a pause, in milliseconds. */
const PAUSE_MS = 500;

const encoder = new TextEncoder();

/** What a fill goes by. */
interface Fill {
  /** What is asked from, as text. */
  readonly from: string;
  readonly entry: Answer;
  readonly options: ConnectOptions;
  readonly signal: AbortSignal;
}

export class FeedSource {
  readonly #endpoint: Endpoint;
  readonly #clock: Clock;
  /** What an empty table begins with; null for nothing, and once it was tried. */
  #seed: { readonly place: string; readonly table: string } | null;
  /** Whether the origin offers it, as its last ordinary answer said. */
  #isOffered = false;
  /** Fills in a row that came to no poll. */
  #failures = 0;
  /** Until then the ordinary feed is read; by the stopwatch. */
  #plainUntil = -Infinity;

  constructor({ endpoint, clock, name, options }: ReplicaConfig) {
    this.#endpoint = endpoint;
    this.#clock = clock;
    this.#seed = options.seed === undefined ? null : { place: options.seed, table: name };
  }

  /**
   * The snapshot that an empty table begins with; null where none was given, or the first time it
   * can't be opened: the origin has it all.
   */
  async seed(stop: AbortSignal): Promise<Answer | null> {
    const seed = this.#seed;
    if (seed === null) return null;
    this.#seed = null;
    try {
      return await openSeed(seed.place, seed.table, this.#clock, stop);
    } catch (error) {
      stop.throwIfAborted();
      log.warn("{table}: {error}", { table: seed.table, error: messageOf(error) });
      return null;
    }
  }

  /** Asks the origin for everything from a cursor on, in the way that it offers; see `connect`. */
  async connect(from: string, options: ConnectOptions, stop: AbortSignal): Promise<Answer> {
    const isPlain = (options.page ?? null) !== null || this.#clock.monotonic() < this.#plainUntil;
    if (this.#isOffered && !isPlain) {
      const answer = await this.#cached(from, options, stop);
      if (answer !== null) return answer;
    }
    const plain = () => connect(this.#endpoint, from, options, this.#clock, stop);
    const answer = await plain();
    this.#isOffered = answer.headers.has("lockstep-edition");
    if (!this.#isOffered || isPlain) return answer;
    await answer.body?.cancel().catch(() => {});
    return await this.#cached(from, options, stop) ?? await plain();
  }

  /** Null where it is not offered after all. */
  async #cached(from: string, given: ConnectOptions, stop: AbortSignal): Promise<Answer | null> {
    const options = { ...given, validators: null };
    const over = new AbortController();
    const signal = AbortSignal.any([stop, over.signal]);
    try {
      const asked = { ...options, query: "wait=0&at=new" };
      const entry = await connect(this.#endpoint, "0", asked, this.#clock, signal);
      const edition = entry.headers.get("lockstep-edition");
      if (edition === null || !entry.headers.has("lockstep-at")) {
        over.abort();
        this.#isOffered = false;
        return null;
      }
      await entry.body?.cancel().catch(() => {});
      if (++this.#failures > MOST_FAILURES) return this.#giveUp();
      const fill = { from, entry, options, signal };
      const first = await this.#chunk(fill, from, edition);
      const pieces = this.#pieces(fill, first, edition);
      const body = new ReadableStream<Uint8Array>({
        pull: async (controller) => {
          try {
            const { done, value } = await pieces.next();
            if (done) controller.close();
            else controller.enqueue(value);
          } catch (error) {
            over.abort();
            throw isUnknown(error) ? this.#unoffered(fill) : error;
          }
        },
        cancel: async () => {
          this.#failures = 0;
          // A poll under way holds the pieces up until it is answered.
          over.abort();
          await pieces.return().catch(() => {});
        },
      }, { highWaterMark: 0 });
      const ageMs = entry.ageMs === null ? null : entry.ageMs + keptMs(entry);
      return { ...entry, body, ageMs, endIsProof: false, next: null, validators: null };
    } catch (error) {
      over.abort();
      if (this.#isRefusal(error)) return this.#giveUp();
      throw error;
    }
  }

  /** Whether something between, or the source itself, doesn't answer such requests. */
  #isRefusal(error: unknown): boolean {
    const { status = 0 } = error instanceof LockstepError ? error : {};
    // The ordinary feed says the same in these cases.
    if (status === 410 || status === 429) return false;
    if (status >= 400 && status < 500) return true;
    return status >= 500 && ++this.#failures > MOST_FAILURES;
  }

  /** The ordinary feed is read for a while. */
  #giveUp(): null {
    this.#failures = 0;
    this.#plainUntil = this.#clock.monotonic() + PLAIN_MS;
    return null;
  }

  /** Rows that can't be cut: so it will be the next time. */
  #unoffered(fill: Fill): LockstepError {
    this.#giveUp();
    return moved(fill, "it has no chunks");
  }

  #chunk(fill: Fill, since: string, edition: string): Promise<Answer> {
    const options = { ...fill.options, query: `chunk=1&g=${encodeURIComponent(edition)}` };
    return connect(this.#endpoint, since, options, this.#clock, fill.signal);
  }

  async *#pieces(fill: Fill, first: Answer, edition: string): AsyncGenerator<Uint8Array, void> {
    const end = yield* this.#chunks(fill, first, edition);
    yield encoder.encode("\n");
    const { beatSeconds = STREAM_SECONDS } = fill.options;
    if (beatSeconds < STREAM_SECONDS) yield* this.#stream(fill, end.since);
    else yield* this.#polls(fill, end.at);
  }

  /** All chunks to the open one at the end. */
  async *#chunks(
    fill: Fill,
    first: Answer,
    asked: string,
  ): AsyncGenerator<Uint8Array, { at: string; since: string }> {
    let edition = asked;
    let since = fill.from;
    let chunk = first;
    for (let editions = 1;;) {
      const { headers } = chunk;
      const stands = headers.get("lockstep-edition");
      if (stands === null || editions > MOST_EDITIONS) throw moved(fill, "it has no chunks");
      if (chunk.generation !== fill.entry.generation) throw moved(fill, "its data was begun anew");
      if (stands !== edition) {
        // Rows came below what was read: perhaps into chunks that a cache still has as they were.
        editions++;
        await chunk.body?.cancel().catch(() => {});
        edition = stands;
        since = fill.from;
        chunk = await this.#chunk(fill, since, edition);
        continue;
      }
      checkFloor(fill, since, headers.get("lockstep-floor"));
      const next = headers.get("lockstep-next");
      const at = headers.get("lockstep-at");
      if (next === null) {
        if (at === null) throw moved(fill, "a chunk leads nowhere");
        yield* bodyOf(chunk);
        return { at, since };
      }
      since = decodeURIComponent(next);
      // Under way while this one is stored.
      const upcoming = this.#chunk(fill, since, edition);
      upcoming.catch(() => {});
      yield* bodyOf(chunk);
      chunk = await upcoming;
    }
  }

  /** The ordinary feed, from the open chunk on. */
  async *#stream(fill: Fill, since: string): AsyncGenerator<Uint8Array, void> {
    const answer = await connect(this.#endpoint, since, fill.options, this.#clock, fill.signal);
    if (answer.generation !== fill.entry.generation) throw moved(fill, "its data was begun anew");
    this.#failures = 0;
    yield* bodyOf(answer);
  }

  /** What comes behind a position, for as long as it is known. */
  async *#polls(fill: Fill, from: string): AsyncGenerator<Uint8Array, void> {
    const { entry, options, signal } = fill;
    const connectTimeoutMs = (options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS) + 1000 * WAIT_SECONDS;
    for (let at = from;;) {
      const asked = this.#clock.monotonic();
      const query = `wait=${WAIT_SECONDS}&at=${encodeURIComponent(at)}`;
      const wish = { ...options, connectTimeoutMs, query };
      const answer = await connect(this.#endpoint, "0", wish, this.#clock, signal);
      this.#failures = 0;
      const { headers, generation, head, ageMs } = answer;
      const next = headers.get("lockstep-at");
      if (next === null || headers.get("lockstep-from") !== at) {
        throw moved(fill, "it has lost the position");
      }
      if (generation !== entry.generation) throw moved(fill, "its data was begun anew");
      if (entry.head === null && head !== null) throw moved(fill, "it is complete now");
      let lengthBytes = 0;
      for await (const bytes of bodyOf(answer)) {
        lengthBytes += bytes.length;
        yield bytes;
      }
      yield encoder.encode(ageMs === null ? "\n" : beatOf(Math.min(ageMs + keptMs(answer), 6e5)));
      at = next;
      const isSoon = this.#clock.monotonic() - asked < PAUSE_MS;
      if (lengthBytes === 0 && isSoon) await this.#clock.sleep(PAUSE_MS, signal);
    }
  }
}

function isUnknown(error: unknown): boolean {
  return error instanceof LockstepError && error.status === 404;
}

async function* bodyOf({ body }: Answer): AsyncGenerator<Uint8Array, void> {
  if (body !== null) yield* body;
}

/** For how long a cache may have kept an answer, in milliseconds. */
function keptMs({ headers }: Answer): number {
  return 1000 * Number(/max-age=(\d{1,6})/.exec(headers.get("cache-control") ?? "")?.[1] ?? "0");
}

/**
 * Deletions below the floor were forgotten when the chunk was made: who has no rows yet needs none.
 *
 * @throws {LockstepError} `gone`
 */
function checkFloor({ from, entry }: Fill, since: string, text: string | null): void {
  if (text === null || from === "0") return;
  const floor = parseOrder(decodeURIComponent(text), entry.orderType);
  if (compareOrder(parseOrder(since, entry.orderType), floor) >= 0) return;
  throw new LockstepError(`${entry.url} has forgotten deletions behind the cursor`, {
    kind: "gone",
    retry: "resync",
    hint: "nothing to do: everything is compared",
  });
}

/** What is read doesn't go on: the next request is from the cursor. */
function moved({ entry }: Fill, why: string): LockstepError {
  return new LockstepError(`${entry.url} is asked again: ${why}`, {
    kind: "broken-body",
    retry: "soon",
    hint: "nothing to do: it goes on from the cursor",
  });
}
