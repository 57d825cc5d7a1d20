/**
 * Notices a table that stands still: whole records wait, and none is committed. A loop that waits
 * for something that never comes would say that it is live for ever.
 *
 * @module
 */

import { formatDuration } from "../base/duration.ts";
import { LockstepError } from "../protocol/errors.ts";
import type { Table } from "../store/table/table.ts";
import type { CommitListeners } from "./listeners.ts";
import type { StatusRecorder } from "./status_recorder.ts";

/** Records that wait so long without a commit stand still. */
const STANDSTILL_MS = 30_000;

/** Between two looks. */
const LOOK_MS = 5_000;

/** What may have something that waits. */
interface Waiting {
  /** For how long whole records have been waiting; 0 where none do. */
  standstillMs(): number;
  /** Looks again at the answer that is being read. */
  look(): void;
}

/** Looks now and then, whatever hangs. */
export class Standstill {
  readonly #table: Table;
  readonly #journal: StatusRecorder;
  readonly #audience: CommitListeners;
  readonly #loop: Waiting;
  #isStanding = false;
  /** Commits so far: a sweep that makes records wait doesn't stand still. */
  #commits = 0;
  /** When their number was last another one. */
  #movedAt: number;

  constructor(
    table: Table,
    journal: StatusRecorder,
    audience: CommitListeners,
    loop: Waiting,
  ) {
    this.#table = table;
    this.#journal = journal;
    this.#audience = audience;
    this.#loop = loop;
    this.#movedAt = table.clock.monotonic();
  }

  /** Whether the program itself stands still: what a user's function takes is not its fault. */
  get isOwnFault(): boolean {
    return this.#isStanding && this.#audience.callbackMs() === 0;
  }

  /** Looks until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#table.clock.sleep(LOOK_MS, signal).catch(() => {});
      if (!signal.aborted) this.#look();
    }
  }

  #look(): void {
    const { committer, clock } = this.#table;
    const { commits } = this.#journal.metrics;
    const now = clock.monotonic();
    if (commits !== this.#commits) this.#movedAt = now;
    this.#commits = commits;
    const waitingMs = Math.max(committer.waitingMs, this.#loop.standstillMs());
    const isStanding = Math.min(now - this.#movedAt, waitingMs) >= STANDSTILL_MS;
    if (isStanding && !this.#isStanding) this.#journal.stands(this.#failure());
    if (!isStanding && this.#isStanding) {
      this.#journal.enter("answered");
      this.#loop.look();
    }
    this.#isStanding = isStanding;
  }

  #failure(): LockstepError {
    const { name: table } = this.#table;
    const since = formatDuration(STANDSTILL_MS);
    if (this.#audience.callbackMs() > 0) {
      return new LockstepError(`onCommit has not returned for more than ${since}: ${table} waits`, {
        kind: "callback",
        retry: "slow",
        hint: "mend the function given as onCommit: nothing is committed until it returns",
      });
    }
    return new LockstepError(`records of ${table} wait, and none was committed for ${since}`, {
      kind: "store",
      retry: "slow",
      hint: "look whether the disk of the store answers, then start the process again",
    });
  }
}
