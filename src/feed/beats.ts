/**
 * The signs of life of one table's open answers. Readers who want them equally often share a timer.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { beatOf } from "../protocol/beat.ts";
import type { BoundedStream } from "../stream/bounded_stream.ts";
import { BLANK, encodeLines } from "./lines.ts";

/** Seconds between two signs of life where nobody asks for others, and at most. */
const MOST_SECONDS = 15;

/** Which signs of life a reader wants. */
export interface BeatWish {
  readonly everyMs: number;
  /** Whether they are to tell the copy's age: to a reader that has asked. */
  readonly tellsAge: boolean;
}

/**
 * What a request asks for.
 *
 * @param seconds the text of `lockstep-beat`, or of `?beat=`; undefined without
 */
export function beatWish(seconds: string | undefined): BeatWish {
  const wish = seconds === undefined || seconds.trim() === "" ? NaN : Number(seconds);
  const isGiven = Number.isFinite(wish);
  const every = isGiven ? Math.min(MOST_SECONDS, Math.max(1, wish)) : MOST_SECONDS;
  return { everyMs: every * 1000, tellsAge: isGiven };
}

/** How fresh a table is. */
export interface Freshness {
  /** Milliseconds since the origin's last word; null for never. */
  readonly ageMs: number | null;
  /** Whether its origin is in touch: else there is nothing to pass on. */
  readonly isFresh: boolean;
}

interface Group {
  readonly wish: BeatWish;
  readonly streams: Set<BoundedStream>;
  readonly over: AbortController;
}

export class Beats {
  readonly #freshness: () => Freshness;
  readonly #clock: Clock;
  readonly #groups = new Map<string, Group>();

  constructor(freshness: () => Freshness, clock: Clock) {
    this.#freshness = freshness;
    this.#clock = clock;
  }

  /** Adds a reader that has its backlog; it leaves when its stream is over. */
  add(stream: BoundedStream, wish: BeatWish): void {
    if (!stream.open) return;
    const name = `${wish.everyMs} ${wish.tellsAge}`;
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = { wish, streams: new Set(), over: new AbortController() };
      this.#groups.set(name, group);
      void this.#run(group);
    }
    const { streams, over } = group;
    streams.add(stream);
    stream.over.addEventListener("abort", () => {
      streams.delete(stream);
      if (streams.size > 0) return;
      over.abort();
      if (this.#groups.get(name)?.over === over) this.#groups.delete(name);
    }, { once: true });
  }

  async #run({ wish, streams, over }: Group): Promise<void> {
    while (!over.signal.aborted) {
      await this.#clock.sleep(wish.everyMs, over.signal).catch(() => {});
      if (over.signal.aborted) return;
      const { ageMs, isFresh } = this.#freshness();
      if (!isFresh || ageMs === null) continue;
      const bytes = wish.tellsAge ? encodeLines(beatOf(ageMs)) : BLANK;
      for (const stream of [...streams]) stream.push(bytes);
    }
  }
}
