/**
 * What systemd is told, and when.
 *
 * - `READY=1` once: when the first table is live, or serves what an earlier run has completed
 * - `STATUS=` whenever the line changes, at most once a second
 * - a sign of life at half of the watchdog's time, only while the loops turn: `WATCHDOG=1`, or
 *   before READY a longer start time-out, so that a first fill may take its hours
 * - `STOPPING=1` at the end
 *
 * @module
 */

import { type Clock, systemClock } from "../../base/clock.ts";
import type { ProcessStatus, TableStatus } from "../../replica/status.ts";
import type { Notifier } from "./sd_notify.ts";

/** How often the status is looked at, in milliseconds. */
const TICK_MS = 1_000;

/** Signs of life while starting, where no watchdog says how often, in milliseconds. */
const STARTING_MS = 30_000;

/** What is told of. */
export interface Followed {
  status(): ProcessStatus;
  /** Whether every loop has turned lately: false when one hangs. */
  turning(): boolean;
}

/** Keeps the service manager informed until it is disposed of. */
export class SystemdReporter implements AsyncDisposable {
  readonly #notifier: Notifier;
  readonly #followed: Followed;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(notifier: Notifier, followed: Followed, clock: Clock = systemClock) {
    this.#notifier = notifier;
    this.#followed = followed;
    this.#clock = clock;
    this.#done = this.#run();
  }

  /** Says STOPPING, and closes the notifier. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
    await this.#notifier.stopping();
    await this.#notifier[Symbol.asyncDispose]();
  }

  async #run(): Promise<void> {
    const { watchdogMs } = this.#notifier;
    const lifeMs = (watchdogMs ?? STARTING_MS) / 2;
    let isReady = false;
    let told = "";
    let lastLife = -Infinity;
    while (!this.#stop.signal.aborted) {
      const status = this.#followed.status();
      if (!isReady && status.tables.some(serves)) {
        isReady = true;
        await this.#notifier.ready();
      }
      const line = serviceLine(status);
      if (line !== told) await this.#notifier.status(told = line);
      const now = this.#clock.monotonic();
      if (now - lastLife >= lifeMs && this.#followed.turning()) {
        lastLife = now;
        if (!isReady) await this.#notifier.extend(lifeMs * 4);
        else if (watchdogMs !== null) await this.#notifier.alive();
      }
      await this.#clock.sleep(Math.min(TICK_MS, lifeMs), this.#stop.signal).catch(() => {});
    }
  }
}

/** Live, complete since an earlier run, or ready to take over. */
function serves(table: TableStatus): boolean {
  return table.live || table.state === "standby" ||
    (table.state !== "starting" && table.everComplete);
}

/** `servers: live, 1,234 rows, cursor 998; groups: waiting (connection refused), …` */
export function serviceLine({ tables }: ProcessStatus): string {
  return tables.map((table) => {
    const reason = table.reason === null ? "" : ` (${table.reason})`;
    const rows = `${table.rowsExact ? "" : "about "}${table.rows.toLocaleString("en-US")} rows`;
    return `${table.table}: ${table.state}${reason}, ${rows}, cursor ${table.cursor ?? "none"}`;
  }).join("; ");
}
