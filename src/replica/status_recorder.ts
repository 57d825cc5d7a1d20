/**
 * What a table's loop has come to: its state, what is wrong, and its figures. Owns all of that; the
 * status is made from it.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { logger } from "../base/log.ts";
import { orderTime } from "../protocol/cursor.ts";
import { deletionText } from "../protocol/record.ts";
import type { LockstepError } from "../protocol/errors.ts";
import type { CommitEvent } from "../store/read/change.ts";
import type { WindowCommitObserver } from "../store/write/window_commit.ts";
import type { Table } from "../store/table/table.ts";
import type { CommitListeners } from "./listeners.ts";
import type { TableMetrics } from "./metrics.ts";
import { LastWord } from "./last_word.ts";
import { isLive, type LoopState, type StateEvent, transition } from "./state.ts";

const log = logger("replica");

/** Between two log lines about a fault that comes and goes, in milliseconds. */
const WARN_AGAIN_MS = 60_000;

/** A warning without the values in it. */
function kindOfWarning(warning: string): string {
  return warning.replaceAll(/\([^)]*\)|\d+|key .* is dated/g, "");
}

export class StatusRecorder {
  readonly metrics: TableMetrics;
  /** When the origin was last heard of. */
  readonly lastWord: LastWord;
  /** Who is told of commits, from an answer and from a sweep alike. */
  readonly observer: WindowCommitObserver;
  readonly #table: Table;
  readonly #audience: CommitListeners;
  readonly #clock: Clock;
  #state: LoopState = "starting";
  #stateSince: number;
  #trouble: LockstepError | null = null;
  /** When the next attempt is due, while waiting; milliseconds since the Unix epoch. */
  nextAttempt: number | null = null;
  #lagMs: number | null = null;
  #warnings: readonly string[] = [];
  /** When each kind of warning was logged last, by the stopwatch. */
  readonly #warnedAt = new Map<string, number>();
  /** Whether it was known to be live, and not only guessed: what runs after commits may begin. */
  #isSure = false;

  constructor(table: Table, metrics: TableMetrics, audience: CommitListeners) {
    this.metrics = metrics;
    this.#table = table;
    this.#audience = audience;
    this.#clock = table.clock;
    this.#stateSince = table.clock.now();
    this.lastWord = new LastWord(table.meta.lastContact, table.clock);
    this.observer = {
      counted: (outcome, records) => metrics.counted(outcome, records),
      committed: (event) => this.#committed(event),
      // While catching up unwatched, events would cost memory and serve nobody.
      wantsEvents: () => this.isLive || audience.wantsEvents,
      awaitsEvents: audience.awaitsEvents,
    };
  }

  get state(): LoopState {
    return this.#state;
  }

  /** Since when it is in this state; milliseconds since the Unix epoch. */
  get stateSince(): number {
    return this.#stateSince;
  }

  get isLive(): boolean {
    return isLive(this.#state);
  }

  /** What is wrong; null once the table is live again. */
  get trouble(): LockstepError | null {
    return this.#trouble;
  }

  /** The origin's last sign of life; milliseconds since the Unix epoch, null for none. */
  get lastContact(): number | null {
    return this.lastWord.time;
  }

  /** Milliseconds since then; null for never. */
  get ageMs(): number | null {
    return this.lastWord.ageMs;
  }

  /** From the last live record's order, where it is a time, to its commit; null when unknown. */
  get lagMs(): number | null {
    return this.#lagMs;
  }

  /** What is odd about what the origin sends, in words. */
  get warnings(): readonly string[] {
    const nothingLeft = this.#nothingLeft();
    return nothingLeft === null ? this.#warnings : [nothingLeft, ...this.#warnings];
  }

  /** Deletions and nothing else have come: more likely they are none. */
  #nothingLeft(): string | null {
    const { deleted, inserted, updated, written } = this.metrics.records();
    const isEmpty = this.#table.meta.rows === 0 && inserted + updated + written === 0;
    if (!isEmpty || deleted === 0) return null;
    return `all ${deleted} records that came are deletions, and no row is left: check --deleted-by ` +
      `(${deletionText(this.#table.shape)}) against what the origin sends`;
  }

