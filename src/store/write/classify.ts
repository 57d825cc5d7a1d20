/**
 * The fate of the rows of one answer: written without looking, or compared with the stored ones.
 *
 * @module
 */

import { compareOrder, type Order, plainType } from "../../protocol/cursor.ts";
import { isJsonObject, type JsonObject, type Row } from "../../protocol/record.ts";
import { HighWater } from "./high_water.ts";
import { lookUp } from "../read/lookup.ts";
import { decide, type Decision, type Stored } from "../read/last_writer_wins.ts";
import type { ResyncMark } from "../kv/stored_values.ts";
import type { Table } from "../table/table.ts";
import { guessed } from "../table/table_state.ts";
import { newestPerKey, pick, rowArrivals } from "./newest_per_key.ts";
import type { Window } from "./window.ts";

/** How a window is committed. */
export interface WindowTraits {
  /** Compare every row, so that counts and change events are exact. */
  readonly isFollowed: boolean;
  /** Every key comes after the one before. */
  readonly isOrdered: boolean;
}

/** Decides on rows; knows the edge of what the table holds. */
export class Classifier {
  readonly #table: Table;
  readonly #highWater: HighWater;
  readonly #awaitsEvents: boolean;
  /** The cursor that the answer was asked for, or where it has caught up since. */
  start: Order | null;

  /**
   * @param empty whether the store holds no row of the table
   * @param awaitsEvents whether somebody is promised every change
   */
  constructor(table: Table, empty: boolean, awaitsEvents: boolean) {
    this.#table = table;
    this.#highWater = new HighWater(table.meta.high, empty);
    this.#awaitsEvents = awaitsEvents;
    this.start = table.meta.cursor;
    // A commit that failed may have been counted.
    if (table.meta.exact) table.guard.correct(table.meta.rows);
  }

  /** The table that it decides for. */
  get table(): Table {
    return this.#table;
  }

  /** Begins a window; to be called before its rows are decided on. */
  begin(window: Window): void {
    this.#highWater.begin(window.maxOrder);
  }

  /** All of the window is in operations. */
  end(): void {
    this.#highWater.end();
  }

  /** Whether no row is written without having been compared. */
  get comparesAll(): boolean {
    return confirmation(this.#table.meta.resync) !== null;
  }

  /** What is stored for each row, as soon as nothing is on its way that may concern the same keys. */
  async lookUp(rows: readonly Row[]): Promise<(Stored | null)[]> {
    const { name, shape, store, committer, meta } = this.#table;
    if (committer.isOrdered) await committer.idle();
    // By the connection that commits: its pages are still in memory, where a commit makes every
    // other connection read them anew.
    return await lookUp(store.writer, rows, {
      table: name,
      shape,
      isConfirmed: confirmation(meta.resync) ?? (() => true),
      isRemote: store.kind === "remote",
    });
  }

  /**
   * Decides on each row: without reading where nothing stored can be as new.
   *
   * @param ahead what is stored for each, where it is being looked up already
   */
  async decide(
    rows: readonly Row[],
    { isFollowed, isOrdered }: WindowTraits,
    ahead: Promise<(Stored | null)[]> | null = null,
  ): Promise<Decision[]> {
    const table = this.#table;
    const isConfirmed = confirmation(table.meta.resync);
    const { guard } = table;
    const isBlind = (row: Row) =>
      !isFollowed && isConfirmed === null && this.#highWater.isAhead(row) &&
      !guard.countsAll && !(guard.countsDeletions && row.deletedAt !== null);
    const doubtful = rows.filter((row) => !isBlind(row));
    const decisions = doubtful.length === 0 ? this.#blindly(rows, isOrdered) : this.#compared(
      rows,
      doubtful,
      await this.#confirmSeen(doubtful, await (ahead ?? this.lookUp(doubtful))),
    );
    this.#highWater.note(rows);
    await table.seen?.add(rows.map(({ key }) => key));
    return decisions;
  }

