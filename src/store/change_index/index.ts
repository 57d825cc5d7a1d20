/**
 * The change index: what was written, sorted by order, for the feed.
 *
 * ```text
 *  a commit ──▶ log: one value, in the same atomic operation as its rows; held in memory as well
 *  a window ──▶ run: sorted pages behind the rows, before the cursor covers them
 *  log ──full──▶ run      runs ──merged──▶ run      runs ──twice the table──▶ run, swept
 * ```
 *
 * - An entry is an order and a key. It counts only while the key's row, or its tombstone, still
 *   has that order: entries are never looked for when a row is written again, and what is left
 *   over is skipped by readers and swept by merging.
 * - An entry is durable before the cursor passes its order. Rows that a crash left without theirs
 *   lie above the cursor; they come again, and are entered then though nothing else is written.
 * - Runs never change, but for growing at the end by what follows in order. The state names them;
 *   it is switched in one operation, so that readers and crashes meet the old ones or the new.
 *
 * Costs one value of some 20 bytes a row, and no key of its own for any row. In memory: the log,
 * 8,192 entries at most; while entries are made for old rows, 50,000 of them.
 *
 * @module
 */

import { compareOrder, maxOrder, type Order } from "../../protocol/cursor.ts";
import type { Row } from "../../protocol/record.ts";
import { between, type ChangePlace, sortEntries } from "./entry.ts";
import type { EntryBuffer } from "./entry_buffer.ts";
import { type Late, LateEntries } from "./late_entries.ts";
import { ChangeLog } from "./log.ts";
import { Compaction } from "./compaction.ts";
import { RunSet } from "./run_set.ts";
import { type ChangePlan, logged, LOGGED_BYTES, LOGGED_ENTRIES } from "./flush_plan.ts";
import { type ChangeSlice, type PageHints, readSlice } from "./merge_iterator.ts";
import { dropEntries, dropLeftovers, type IndexedTable } from "./run.ts";
import { Manifest } from "./manifest.ts";
import {
  type ChangeRun,
  type ChangeState,
  emptyState,
  floorOf,
  resyncBegins,
  resyncEnds,
  retell,
  stateBytes,
  type TombstoneGroup,
  withTombstones,
} from "./manifest_state.ts";
import { changeStateKey } from "../kv/keys.ts";
import { keyBytes } from "../kv/limits.ts";
import type { Operation } from "../kv/operation.ts";
import type { Decision } from "../read/last_writer_wins.ts";

export class ChangeIndex {
  readonly #table: IndexedTable;
  readonly #compaction: Compaction;
  readonly #state: Manifest;
  readonly #runs: RunSet;
  readonly #log: ChangeLog;
  /** Rows up to here may be stored without an entry; null where that can't be. */
  #unindexedUpTo: Order | null;
  #isCommitting = false;
  /** The window enters rows that are not written, nor notified, again. */
  #isUnannounced = false;
  #isPlanning = false;
  #tombstones: TombstoneGroup | null = null;
  readonly #late = new LateEntries();
  /** The durable cursor, as of the last operation. */
  #cursor: Order | null;
  /** Changes whenever there is something new to read. */
  version = 0;
  /** Counts the windows that entered something nobody was notified of. */
  unannounced = 0;

