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

import { compareOrder, maxOrder, type Order } from "../protocol/cursor.ts";
import type { Row } from "../protocol/record.ts";
import {
  type ChangeEntry,
  type ChangePage,
  type ChangePlace,
  compareEntries,
  entryBytes,
  firstBehind,
  isBehind,
  packPages,
  sortEntries,
  unpackPage,
} from "./change_entry.ts";
import { type Late, LateEntries } from "./change_late.ts";
import { ChangeKeeper } from "./change_keeper.ts";
import {
  dropEntries,
  dropLeftovers,
  findPage,
  type IndexedTable,
  PageGone,
  readPage,
  type WrittenRun,
} from "./change_runs.ts";
import {
  bury,
  type ChangeRun,
  type ChangeState,
  emptyState,
  floorOf,
  resyncBegins,
  resyncEnds,
  stateBytes,
} from "./change_state.ts";
import { changeLogKey, changeLogPrefix, changePageKey, changeStateKey } from "./keys.ts";
import { keyBytes } from "./limits.ts";
import type { Operation } from "./operation.ts";
import type { Decision } from "./plan.ts";

/** Entries of the log before they become a run. */
const LOG_ENTRIES = 8_192;

/** Values of the log before they become a run: they are removed in one operation. */
const LOG_VALUES = 256;

/** Entries that are logged at once; more become a run. */
const LOGGED_ENTRIES = 1_000;

/** Bytes that are logged at once: one value. */
const LOGGED_BYTES = 49_152;

/** Entries given from the log at a time. */
const SLICE_ENTRIES = 512;

/** How often a reader begins anew whose pages are merged under its hands. */
const ATTEMPTS = 5;

/** One value of a plan. */
interface PlannedValue {
  readonly key: Deno.KvKey;
  readonly value: ChangePage;
  readonly bytes: number;
}

/** What the end of a run of commits adds to its operations. */
export interface ChangePlan {
  /** Pages that no state names yet: they may go into any operation before the last. */
  readonly pages: readonly PlannedValue[];
  /** Room that {@linkcode ChangePlan.finish} needs in the last operation. */
  readonly mutations: number;
  readonly bytes: number;
  readonly keyBytes: number;
  /** Adds the rest to the last operation, right before it is signed. */
  finish(operation: Operation): void;
}

/** What becomes true when an operation is durable. */
interface Staged {
  readonly state: ChangeState;
  readonly dropsLog: boolean;
  readonly logged: readonly ChangeEntry[];
  readonly isSilent: boolean;
  /** All that is entered, sorted. */
  readonly entries: readonly ChangeEntry[];
}

/** Entries in a reader's order, and whether there are no more. */
export interface ChangeSlice {
  readonly entries: readonly ChangeEntry[];
  readonly done: boolean;
}

/** Where a reader is in each run: a hint that saves the search. */
export type PageHints = Map<number, number>;

export class ChangeIndex {
  readonly #table: IndexedTable;
  readonly #keeper: ChangeKeeper;
  /** What readers see. */
  #state: ChangeState;
  /** As it will be when all that is on its way is durable. */
  #next: ChangeState;
  #isDirty = false;
  /** Durable entries of the log, sorted. */
  #log: ChangeEntry[] = [];
  #logFirst = 0;
  #logNext = 0;
  /** Signed and not yet durable, in the order of their operations. */
  #signed: (Staged | null)[] = [];
  #staged: Staged | null = null;
  /** The run that grows, and its last entry. */
  #growing: { readonly id: number; readonly last: ChangeEntry } | null = null;
  /** Rows up to here may be stored without an entry; null where that can't be. */
  #doubt: Order | null;
  #isRunning = false;
  #isTold = true;
  #isPlanning = false;
  #buried: Order | null = null;
  readonly #late = new LateEntries();
  /** The durable cursor, as of the last operation. */
  #cursor: Order | null;
  /** Changes whenever there is something new to read. */
  version = 0;
  /** Counts the runs of commits whose changes nobody was told of. */
  silent = 0;