  /** Whether all that depends on being live may rely on it, or nothing does. */
  get isSure(): boolean {
    return this.#isSure || this.#audience.hooks === null;
  }

  /** @param isGuess whether being live is only a guess, by a silence */
  enter(event: StateEvent, isGuess = false): void {
    const next = transition(this.#state, event);
    if (isLive(next)) {
      this.#trouble = null;
      if (!isGuess && !this.#isSure && (event === "caught-up" || event === "held")) {
        this.#isSure = true;
        this.#audience.hooks?.settle(true);
      }
    }
    if (next === this.#state) return;
    const table = this.#table;
    log.debug("{table}: {from} → {to}", { table: table.name, from: this.#state, to: next });
    if (isLive(next) && !this.isLive) {
      log.info("{table}: live with {rows} rows at cursor {cursor}", {
        table: table.name,
        rows: table.meta.exact ? table.meta.rows : `about ${table.meta.rows}`,
        cursor: table.cursor === null ? "none" : table.orders.textOf(table.cursor),
      });
      const warning = this.#nothingLeft();
      if (warning !== null) log.warn("{table}: {warning}", { table: table.name, warning });
    }
    this.#state = next;
    this.#stateSince = this.#clock.now();
    if (isLive(next)) this.#audience.hooks?.settle(this.#isSure);
    else if (next === "catching-up") this.#audience.hooks?.settle(false);
    this.#audience.progressed();
  }

  /** A failure, whatever is done about it. */
  report(failure: LockstepError): void {
    this.#trouble = failure;
    const time = new Date(this.#clock.now()).toISOString();
    const { kind, message, hint } = failure;
    const isNews = this.metrics.errors[0]?.message !== message;
    this.metrics.failed({ time, kind, message, hint });
    this.enter(failure.retry === "soon" || failure.retry === "resync" ? "failed" : "refused");
    const level = isNews ? "warn" : "debug";
    log[level]("{table}: {message}; {hint}", { table: this.#table.name, message, hint });
  }

  /** There is nothing that could be used, and nothing wrong, either. */
  wait(reason: LockstepError): void {
    if (this.#trouble?.message === reason.message) return;
    this.#trouble = reason;
    this.enter("failed");
  }

  /** Nothing moves; no attempt has failed. */
  stands(reason: LockstepError): void {
    const { message, hint } = reason;
    log.warn("{table}: {message}; {hint}", { table: this.#table.name, message, hint });
    this.#trouble = reason;
    this.enter("refused");
  }

  /** What was waited for has come. */
  resumed(): void {
    if (this.#state === "waiting") this.enter("answered");
  }

  /** The loop has ended by a failure, which stays on show: no attempt is made any more. */
  giveUp(failure: LockstepError): void {
    if (this.#trouble !== failure) this.report(failure);
    this.enter("refused");
  }

  /** The origin gave a sign of life. */
  contact(): void {
    this.lastWord.contact();
  }

  /**
   * An answer came to its end: what was odd about it, and about the pass that ends with it.
   *
   * @param isFirst whether it is the first of its pass: what was said of an earlier one is over
   */
  noteOddities(warnings: readonly string[], reason: string | null, isFirst: boolean): void {
    const said = reason === null ? warnings : [...warnings, reason];
    const found = isFirst ? [...said] : [...new Set([...this.#warnings, ...said])];
    // A fault that stands is logged once, though each answer shows it at another cursor.
    const standing = new Set(this.#warnings.map(kindOfWarning));
    const now = this.#clock.monotonic();
    for (const warning of found) {
      const kind = kindOfWarning(warning);
      if (standing.has(kind) || now - (this.#warnedAt.get(kind) ?? -Infinity) < WARN_AGAIN_MS) {
        continue;
      }
      this.#warnedAt.set(kind, now);
      log.warn("{table}: {warning}", { table: this.#table.name, warning });
    }
    this.#warnings = found;
  }

  #committed(event: CommitEvent): Promise<void> {
    const last = event.changes.at(-1);
    if (last !== undefined && this.isLive) {
      const time = orderTime(last.order);
      this.#lagMs = time === null ? null : Math.max(0, this.#clock.now() - time.getTime());
    }
    return this.#audience.tell(event);
  }
}