  /** What rows that are not committed yet would do to the number of rows. */
  async preview(rows: readonly Row[]): Promise<number> {
    const newest = pick(rows, newestPerKey(rowArrivals(rows)));
    const stored = await this.lookUp(newest);
    return newest.reduce((sum, row, i) => sum + decide(row, stored[i] ?? null).rows, 0);
  }

  #blindly(rows: readonly Row[], isOrdered: boolean): Decision[] {
    const isNew = isOrdered && this.#highWater.extendsKeys(rows);
    if (!isNew && rows.length > 0) this.#guess();
    return rows.map((row) => blind(row, isNew));
  }

  /**
   * @param doubtful those of the rows that are compared, in the same order
   * @param stored what is stored for each of these
   */
  #compared(
    rows: readonly Row[],
    doubtful: readonly Row[],
    stored: readonly (Stored | null)[],
  ): Decision[] {
    const table = this.#table;
    this.#highWater.forgetKeys();
    if (doubtful.length < rows.length) this.#guess();
    let next = 0;
    return rows.map((row) => {
      if (row !== doubtful[next]) return blind(row, false);
      const was = stored[next++] ?? null;
      const decision = decide(row, was);
      if (decision.write && was?.directory) table.parts.replaced(was.directory.version);
      if (decision.write) table.digester?.adjust(row.key, rowIn(was), rowAfter(row));
      return this.#notify(row, decision);
    });
  }

  /** A stored row that is newer than the origin's, and that the resync has brought itself, stands. */
  async #confirmSeen(
    rows: readonly Row[],
    stored: (Stored | null)[],
  ): Promise<readonly (Stored | null)[]> {
    const { seen } = this.#table;
    if (seen === null) return stored;
    for (const [i, was] of stored.entries()) {
      const row = rows[i];
      if (row === undefined || was === null || was.confirmed) continue;
      if (compareOrder(row.order, was.order) < 0 && await seen.has(row.key)) {
        stored[i] = { ...was, confirmed: true };
      }
    }
    return stored;
  }

  /** Rows are written without looking: from here on their number is an estimate. */
  #guess(): void {
    this.#highWater.forgetKeys();
    this.#table.counter = null;
    this.#table.digester = null;
    this.#table.become(guessed(this.#table.meta));
  }

  /** A row that is stored already, but perhaps without anybody having been notified, counts as news. */
  #notify(row: Row, decision: Decision): Decision {
    if (decision.outcome !== "identical") return decision;
    const { unnotified } = this.#table;
    const isNews = unnotified.has(row.order, this.start, this.#awaitsEvents);
    return isNews ? { ...decision, changed: true } : decision;
  }
}

type Confirmation = (versionstamp: string, order: Order) => boolean;

/** The rows by which the origin is known to stand; null for all of them. */
function confirmation(resync: ResyncMark | null): Confirmation | null {
  switch (resync?.phase) {
    case "reading":
    case "parts":
      return (versionstamp) => versionstamp > resync.began;
    case "held":
      // What the chain has brought unchanged lies at or below its greatest order.
      return (versionstamp, order) =>
        versionstamp > resync.began ||
        (resync.greatest !== null && plainType(order) === plainType(resync.greatest) &&
          compareOrder(order, resync.greatest) <= 0);
    default:
      return null;
  }
}

/** The row that is stored; null where there is none, or a deletion. */
function rowIn(was: Stored | null): JsonObject | null {
  const value = was?.isRow ? was.value : null;
  return value !== null && isJsonObject(value) ? value : null;
}

function rowAfter({ deletedAt, value }: Row): JsonObject | null {
  return deletedAt === null ? value : null;
}

/** A row that is written without having been compared; `isNew` where it can't have been there. */
function blind(row: Row, isNew: boolean): Decision {
  if (row.deletedAt !== null) {
    return { outcome: "deleted", write: true, changed: true, rows: 0 };
  }
  return { outcome: isNew ? "inserted" : "written", write: true, changed: true, rows: 1 };
}