  private constructor(table: IndexedTable, high: Order | null) {
    this.#table = table;
    this.#state = this.#next = emptyState(false);
    this.#doubt = high;
    this.#cursor = table.cursor;
    this.#keeper = new ChangeKeeper(table, {
      runs: () => this.#next.runs,
      seal: (runs) => {
        if (runs.some((run) => run.id === this.#growing?.id)) this.#growing = null;
      },
      total: () => this.#next.runs.reduce((sum, run) => sum + run.entries, this.#log.length),
      valid: () => this.#next.valid,
      isQuiet: () => this.#signed.length === 0 && !this.#isPlanning && !this.#isDirty,
      newRun: () => this.#newRun(),
      built: (runs) => this.#built(runs),
      merged: (old, merged, valid) => this.#merged(old, merged, valid),
      durable: () => this.#persist(),
      isNamed: (run) => this.#state.runs.some(({ id }) => id === run.id),
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
    const { signal } = index.#keeper;
    if (value === null || !value.complete || afresh) {
      await dropEntries(table, signal);
      index.#state = index.#next = {
        ...emptyState(empty),
        // Which deletions were forgotten before nobody knows.
        floor: empty ? null : table.cursor,
      };
      const operation = table.operation();
      operation.set(changeStateKey(table.name), index.#state, stateBytes(index.#state));
      await operation.commit();
      if (!empty) index.#keeper.build();
    } else {
      await index.#load(value);
      await dropLeftovers(table, value.runs, signal);
    }
    return index;
  }

  /** Resolves when nothing runs in the background. */
  idle(): Promise<void> {
    return this.#keeper.idle();
  }

  /** Ends what runs in the background. */
  async close(): Promise<void> {
    await this.#keeper.close();
  }

  /** Reads the index as it is stored: what was on its way may have failed. */
  async reload(high: Order | null): Promise<void> {
    const { name, store } = this.#table;
    const { value } = await store.writer.get<ChangeState>(changeStateKey(name));
    this.#signed = [];
    this.#staged = null;
    this.#isRunning = this.#isPlanning = this.#isDirty = false;
    this.#doubt = high;
    this.#cursor = this.#table.cursor;
    if (value !== null) await this.#load(value);
  }

  async #load(state: ChangeState): Promise<void> {
    const { name, store } = this.#table;
    this.#state = this.#next = state;
    const log: ChangeEntry[] = [];
    const numbers: number[] = [];
    for await (const entry of store.writer.list<ChangePage>({ prefix: changeLogPrefix(name) })) {
      numbers.push(Number(entry.key.at(-1)));
      for (const change of unpackPage(entry.value)) log.push(change);
    }
    this.#log = sortEntries(log);
    this.#logFirst = numbers[0] ?? 0;
    this.#logNext = (numbers.at(-1) ?? -1) + 1;
    this.#growing = null;
    const last = state.runs.at(-1);
    if (last !== undefined && last.pages > 0) {
      const entry = (await readPage(store.writer, name, last.id, last.pages - 1)).at(-1);
      if (entry !== undefined) this.#growing = { id: last.id, last: entry };
    }
    this.version++;
  }

  /** Whether every row has its entry. */
  get complete(): boolean {
    return this.#state.complete;
  }

  /** Changes when followers have to start over. */
  get generation(): string {
    return this.#state.generation;
  }

  /** The order below which a deletion may have been forgotten; null where none has. */
  get floor(): Order | null {
    return floorOf(this.#state, this.#table.clock.now());
  }

  /** Entries that are kept, those that don't count any more included. */
  get size(): number {
    return this.#state.runs.reduce((sum, run) => sum + run.entries, this.#log.length);
  }

  /** Runs that are kept. */
  get runs(): readonly ChangeRun[] {
    return this.#state.runs;
  }

  // The writer's side.

  /**
   * A run of commits begins.
   *
   * @param isTold whether its changes are told to those who listen
   */
  begin(high: Order | null, isTold: boolean): void {
    // The one before was abandoned: its rows may be stored without entries.
    if (this.#isRunning) this.#doubt = maxOrder(this.#doubt, high);
    this.#isRunning = true;
    this.#isPlanning = false;
    this.#isTold = isTold;
  }

  /** Whether a row needs an entry. */
  wants(row: Row, decision: Decision): boolean {
    return decision.write || decision.changed || (this.#doubt !== null && this.#isDoubtful(row));
  }

  #isDoubtful({ order, key }: Row): boolean {
    const { cursor } = this.#table;
    if (this.#doubt === null || compareOrder(order, this.#doubt) > 0) return false;
    if (cursor !== null && compareOrder(order, cursor) < 0) return false;
    const at = firstBehind(this.#log, { order, key }) - 1;
    const before = this.#log[at];
    return before === undefined || compareEntries(before, { order, key }) !== 0;
  }

  /** During a resync, a change to what followers believe to have. */
  noteResynced(order: Order): void {
    const { served, retold } = this.#next;
    if (retold || served === null || compareOrder(order, served) > 0) return;
    this.#change({ retold: true });
  }

  /** A deletion was written. */
  noteBuried(order: Order): void {
    this.#buried = maxOrder(this.#buried, order);
  }

  /** A resync begins; to be followed by a commit of the table's state. */
  resyncBegins(cursor: Order | null): void {
    this.#next = resyncBegins(this.#next, cursor);
    this.#stage();
  }

  /** A resync ends; to be followed by a commit of the table's state. */
  resyncEnds(cursor: Order | null): void {
    this.#next = resyncEnds(this.#next, cursor);
    this.#stage();
  }

  /** What to add to the last operations of a run of commits; null for nothing. */
  plan(entries: ChangeEntry[], ttlMs: number): ChangePlan | null {
    const isLogFull = (this.#log.length >= LOG_ENTRIES ||
      this.#logNext - this.#logFirst >= LOG_VALUES) && this.#signed.length === 0;
    if (entries.length === 0) {
      this.#isRunning = false;
      return null;
    }
    this.#isPlanning = true;
    sortEntries(entries);
    const isLogged = entries.length <= LOGGED_ENTRIES &&
      entries.reduce((sum, entry) => sum + entryBytes(entry), 0) <= LOGGED_BYTES;
    const { pages, runs, late } = isLogged && !isLogFull
      ? { pages: [], runs: [], late: entries }
      : this.#planRuns(isLogFull ? sortEntries([...this.#log, ...entries]) : entries);
    const packed = late.length === 0 ? null : logged(late);
    const number = this.#logNext;
    const dropped = isLogFull ? number - this.#logFirst : 0;
    const key = changeLogKey(this.#table.name, number);
    const logBytes = packed === null ? 0 : packed.bytes + 2 * keyBytes(key);
    return {
      pages,
      mutations: dropped + 2,
      bytes: dropped * keyBytes(key) + logBytes + stateBytes(this.#next) + 2_048,
      keyBytes: 2 * keyBytes(key) + 2_048,
      finish: (operation) => {
        for (let n = this.#logFirst; n < this.#logFirst + dropped; n++) {
          operation.delete(changeLogKey(this.#table.name, n));
        }
        if (isLogFull) this.#logFirst = number;
        if (packed !== null) {
          operation.set(key, packed.page, packed.bytes);
          this.#logNext = number + 1;
        }
        if (this.#buried !== null) {
          this.#next = bury(this.#next, this.#buried, this.#table.clock.now(), ttlMs);
          this.#isDirty = true;
          this.#buried = null;
        }
        for (const run of runs) this.#grow(run);
        this.#stage({ dropsLog: isLogFull, logged: late, isSilent: !this.#isTold, entries });
        this.#isRunning = this.#isPlanning = false;
      },
    };
  }

  /** Sorted entries as pages: behind the run that grows where they follow it, else apart. */
  #planRuns(entries: ChangeEntry[]) {
    const { name } = this.#table;
    const growing = this.#growing;
    const from = growing === null ? 0 : firstBehind(entries, growing.last);
    let late = entries.slice(0, from);
    const pages: PlannedValue[] = [];
    const runs: GrownRun[] = [];
    const add = (part: ChangeEntry[], id: number, first: number, grows: boolean) => {
      const last = part.at(-1);
      if (last === undefined) return;
      let count = 0;
      for (const { page, bytes } of packPages(part)) {
        pages.push({ key: changePageKey(name, id, first + count++), value: page, bytes });
      }
      runs.push({ id, pages: count, entries: part.length, last, grows });
    };
    if (late.length > LOGGED_ENTRIES || logged(late).bytes > LOGGED_BYTES) {
      add(late, this.#newRun(), 0, false);
      late = [];
    }
    const known = this.#next.runs.find((run) => run.id === growing?.id);
    add(entries.slice(from), known?.id ?? this.#newRun(), known?.pages ?? 0, true);
    return { pages, runs, late };
  }

  #grow({ id, pages, entries, last, grows }: GrownRun): void {
    const runs = this.#next.runs.filter((run) => run.id !== id);
    const was = this.#next.runs.find((run) => run.id === id) ?? { id, pages: 0, entries: 0 };
    const grown = { id, pages: was.pages + pages, entries: was.entries + entries };
    // The one that grows is the last, which is how it is found again.
    this.#next = { ...this.#next, runs: grows ? [...runs, grown] : [grown, ...runs] };
    this.#isDirty = true;
    if (grows) this.#growing = { id, last };
  }

  #newRun(): number {
    const id = this.#next.nextRun;
    this.#change({ nextRun: id + 1 });
    return id;
  }

  #change(change: Partial<ChangeState>): void {
    this.#next = { ...this.#next, ...change };
    this.#isDirty = true;
  }

  #stage(more: Partial<Staged> = {}): void {
    const nothing = { dropsLog: false, logged: [], isSilent: false, entries: [] };
    this.#staged = { ...nothing, ...more, state: this.#next };
  }

  /** Adds the state to an operation where it has changed; every operation with the cursor is signed. */
  sign(operation: Operation): void {
    const staged = this.#staged;
    this.#staged = null;
    this.#signed.push(staged);
    if (staged === null) return;
    this.#isDirty = false;
    operation.set(changeStateKey(this.#table.name), staged.state, stateBytes(staged.state));
  }

  /** The operation that was signed longest ago is durable. */
  signed(): void {
    const staged = this.#signed.shift();
    const { cursor } = this.#table;
    const before = this.#cursor;
    this.#cursor = cursor;
    if (this.#doubt !== null && cursor !== null && compareOrder(cursor, this.#doubt) > 0) {
      this.#doubt = null;
    }
    if (staged === null || staged === undefined) return;
    this.#state = staged.state;
    if (staged.dropsLog) this.#log = [];
    const [first] = staged.logged;
    const last = this.#log.at(-1);
    const isNext = first === undefined || last === undefined || compareEntries(last, first) < 0;
    for (const entry of staged.logged) this.#log.push(entry);
    if (!isNext) sortEntries(this.#log);
    this.version++;
    if (staged.isSilent) this.silent++;
    this.#late.note(staged.entries, before, this.version);
    this.#keeper.look();
  }

  /** Writes the state by itself, as soon as nothing else is on its way. */
  async #persist(): Promise<void> {
    const { committer } = this.#table;
    while (this.#isDirty) {
      await committer.idle();
      if (!committer.isIdle) continue;
      if (!this.#isDirty) return;
      const operation = this.#table.operation();
      this.#stage();
      this.sign(operation);
      await committer.submit(operation, () => this.signed());
      await committer.idle();
    }
    // Signed, perhaps, by somebody else's operation that is still on its way.
    while (this.#signed.length > 0) await committer.idle();
  }

  #built(written: readonly WrittenRun[]): void {
    const valid = written.reduce((sum, run) => sum + run.entries, 0);
    // The one that grows stays the last.
    const runs = [...written.map(bare), ...this.#next.runs];
    this.#change({ complete: true, runs, valid });
  }

  #merged(old: readonly ChangeRun[], merged: WrittenRun, valid: number | null): void {
    const ids = new Set(old.map((run) => run.id));
    const rest = this.#next.runs.filter((run) => !ids.has(run.id));
    const runs = merged.pages === 0 ? rest : [bare(merged), ...rest];
    if (rest.length === 0 && merged.last !== null) {
      this.#growing = { id: merged.id, last: merged.last };
    }
    this.#change({ runs, ...(valid === null ? {} : { valid }) });
  }

  // The readers' side.

  /** What was entered below the cursor since a version, which who reads in order has passed by. */
  lateSince(version: number): Late {
    return this.#late.since(version);
  }

  /** What lies behind a place, up to an order and inclusive, a few hundred entries at a time. */
  async read(place: ChangePlace | null, upTo: Order, hints: PageHints): Promise<ChangeSlice> {
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#read(place, upTo, hints);
      } catch (error) {
        if (!(error instanceof PageGone) || attempt >= ATTEMPTS) throw error;
        hints.clear();
      }
    }
  }

  async #read(place: ChangePlace | null, upTo: Order, hints: PageHints): Promise<ChangeSlice> {
    const { runs } = this.#state;
    const from = firstBehind(this.#log, place);
    const found: ChangeEntry[] = this.#log.slice(from, from + SLICE_ENTRIES);
    /** Nothing that was not read lies before it. */
    let bound = from + SLICE_ENTRIES < this.#log.length ? found.at(-1) : undefined;
    for (const run of runs) {
      const page = await this.#page(run, place, hints);
      if (page === null) continue;
      for (const entry of page.entries) if (isBehind(entry, place)) found.push(entry);
      const last = page.entries.at(-1);
      if (!page.isLast && last !== undefined) {
        if (bound === undefined || compareEntries(last, bound) < 0) bound = last;
      }
    }
    const limit = bound;
    const entries = sortEntries(found.filter((entry) =>
      compareOrder(entry.order, upTo) <= 0 &&
      (limit === undefined || compareEntries(entry, limit) <= 0)
    ));
    return { entries, done: limit === undefined || compareOrder(limit.order, upTo) > 0 };
  }

  /** A run's first page that holds something behind a place. */
  async #page(run: ChangeRun, place: ChangePlace | null, hints: PageHints) {
    const { name, store } = this.#table;
    let number = hints.get(run.id);
    if (number === undefined || number > run.pages) {
      number = await findPage(store.reader, name, run, place);
    }
    for (; number < run.pages; number++) {
      const entries = await readPage(store.reader, name, run.id, number);
      const last = entries.at(-1);
      if (last === undefined || !isBehind(last, place)) continue;
      hints.set(run.id, number);
      return { entries, isLast: number === run.pages - 1 };
    }
    hints.set(run.id, number);
    return null;
  }
}

/** A run as the state names it. */
function bare({ id, pages, entries }: ChangeRun): ChangeRun {
  return { id, pages, entries };
}

/** What a plan adds to a run. */
interface GrownRun {
  readonly id: number;
  readonly pages: number;
  readonly entries: number;
  readonly last: ChangeEntry;
  readonly grows: boolean;
}

/** Entries as one value of the log. */
function logged(entries: readonly ChangeEntry[]): { page: ChangePage; bytes: number } {
  return {
    page: { orders: entries.map(({ order }) => order), parts: entries.flatMap(({ key }) => key) },
    bytes: entries.reduce((sum, entry) => sum + entryBytes(entry), 128),
  };
}
