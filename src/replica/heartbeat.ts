/**
 * A table's signs of life: the lease is renewed, and what other processes ask for is taken.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { logger } from "../base/log.ts";
import { LockstepError, messageOf } from "../protocol/errors.ts";
import { BEAT_MS } from "../store/table/lease.ts";
import { type RequestName, takeRequests } from "../store/table/requests.ts";
import type { Table } from "../store/table/table.ts";
import type { StatusRecorder } from "./status_recorder.ts";

const log = logger("replica");

/** A loop that gave no sign for so long hangs: six missed beats. */
const HANGING_MS = 6 * BEAT_MS;

export class Heartbeat {
  readonly #table: Table;
  readonly #journal: StatusRecorder;
  readonly #clock: Clock;
  #beatAt: number;

  constructor(table: Table, journal: StatusRecorder) {
    this.#table = table;
    this.#journal = journal;
    this.#clock = table.clock;
    this.#beatAt = table.clock.monotonic();
  }

  /** False when a beat is overdue: the process hangs. */
  get isOnTime(): boolean {
    return this.#clock.monotonic() - this.#beatAt < HANGING_MS;
  }

  /**
   * Takes what was asked for while nobody wrote the table: before the first request, so that a short
   * run does it too.
   */
  async begin(asked: (name: RequestName) => void): Promise<void> {
    try {
      await this.#takeRequests(asked);
    } catch (error) {
      // The next beat tries again.
      log.warn("{table}: {message}", { table: this.#table.name, message: messageOf(error) });
    }
  }

  /**
   * Beats until the signal aborts.
   *
   * @param stopped aborts when the program ends: what fails from then on is no news
   * @param asked told what another process asks for
   * @throws {LockstepError} `lease-lost`
   */
  async run(
    signal: AbortSignal,
    stopped: AbortSignal,
    asked: (name: RequestName) => void,
  ): Promise<void> {
    const table = this.#table;
    while (!signal.aborted) {
      await this.#clock.sleep(BEAT_MS, signal).catch(() => {});
      if (signal.aborted) return;
      this.#journal.metrics.sample();
      try {
        await table.beat(this.#journal.lastContact);
        await this.#takeRequests(asked);
      } catch (error) {
        if (error instanceof LockstepError && error.kind === "lease-lost") throw error;
        if (stopped.aborted) return;
        log.warn("{table}: {message}", { table: table.name, message: messageOf(error) });
      }
      this.#beatAt = this.#clock.monotonic();
    }
  }

  async #takeRequests(asked: (name: RequestName) => void): Promise<void> {
    const { store: { writer }, name } = this.#table;
    for (const request of await takeRequests(writer, name)) asked(request);
  }
}