  private constructor(table: IndexedTable, high: Order | null) {
    this.#table = table;
    this.#log = new ChangeLog(table.name);
    this.#state = new Manifest(table.name, emptyState(false));
    this.#unindexedUpTo = high;
    this.#cursor = table.cursor;
    this.#runs = new RunSet(table.name, this.#state);
    this.#compaction = new Compaction(table, this.#runs, {
      total: () => this.#runs.all.reduce((sum, run) => sum + run.entries, this.#log.entries.length),
      isQuiet: () => this.#state.underWay === 0 && !this.#isPlanning && !this.#state.isDirty,
      durable: () => this.#persist(),
    });
  }

  /**
   * Opens a table's index; begins to make one where there is none, or only a part of one.
   *
   * @param high the greatest order that may be stored
   * @param afresh whether the entries that are there are of no use
   * @param empty whether there is nothing yet that needs an entry
   */
  static async open(
    table: IndexedTable,
    high: Order | null,
    afresh: boolean,
    empty: boolean,
  ): Promise<ChangeIndex> {
    const index = new ChangeIndex(table, high);
    const kv = table.store.writer;
    const { value } = await kv.get<ChangeState>(changeStateKey(table.name));
    const { signal } = index.#compaction;
    if (value === null || !value.complete || afresh) {
      await dropEntries(table, signal);
      // Which deletions were forgotten before nobody knows; nor, in the middle of a resync, what it
      // has changed so far.
      const retold = table.meta.resync === null ? {} : { served: high, retold: true };
      const state = { ...emptyState(empty), floor: empty ? null : table.cursor, ...retold };
      index.#state.reset(state);
      const operation = table.operation();
      operation.set(changeStateKey(table.name), state, stateBytes(state));
      await operation.commit();
      if (!empty) index.#compaction.build();
    } else {
      await index.#load(value);
      await dropLeftovers(table, value.runs, signal);
    }
    return index;
  }

  /** Resolves when nothing runs in the background. */
  idle(): Promise<void> {
    return this.#compaction.idle();
  }

  /** Ends what runs in the background. */
  close(): Promise<void> {
    return this.#compaction.close();
  }

  /** Reads the index as it is stored: what was on its way may have failed. */
  async reload(high: Order | null): Promise<void> {
    const { name, store } = this.#table;
    const { value } = await store.writer.get<ChangeState>(changeStateKey(name));
    this.#isCommitting = this.#isPlanning = false;
    this.#unindexedUpTo = high;
    this.#cursor = this.#table.cursor;
    await this.#load(value ?? emptyState(false));
    // A commit that failed may have been stored all the same, and nobody have been notified.
    this.#late.note(this.#log.entries, this.#cursor, this.version);
    this.unannounced++;
  }

  async #load(state: ChangeState): Promise<void> {
    const { writer } = this.#table.store;
    this.#state.reset(state);
    await this.#log.load(writer);
    await this.#runs.load(writer);
    this.version++;
  }

  /** True once every row has its entry. */
  get complete(): boolean {
    return this.#state.durable.complete;
  }

  /** True where every row is known to have its entry at this moment. */
  get isCertain(): boolean {
    return this.complete && this.isSettled && this.#unindexedUpTo === null;
  }

  /** True while all changes that were notified have their entries: none is on its way. */
  get isSettled(): boolean {
    return !this.#isCommitting && !this.#isPlanning && this.#state.underWay === 0;
  }

  /** Changes when followers have to start over. */
  get generation(): string {
    return this.#state.durable.generation;
  }

  /** The order below which a deletion may have been forgotten; null where none has. */
  get floor(): Order | null {
    return floorOf(this.#state.durable, this.#table.clock.now());
  }

  /**
   * True where everything that was changed at an order or later, deletions included, can be sent to
   * a follower that has come so far.
   *
   * @param generation the one that it has come so far in; null where that isn't known
   */
  reachesBackTo(order: Order, generation: string | null): boolean {
    const { floor } = this;
    if (floor !== null && compareOrder(order, floor) < 0) return false;
    const past = this.#state.durable.past ?? null;
    // A follower at exactly that order may have it from before as well as from after.
    return past === null || compareOrder(order, past) > 0 || generation === this.generation;
  }

  /** Entries that are kept, those that don't count any more included. */
  get size(): number {
    return this.#state.durable.runs.reduce(
      (sum, run) => sum + run.entries,
      this.#log.entries.length,
    );
  }

  /** Runs that are kept. */
  get runs(): readonly ChangeRun[] {
    return this.#state.durable.runs;
  }

  // The writer's side.

  /** A window's commits begin. */
  begin(high: Order | null): void {
    // The one before was abandoned: its rows may be stored without entries.
    if (this.#isCommitting) this.#unindexedUpTo = maxOrder(this.#unindexedUpTo, high);
    this.#isCommitting = true;
    this.#isPlanning = this.#isUnannounced = false;
    const { cursor, resync } = this.#table.meta;
    const served = this.#cursor;
    if (resync !== null || served === null) return;
    // The cursor is taken back, since the origin's answer is out of order: followers may have come
    // farther than that.
    if (cursor === null || compareOrder(cursor, served) < 0) {
      this.#state.change({ served: maxOrder(this.#state.next.served, served) });
    }
  }

  /** Everything up to the cursor has come again: each row has its entry. */
  caughtUp(cursor: Order | null): void {
    const upTo = this.#unindexedUpTo;
    if (upTo !== null && cursor !== null && compareOrder(cursor, upTo) >= 0) {
      this.#unindexedUpTo = null;
    }
    const { next } = this.#state;
    if (this.#table.meta.resync === null && next.served !== null) {
      this.#state.change({ served: null });
    }
  }

  /** True of a row that needs an entry. */
  wants(row: Row, decision: Decision): boolean {
    return decision.write || decision.changed || this.#mayLackEntry(row);
  }

  #mayLackEntry({ order, key }: Row): boolean {
    return this.#unindexedUpTo !== null && compareOrder(order, this.#unindexedUpTo) <= 0 &&
      !this.#log.has({ order, key });
  }

  /** A row is entered that is stored already, and that nobody is notified of again. */
  noteUnannounced(): void {
    this.#isUnannounced = true;
  }

  /** A change; it may be one to what followers believe to have. */
  noteRetold(order: Order): void {
    const { served, retold } = this.#state.next;
    if (retold || served === null || compareOrder(order, served) > 0) return;
    this.#state.change({ retold: true });
  }

  /** A deletion was written. */
  noteTombstone(order: Order, expiresAt: number): void {
    const group = this.#tombstones;
    this.#tombstones = group === null ? { order, expiresAt } : {
      order: maxOrder(group.order, order),
      expiresAt: Math.min(expiresAt, group.expiresAt),
    };
  }

  /** A resync begins; to be followed by a commit of the table's state. */
  resyncBegins(cursor: Order | null): void {
    this.#state.change(resyncBegins(this.#state.next, cursor));
    this.#state.stage();
  }

  /** A resync ends; to be followed by a commit of the table's state. */
  resyncEnds(cursor: Order | null): void {
    this.#state.change(resyncEnds(this.#state.next, cursor));
    this.#state.stage();
  }

  /** The part of the index in a window's last operations; null for nothing. */
  plan(entries: EntryBuffer, ttlMs: number): ChangePlan | null {
    if (entries.length === 0) {
      this.#isCommitting = false;
      return null;
    }
    this.#isPlanning = true;
    entries.sort();
    const isLarge = entries.length > LOGGED_ENTRIES || entries.bytes > LOGGED_BYTES;
    const isLogFull = !isLarge && this.#state.underWay === 0 && this.#log.isFull;
    const few = isLarge ? [] : [...between(entries, 0, entries.length)];
    const { pages, runs, late } = isLarge
      ? this.#runs.plan(entries)
      : isLogFull
      ? this.#runs.plan(sortEntries([...this.#log.entries, ...few]))
      : { pages: [], runs: [], late: few };
    const packed = late.length === 0 ? null : logged(late);
    const dropped = isLogFull ? this.#log.values : 0;
    const key = keyBytes(this.#log.nextKey);
    const state = this.#state;
    return {
      pages,
      get mustWait() {
        return state.isChanging;
      },
      mutations: dropped + 2,
      bytes: (dropped + 2) * key + (packed?.bytes ?? 0) + stateBytes(this.#state.next) + 2_048,
      keyBytes: 2 * key + 2_048,
      finish: (operation) => {
        if (isLogFull) this.#log.drop(operation);
        if (packed !== null) this.#log.set(operation, packed.page, packed.bytes);
        if (this.#tombstones !== null) {
          const now = this.#table.clock.now();
          this.#state.change(withTombstones(this.#state.next, this.#tombstones, now, ttlMs));
          this.#tombstones = null;
        }
        // At once: what comes next lies above the cursor that was taken back.
        if (this.#table.meta.resync === null && this.#state.next.retold) {
          this.#state.change(retell(this.#state.next));
        }
        for (const run of runs) this.#runs.grow(run);
        this.#state.stage({
          dropsLog: isLogFull,
          logged: late,
          isUnannounced: this.#isUnannounced,
          entries,
        });
        this.#isCommitting = this.#isPlanning = false;
      },
    };
  }

  /** To be called for every operation with the cursor, right before it is submitted. */
  addState(operation: Operation): void {
    this.#state.addState(operation);
  }

  /** The oldest of those operations is durable. */
  onDurable(): void {
    const written = this.#state.settle();
    const { cursor } = this.#table;
    const before = this.#cursor;
    this.#cursor = cursor;
    const upTo = this.#unindexedUpTo;
    if (upTo !== null && cursor !== null && compareOrder(cursor, upTo) > 0) {
      this.#unindexedUpTo = null;
    }
    if (written === null) return;
    this.version++;
    if (written.entered !== null) {
      const { dropsLog, logged, isUnannounced, entries } = written.entered;
      this.#log.became(dropsLog, logged);
      this.#late.note(entries, before, this.version);
      if (isUnannounced) this.unannounced++;
    }
    this.#compaction.look();
  }

  /** Writes the state by itself, as soon as nothing else is on its way. */
  async #persist(): Promise<void> {
    const { committer } = this.#table;
    while (this.#state.isDirty) {
      await committer.idle();
      if (!committer.isIdle) continue;
      if (!this.#state.isDirty) return;
      const operation = this.#table.operation();
      this.#state.stage();
      this.addState(operation);
      await committer.submit(operation, () => this.onDurable());
      await committer.idle();
    }
    while (this.#state.underWay > 0) await committer.idle();
  }

  // The readers' side.

  /** Entries below the cursor since a version, which a reader in order has passed by. */
  lateSince(version: number): Late {
    return this.#late.since(version);
  }

  /** Entries behind a place, up to an order and inclusive, a few hundred at a time. */
  read(place: ChangePlace | null, upTo: Order, hints: PageHints): Promise<ChangeSlice> {
    const { name, store } = this.#table;
    const snapshot = () => ({
      kv: store.reader,
      table: name,
      runs: this.#state.durable.runs,
      log: this.#log.entries,
    });
    return readSlice(snapshot, place, upTo, hints);
  }
}
