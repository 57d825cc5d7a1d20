/**
 * One watcher of the process for all who watch it: status snapshots as server-sent events, looked
 * at twice a second while somebody listens, encoded once, and sent only when something changed.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { BoundedStream } from "../stream/bounded_stream.ts";
import type { ProcessStatus, Sample } from "../replica/status.ts";
import type { HttpHost } from "./host.ts";
import { encodeEvent, type EventStreams, HEARTBEAT, HEARTBEAT_MS } from "./sse.ts";

/** Two snapshots a second: a failure shows within a second, and a catch-up is not a flood. */
export const SNAPSHOT_MS = 500;

/** `status` carries the JSON of `/status`; `page` the page's HTML and its charts' new samples. */
export type HubChannel = "status" | "page";

type Bytes = Uint8Array<ArrayBuffer>;

/** Figures that move by themselves: a change in them alone is none. */
const RESTLESS = new Set(["ageSeconds", "expiresInSeconds", "uptimeSeconds", "memoryBytes"]);

function signature(status: ProcessStatus): string {
  return JSON.stringify(status, (name, value) => RESTLESS.has(name) ? undefined : value);
}

/** A chart's point, in the order of {@linkcode Sample}'s fields. */
export type SamplePoint = readonly [number, number, number | null, number | null];

/** The points of a table that are newer than `after`. */
export function points(samples: readonly Sample[], after = -Infinity): SamplePoint[] {
  return samples.filter((s) => s.time > after)
    .map((s) => [s.time, s.recordsPerSecond, s.commitMs, s.commitMsP99]);
}

export class StatusHub {
  #host: HttpHost;
  #streams: EventStreams;
  #clock: Clock;
  #render: (status: ProcessStatus) => string;
  #listeners: Record<HubChannel, Set<BoundedStream>> = { status: new Set(), page: new Set() };
  #stop: AbortController | null = null;
  #signature = "";
  /** The newest snapshot of each channel, kept while it is the newest. */
  #encoded: Partial<Record<HubChannel, Bytes>> = {};
  #sampled = new Map<string, number>();

  /** `render` makes the page's changing part from a status. */
  constructor(
    host: HttpHost,
    streams: EventStreams,
    clock: Clock,
    render: (status: ProcessStatus) => string,
  ) {
    this.#host = host;
    this.#streams = streams;
    this.#clock = clock;
    this.#render = render;
  }

  /** A stream that begins with the present state; null where there are too many already. */
  open(channel: HubChannel): BoundedStream | null {
    const listeners = this.#listeners[channel];
    const stream: BoundedStream | null = this.#streams.add(() => {
      if (stream !== null) listeners.delete(stream);
      if (this.#count() === 0) this.#stop?.abort();
    });
    if (stream === null) return null;
    if (this.#count() === 0) this.#start();
    listeners.add(stream);
    stream.push(this.#snapshot(channel));
    return stream;
  }

  #count(): number {
    return this.#listeners.status.size + this.#listeners.page.size;
  }

  #start(): void {
    this.#look();
    this.#sampled.clear();
    for (const [name, table] of this.#host.tables) {
      this.#sampled.set(name, table.samples().at(-1)?.time ?? -Infinity);
    }
    const stop = new AbortController();
    this.#stop = stop;
    void this.#watch(stop.signal);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    let beat = this.#clock.monotonic();
    while (true) {
      try {
        await this.#clock.sleep(SNAPSHOT_MS, signal);
      } catch {
        return; // Nobody listens any more.
      }
      if (signal.aborted) return;
      if (this.#look()) {
        this.#send("status");
        this.#send("page");
      }
      this.#sendSamples();
      if (this.#clock.monotonic() - beat >= HEARTBEAT_MS) {
        beat = this.#clock.monotonic();
        for (const stream of this.#all()) stream.push(HEARTBEAT);
      }
    }
  }

  /** Takes a look at the host; whether anything changed. */
  #look(): boolean {
    const found = signature(this.#host.status());
    if (found === this.#signature) return false;
    this.#signature = found;
    this.#encoded = {};
    return true;
  }

  #snapshot(channel: HubChannel): Bytes {
    const known = this.#encoded[channel];
    if (known !== undefined) return known;
    const status = this.#host.status();
    const data = channel === "status" ? JSON.stringify(status) : this.#render(status);
    return this.#encoded[channel] = encodeEvent({ event: channel, data });
  }

  #send(channel: HubChannel): void {
    if (this.#listeners[channel].size === 0) return;
    const bytes = this.#snapshot(channel);
    for (const stream of [...this.#listeners[channel]]) stream.push(bytes);
  }

  #sendSamples(): void {
    const fresh: Record<string, SamplePoint[]> = {};
    for (const [name, table] of this.#host.tables) {
      const samples = table.samples();
      const sent = this.#sampled.get(name) ?? -Infinity;
      // A wall clock that was set back has taken samples away: they begin anew.
      const isBack = (samples.at(-1)?.time ?? sent) < sent;
      const found = points(samples, isBack ? undefined : sent);
      if (found.length === 0) continue;
      this.#sampled.set(name, found.at(-1)?.[0] ?? -Infinity);
      Object.defineProperty(fresh, name, { value: found, enumerable: true });
    }
    if (Object.keys(fresh).length === 0 || this.#listeners.page.size === 0) return;
    const bytes = encodeEvent({ event: "samples", data: JSON.stringify(fresh) });
    for (const stream of [...this.#listeners.page]) stream.push(bytes);
  }

  #all(): BoundedStream[] {
    return [...this.#listeners.status, ...this.#listeners.page];
  }
}
