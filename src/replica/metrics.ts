/**
 * The figures of one table since the process started.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { Outcome } from "../store/read/last_writer_wins.ts";
import type { CommitHistogram, RecordCounts, Sample, StatusError } from "./status.ts";

/** Upper bounds of the commit time's histogram, in seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, Infinity];

/** Between two samples of the charts, in milliseconds. */
export const SAMPLE_MS = 5_000;

/** Samples kept: 15 minutes. */
const SAMPLES = 15 * 60_000 / SAMPLE_MS;

/** Commit times of one interval that percentiles are taken from. */
const TIMES = 1000;

/** Errors kept for the status. */
const ERRORS = 20;

function percentile(sorted: readonly number[], part: number): number | null {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? null;
}

export class TableMetrics {
  readonly #outcomes = new Map<Outcome, number>();
  readonly #quarantinedBy = new Map<string, number>();
  readonly #reconnects = new Map<string, number>();
  readonly #buckets = BUCKETS.map(() => 0);
  readonly errors: StatusError[] = [];
  readonly samples: Sample[] = [];
  bytes = 0;
  connections = 0;
  /** Records that are dealt with, whatever became of them. */
  #handled = 0;
  #quarantined = 0;
  #commitSum = 0;
  #commits = 0;
  #times: number[] = [];
  readonly #clock: Clock;
  /** Monotonic milliseconds. */
  #sampledAt: number;
  #sampledRecords = 0;
  #rate = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sampledAt = clock.monotonic();
  }

  counted(outcome: Outcome, records: number): void {
    this.#handled += records;
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + records);
  }

  quarantined(reason: string): void {
    this.#handled++;
    this.#quarantined++;
    this.#quarantinedBy.set(reason, (this.#quarantinedBy.get(reason) ?? 0) + 1);
  }

  /** @param reason `clean-end` or an error's kind */
  reconnected(reason: string): void {
    this.#reconnects.set(reason, (this.#reconnects.get(reason) ?? 0) + 1);
  }

  failed(error: StatusError): void {
    this.errors.unshift(error);
    if (this.errors.length > ERRORS) this.errors.pop();
  }

  committed(milliseconds: number): void {
    const seconds = milliseconds / 1000;
    this.#commits++;
    this.#commitSum += seconds;
    const at = BUCKETS.findIndex((bound) => seconds <= bound);
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
    if (this.#times.length < TIMES) this.#times.push(milliseconds);
  }

  /** Takes a sample where one is due; returns the current rate in records a second. */
  sample(): number {
    const now = this.#clock.monotonic();
    const elapsed = now - this.#sampledAt;
    if (elapsed < 1000) return this.#rate;
    this.#rate = (this.#handled - this.#sampledRecords) / (elapsed / 1000);
    if (elapsed < SAMPLE_MS) return this.#rate;
    const sorted = this.#times.toSorted((a, b) => a - b);
    const time = this.#clock.now();
    // The wall clock was set back: what lies ahead of it now would stand in the way of all to come.
    while ((this.samples.at(-1)?.time ?? -Infinity) >= time) this.samples.pop();
    this.samples.push({
      time,
      recordsPerSecond: this.#rate,
      commitMs: percentile(sorted, 0.5),
      commitMsP99: percentile(sorted, 0.99),
    });
    if (this.samples.length > SAMPLES) this.samples.shift();
    this.#sampledAt = now;
    this.#sampledRecords = this.#handled;
    this.#times = [];
    return this.#rate;
  }

  records(): RecordCounts {
    const of = (outcome: Outcome) => this.#outcomes.get(outcome) ?? 0;
    return {
      inserted: of("inserted"),
      updated: of("updated"),
      deleted: of("deleted"),
      stale: of("stale"),
      identical: of("identical"),
      written: of("written"),
      quarantined: this.#quarantined,
    };
  }

  get commits(): number {
    return this.#commits;
  }

  commitSeconds(): CommitHistogram {
    let below = 0;
    const buckets = BUCKETS.map((bound, i) => {
      below += this.#buckets[i] ?? 0;
      return [bound, below] as const;
    });
    return { buckets, sum: this.#commitSum, count: this.#commits };
  }

  reconnects(): Record<string, number> {
    return Object.fromEntries(this.#reconnects);
  }

  quarantinedBy(): Record<string, number> {
    return Object.fromEntries(this.#quarantinedBy);
  }
}
