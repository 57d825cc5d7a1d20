/**
 * How many clients are served at once, and who has to go when there are more.
 *
 * Everything that a client can hold open has a bound of its own, so that none of them can use up
 * what the others, and the replica, need:
 *
 * | | bound | when it is reached |
 * | --- | --- | --- |
 * | connections | the free descriptors, less what the replica needs | the oldest idle one is closed |
 * | streams (events, changes, the feed) | connections less the next two | 503 |
 * | requests under way | 256, or a quarter of the connections | the most stalled one is cut, else 503 |
 * | probes (`/healthz`, `/readyz`, …) | an eighth of the connections, at most 64 | 503 |
 *
 * A connection is idle while no request of it is under way: also while it has sent only half of
 * one. The bounds add up to less than the connections, so a full house always has an idle one.
 *
 * @module
 */

import { reservedDescriptors } from "../base/descriptors.ts";

/** Connections at most, however many descriptors there are: each takes some 20 kB. */
const MOST_CONNECTIONS = 8_192;

/** Requests under way at most: each may hold a page's first rows. */
const MOST_REQUESTS = 256;

/** Probes under way at most: an answer takes a millisecond. */
const MOST_PROBES = 64;

/**
 * The runtime takes so many connections at once before any that is closed gives its descriptor back.
 * Where there are few descriptors it gets half of them: a server that runs out of them comes back.
 */
const BURST = 128;

/** Fewer connections than so many are no server. */
const LEAST_CONNECTIONS = 16;

/** A request that got rid of nothing for so long makes way for another one. */
const STALLED_MS = 5_000;

/** How many of each kind there may be. */
export interface Quotas {
  readonly connections: number;
  readonly streams: number;
  readonly requests: number;
  readonly probes: number;
}

/** So many free descriptors are looked for at first, and so many when they get scarce. */
export const LOOK_FOR = 700;
export const LOOK_FOR_MORE = MOST_CONNECTIONS + BURST + reservedDescriptors(64);

/** What may be served with so many free descriptors; null where they are too few. */
export function quotasOf(free: number, tables: number): Quotas | null {
  if (free < neededDescriptors(tables)) return null;
  const left = free - reservedDescriptors(tables);
  const connections = Math.min(MOST_CONNECTIONS, left - Math.min(BURST, left >> 1));
  const requests = Math.min(MOST_REQUESTS, connections >> 2);
  const probes = Math.min(MOST_PROBES, connections >> 3);
  // One place more stays free: for the connection that comes in a full house.
  return { connections, requests, probes, streams: connections - requests - probes - 1 };
}

/** Free descriptors that a replicator with a status server needs at least. */
export function neededDescriptors(tables: number): number {
  return reservedDescriptors(tables) + 2 * LEAST_CONNECTIONS;
}

/** What a request holds a place for. */
export type Kind = "probe" | "request" | "stream";

/** Answers that tell how it goes, and are asked for when it goes badly. */
const PROBES = new Set(["/healthz", "/readyz", "/metrics", "/status"]);

/** What is asked for: a poll of the feed waits for news as a stream does. */
export function kindOf({ pathname, searchParams }: Pick<URL, "pathname" | "searchParams">): Kind {
  if (PROBES.has(pathname)) return "probe";
  return pathname.startsWith("/feed/") && searchParams.has("wait") ? "stream" : "request";
}

/** A request under way. */
export interface Place {
  /** The client has taken something. */
  took(): void;
  /** The answer stays open: the place is one of a stream from now on. False where there is none. */
  becomeStream(): boolean;
  /** It is over. Safe to call twice. */
  leave(): void;
}

interface Guest {
  kind: Kind;
  /** When the client last took something, by the stopwatch. */
  tookAt: number;
  readonly cut: () => void;
}

/** Gives out the places. */
export class Admission {
  quotas: Quotas;
  readonly #now: () => number;
  readonly #guests = new Set<Guest>();
  readonly #counts: Record<Kind, number> = { probe: 0, request: 0, stream: 0 };

  /** @param now a stopwatch, in milliseconds */
  constructor(quotas: Quotas, now: () => number) {
    this.quotas = quotas;
    this.#now = now;
  }

  /** Places of a kind that are taken. */
  taken(kind: Kind): number {
    return this.#counts[kind];
  }

  /**
   * A place for a request; null where there is none.
   *
   * @param cut breaks its answer off, for another one's sake
   */
  enter(kind: Kind, cut: () => void): Place | null {
    if (!this.#hasRoom(kind) && !(kind === "request" && this.#makeRoom())) return null;
    const guest: Guest = { kind, tookAt: this.#now(), cut };
    this.#guests.add(guest);
    this.#counts[kind]++;
    return {
      took: () => void (guest.tookAt = this.#now()),
      becomeStream: () => {
        if (!this.#guests.has(guest) || !this.#hasRoom("stream")) return false;
        this.#counts[guest.kind]--;
        guest.kind = "stream";
        this.#counts.stream++;
        return true;
      },
      leave: () => this.#leave(guest),
    };
  }

  #hasRoom(kind: Kind): boolean {
    const { probes, requests, streams } = this.quotas;
    const room: Record<Kind, number> = { probe: probes, request: requests, stream: streams };
    return this.#counts[kind] < room[kind];
  }

  /** Cuts the request that has been stalled for longest; false where none is. */
  #makeRoom(): boolean {
    let slowest: Guest | null = null;
    for (const guest of this.#guests) {
      if (guest.kind !== "request") continue;
      if (slowest === null || guest.tookAt < slowest.tookAt) slowest = guest;
    }
    if (slowest === null || this.#now() - slowest.tookAt < STALLED_MS) return false;
    this.#leave(slowest);
    slowest.cut();
    return true;
  }

  #leave(guest: Guest): void {
    if (this.#guests.delete(guest)) this.#counts[guest.kind]--;
  }
}
