/**
 * A table's signs of life: the lease is renewed, and what other processes ask for is taken.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { logger } from "../base/log.ts";
import { LockstepError, messageOf } from "../protocol/errors.ts";
import { storeFault } from "../store/kv/store_error.ts";
import { leaseTimes } from "../store/table/lease.ts";
import { type RequestName, takeRequests } from "../store/table/requests.ts";
import type { Table } from "../store/table/table.ts";
import type { StatusRecorder } from "./status_recorder.ts";

const log = logger("replica");

/** A loop that missed so many beats hangs. */
const HANGING_BEATS = 6;

export class Heartbeat {
  readonly #table: Table;
  readonly #journal: StatusRecorder;
  readonly #clock: Clock;
  readonly #beatMs: number;
  #beatAt: number;
  /** Why what is written doesn't reach its readers; null while it does. */
  #fault: LockstepError | null = null;

  constructor(table: Table, journal: StatusRecorder) {
    this.#table = table;
    this.#journal = journal;
    this.#clock = table.clock;
    this.#beatMs = leaseTimes(table.store.kind).beatMs;
    this.#beatAt = table.clock.monotonic();
  }

  /** False when a beat is overdue: the process hangs. */
  get isOnTime(): boolean {
    return this.#clock.monotonic() - this.#beatAt < HANGING_BEATS * this.#beatMs;
  }

  /** Whether what is written is in the files that readers open, as of the last beat. */
  get isInPlace(): boolean {
    return this.#fault === null;
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
   * @param moved told when the store's files are no longer in place, and when they are again
   * @throws {LockstepError} `lease-lost`
   */
  async run(
    signal: AbortSignal,
    stopped: AbortSignal,
    asked: (name: RequestName) => void,
    moved: () => void,
  ): Promise<void> {
    const table = this.#table;
    while (!signal.aborted) {
      await this.#clock.sleep(this.#beatMs, signal).catch(() => {});
      if (signal.aborted) return;
      this.#journal.metrics.sample();
      this.#beatAt = this.#clock.monotonic();
      if (this.#look()) moved();
      // Into files that nobody finds, a sign of life says nothing.
      if (this.#fault !== null) continue;
      try {
        await table.beat(this.#journal.lastContact);
        await this.#takeRequests(asked);
      } catch (error) {
        if (error instanceof LockstepError && error.kind === "lease-lost") throw error;
        if (stopped.aborted) return;
        log.warn("{table}: {message}", { table: table.name, message: messageOf(error) });
      }
    }
  }

  /** Looks whether the store's files are in place; true where that has changed. */
  #look(): boolean {
    const before = this.#fault;
    try {
      this.#table.store.files?.assertSame();
      this.#fault = null;
    } catch (error) {
      this.#fault = storeFault(this.#table.store.path, error);
    }
    if (this.#fault !== null && this.#fault.message !== before?.message) {
      this.#journal.report(this.#fault);
    }
    return (this.#fault === null) !== (before === null);
  }

  async #takeRequests(asked: (name: RequestName) => void): Promise<void> {
    const { store: { writer }, name } = this.#table;
    for (const request of await takeRequests(writer, name)) asked(request);
  }
}
