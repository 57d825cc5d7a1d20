/**
 * What keeps a table's changes from being committed: a person, or the guard. Reads go on; what is
 * held survives restarts, since the store says so.
 *
 * ```text
 *  none ──hold──▶ by a person ──release──▶ none
 *  none ──too many changes──▶ by the guard ──approve, release──▶ none, and so many may pass
 *                                          ──the origin has mended them──▶ none
 * ```
 *
 * While a person holds, the origin isn't asked. While the guard does, it is, slowly: what counts is
 * what it says then.
 *
 * @module
 */

import { logger } from "../base/log.ts";
import { LockstepError } from "../protocol/errors.ts";
import type { HoldMark } from "../store/kv/stored_values.ts";
import { HeldChangeError, heldText } from "../store/table/change_guard.ts";
import type { Table } from "../store/table/table.ts";
import { onHold, settled } from "../store/table/table_state.ts";

const log = logger("replica");

/** The next step where a person holds. */
const RELEASE_HINT = "release the table to go on: reads are served meanwhile";

export class Holds {
  readonly #table: Table;
  #requested: "hold" | "release" | null = null;
  #isApproved = false;

  constructor(table: Table) {
    this.#table = table;
  }

  /** What holds the table; null for nothing. */
  get mark(): HoldMark | null {
    return this.#table.meta.hold ?? null;
  }

  /** Has commits stop, or go on, with the next request. */
  request(what: "hold" | "release"): void {
    this.#requested = what;
  }

  /** Lets what the guard holds pass. Returns false where it holds nothing. */
  approve(): boolean {
    if (this.mark?.by !== "guard") return false;
    this.#isApproved = true;
    return true;
  }

  /**
   * Before a request goes out: does what was asked for.
   *
   * @throws {LockstepError} `held` where a person holds the table
   */
  async prepare(): Promise<void> {
    const { clock } = this.#table;
    const requested = this.#requested;
    if (requested === "hold" && this.mark?.by !== "person") {
      const text = "stopped by a person";
      await this.#save({ by: "person", since: clock.now(), text, net: null, of: null });
      await this.#table.history.add({ kind: "hold", text });
    }
    const isReleased = requested === "release" || this.#isApproved;
    if (isReleased && this.mark !== null) await this.#release(this.mark);
    this.#requested = null;
    this.#isApproved = false;
    const { mark } = this;
    if (mark?.by !== "person") return;
    const since = new Date(mark.since).toISOString();
    throw new LockstepError(`${this.#table.name} is on hold since ${since}: nothing is committed`, {
      kind: "held",
      retry: "slow",
      hint: RELEASE_HINT,
    });
  }

  /** An attempt failed; where the guard refused its changes, the store says so from now on. */
  async failed(error: unknown): Promise<void> {
    if (!(error instanceof HeldChangeError)) return;
    const { change } = error;
    const text = heldText(change);
    const before = this.mark;
    if (before?.by === "guard" && before.text === text) return;
    const since = before?.by === "guard" ? before.since : this.#table.clock.now();
    await this.#save({ by: "guard", since, text, net: change.net, of: change.of });
    if (before === null) await this.#table.history.add({ kind: "held", text });
  }

  /** Everything the origin has is stored: nothing is held any more, and the count is settled. */
  async complete(): Promise<void> {
    const table = this.#table;
    table.guard.complete(table.meta.rows);
    const isFirst = (table.meta.settled ?? null) === null;
    table.become(settled(table.meta));
    if (this.mark?.by === "guard") {
      await this.#save(null);
      const text = "the origin's changes are no longer too many";
      await table.history.add({ kind: "release", text });
    } else if (isFirst && table.committer.isIdle) await table.save();
  }

  async #release(mark: HoldMark): Promise<void> {
    const table = this.#table;
    if (mark.net !== null) table.guard.allow(mark.net);
    await this.#save(null);
    const isApproval = mark.by === "guard";
    const text = isApproval ? `approved: ${mark.text}` : "commits go on";
    log.info("{table}: {text}", { table: table.name, text });
    await table.history.add({ kind: isApproval ? "approved" : "release", text });
  }

  async #save(mark: HoldMark | null): Promise<void> {
    await this.#table.committer.idle();
    await this.#table.save(onHold(this.#table.meta, mark));
  }
}
