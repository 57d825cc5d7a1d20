/**
 * A table's resync: carries out what {@linkcode nextResync} decides.
 *
 * @module
 */

import { logger } from "../base/log.ts";
import type { Answer } from "../origin/connect.ts";
import { maxOrder } from "../protocol/cursor.ts";
import { LockstepError } from "../protocol/errors.ts";
import type { AnswerWriter } from "../store/write/answer_writer.ts";
import { RemovedRows } from "../store/write/removed_rows.ts";
import { type Evidence, RowsNotSavedError, sizeSweep, sweep } from "../store/write/sweep.ts";
import type { Table } from "../store/table/table.ts";
import { ofGeneration, resyncEnded, resyncMoved, resyncSized } from "../store/table/table_state.ts";
import type { RowBatch } from "../stream/row_reader.ts";
import type { StatusRecorder } from "./status_recorder.ts";
import { guardLimits, type ReplicatorOptions, TOMBSTONE_TTL_MS } from "./options.ts";
import type { PassEnd } from "./pass.ts";
import { ResyncChain } from "./resync_chain.ts";
import { HELD_HINT, heldBecause } from "./resync_words.ts";
import { MOST_CUTS, nextResync, restoredResync, type ResyncEvent } from "./resync_state.ts";

const log = logger("replica");

/** How it is said that the origin lacks what it had. */
const REWOUND = /rewound|swapped|restored|wiped/;

/** What a resync has to know of a pass. */
type EndOfPass = Pick<PassEnd, "proof" | "records" | "isLinked">;

export class Resync {
  readonly #table: Table;
  readonly #journal: StatusRecorder;
  readonly #options: ReplicatorOptions;
  /** Has the origin asked anew at once. */
  readonly #askAgain: () => void;
  /** Why a resync is to begin with the next request; null for none. */
  #requested: string | null;
  /** The held sweep may go ahead. */
  #isApproved = false;
  /** The last resync removed nothing, because it was cut too often. */
  #wasInParts = false;
  /** How the origin was last seen to lack what it had, in words; null where it has all. */
  #rewound: string | null = null;
  /** The generation that the origin told last. */
  #generation: string | null = null;
  /** The chain that is being read; null where none is, or where it was cut. */
  #chain: ResyncChain | null = null;
  /** What a first chain has brought, while a second decides on the rest. */
  #first: ResyncChain | null = null;

  /** @param askAgain has the origin asked anew at once */
  constructor(
    table: Table,
    journal: StatusRecorder,
    options: ReplicatorOptions,
    askAgain: () => void,
  ) {
    this.#askAgain = askAgain;
    this.#table = table;
    this.#journal = journal;
    this.#options = options;
    table.become(resyncMoved(table.meta, restoredResync(table.meta.resync)));
    this.#requested = options.resync ? "--resync was given" : null;
  }

  get isHeld(): boolean {
    return this.#table.meta.resync?.phase === "held";
  }

  /** Whether a resync has begun, or is to begin, that has not come to its end. */
  get isPending(): boolean {
    const { resync } = this.#table.meta;
    return this.#requested !== null || this.#isApproved ||
      (resync !== null && resync.phase !== "held");
  }

  /** Whether the next request is for everything, whatever the cursor. */
  get isFromBeginning(): boolean {
    const { resync } = this.#table.meta;
    // An origin that had nothing at all may have it again.
    return resync?.phase === "wanted" || (resync?.phase === "held" && resync.why === "empty");
  }

  /**
   * A run that ends has done what it was asked for.
   *
   * @throws {LockstepError} `held`
   */
  assertDone(): void {
    const { resync } = this.#table.meta;
    const { name } = this.#table;
    if (resync?.phase === "held") {
      throw new LockstepError(`a sweep of ${name} is held: ${heldBecause(resync)}`, {
        kind: "held",
        retry: "never",
        hint: HELD_HINT,
      });
    }
    if (!this.#wasInParts) return;
    throw new LockstepError(
      `the resync of ${name} was cut ${MOST_CUTS} times and compared in parts: nothing was removed`,
      {
        kind: "held",
        retry: "never",
        hint: "mend the connection to the origin, and resync",
      },
    );
  }

  /** Records of the chain so far, for its progress; null where none is read. */
  get records(): number | null {
    return this.#chain?.records ?? null;
  }

  /** Has a resync begin with the next request. */
  request(reason: string): void {
    this.#requested = reason;
  }

  /** Lets a held sweep go ahead, by what the origin says then. Returns false when none is held. */
  approve(): boolean {
    if (!this.isHeld) return false;
    this.#isApproved = true;
    return true;
  }

  /** The answer that was read broke off: its chain proves nothing. */
  cut(): void {
    this.#drop();
  }

  /** What is odd about the origin's answer, in words: that it was rewound belongs to the history. */
  async noticed(warnings: readonly string[]): Promise<void> {
    const text = warnings.find((warning) => REWOUND.test(warning)) ?? null;
    if (text === this.#rewound) return;
    this.#rewound = text;
    if (text !== null) await this.#table.history.add({ kind: "rewind", text });
  }

  /** Before a request goes out: does what is due. */
  async prepare(): Promise<void> {
    const table = this.#table;
    const before = table.meta.resync;
    if (this.#chain?.isBroken) {
      log.warn("{table}: the answer lacks the row at the cursor: the resync begins again", {
        table: table.name,
      });
      this.#drop();
    }
    const isBroken = before?.phase === "removing" ||
      (before?.phase === "reading" && this.#chain === null);
    if (isBroken) await this.#enter({ is: "cut" });
    if (this.#isApproved) {
      const mark = table.meta.resync;
      await this.#enter({ is: "approved" });
      this.#isApproved = false;
      if (mark?.phase === "held") {
        const text = `the removal of ${mark.wouldRemove} of ${mark.of} rows was approved`;
        await table.history.add({ kind: "approved", text });
      }
    }
    const { cursor, unsorted, resync } = table.meta;
    if (cursor === null && unsorted && resync === null) {
      // Rows of the answer that was cut off may have been deleted since, and from 0 the origin
      // doesn't tell; nor does the least order so far, in an answer without order.
      this.#requested ??= "the first answer was cut off, and the origin sends records out of order";
    }
    if (this.#requested !== null) {
      this.#drop();
      this.#forgetFirst();
      await this.#enter({ is: "request", reason: this.#requested });
      this.#requested = null;
      this.#wasInParts = false;
    }
    const mark = table.meta.resync;
    if (mark?.phase === "wanted" && mark.chain === 2 && this.#first === null) {
      // The process that read the first one has ended.
      await table.save(resyncMoved(table.meta, { ...mark, chain: 1 }));
    }
    if (mark?.phase === "wanted" && before !== mark) {
      this.#journal.enter("released");
      this.#journal.enter("behind");
    }
    if (mark?.phase === "parts" && before?.phase === "reading") {
      log.warn(
        "{table}: the resync was cut {cuts} times: the rest is compared in parts, and nothing is removed",
        { table: table.name, cuts: MOST_CUTS },
      );
    }
  }

  /**
   * A feed whose data was begun anew can't tell what has changed since our cursor.
   *
   * @throws {LockstepError} `gone`: a resync is needed
   */
  async checkGeneration({ generation, body, url }: Answer): Promise<void> {
    const { meta } = this.#table;
    const known = meta.generation ?? null;
    if (generation === null || generation === known) return;
    this.#generation = generation;
    if (this.isFromBeginning) return;
    if (known === null || (meta.cursor === null && meta.floor === null)) {
      this.#table.become(ofGeneration(meta, generation));
      return;
    }
    await body?.cancel().catch(() => {});
    const text = "the origin has begun its data anew: everything is compared";
    await this.#table.history.add({ kind: "generation", text });
    throw new LockstepError(`${url} has begun its data anew`, {
      kind: "gone",
      retry: "resync",
      hint: "nothing to do: everything is compared",
    });
  }

  /**
   * The origin answers: a resync that is wanted begins, and a page of its chain is expected.
   *
   * @param hasBody false where the origin says that it has nothing new
   */
  async answered(hasBody: boolean): Promise<void> {
    const table = this.#table;
    const { resync, cursor, start, generation } = table.meta;
    if (resync?.phase === "wanted") {
      if (resync.chain === 1) this.#forgetFirst();
      this.#chain = new ResyncChain(this.#file);
      table.seen = this.#chain.seen;
      const begun = (began: string) => nextResync(resync, { is: "begun", began, before: cursor });
      // Only now: a crash before the chain has begun must not forget what it is for.
      await table.beginResync(begun, this.#generation ?? generation ?? null);
      this.#generation = null;
    } else this.#chain?.expect(hasBody && cursor !== start ? cursor : null);
  }

  /** Something has come. */
  arrived(batch: RowBatch): void {
    this.#chain?.add(batch);
  }

  /** Everything the origin had is stored: a resync may come to its end. */
  async reached({ proof, records, isLinked }: EndOfPass, sink: AnswerWriter): Promise<void> {
    const { resync } = this.#table.meta;
    if (resync?.phase === "held" && resync.why === "empty" && records > 0) {
      this.request("the origin has rows again");
      this.#askAgain();
      return;
    }
    // An answer that goes on may still prove its end; a run that ends can't wait.
    if (proof === "now" && !this.#options.once) return;
    if (resync?.phase === "parts") {
      await sink.paused(() => this.#endInParts());
      return;
    }
    const chain = this.#chain;
    const isAwaited = resync?.phase === "reading" ||
      (resync?.phase === "held" && resync.why === "unproven" && proof === "whole");
    if (!isAwaited || chain === null || chain.isBroken) return;
    await sink.paused(() => this.#judge(chain, proof === "whole", isLinked));
  }

  async #judge(chain: ResyncChain, isProven: boolean, isShifting: boolean): Promise<void> {
    const table = this.#table;
    if (chain.seen.isLost || this.#first?.seen.isLost) {
      log.warn("{table}: the keys that the origin has could not be kept: nothing is removed", {
        table: table.name,
      });
      return await this.#endInParts();
    }
    const before = table.meta.resync;
    const isSecond = before?.phase === "reading" && before.chain === 2 && this.#first !== null;
    const seen = this.#first === null ? [chain.seen] : [this.#first.seen, chain.seen];
    const { start } = table.meta;
    const evidence: Evidence = { seen, start, greatest: chain.greatest, isShifting, isSecond };
    const missing = await sizeSweep(table, evidence);
    const { records, unreadable, greatest } = chain;
    const limits = guardLimits(this.#options);
    const whole = { missing, isProven, records, unreadable, greatest };
    const mark = nextResync(before, { is: "ended", chain: whole, limits });
    await table.save(resyncSized(table.meta, mark, missing.of));
    if (mark?.phase === "held") {
      // Its end may still be proved.
      if (mark.why !== "unproven") this.#drop();
      this.#forgetFirst();
      log.warn("{table}: the sweep is held: {why}; {hint}", {
        table: table.name,
        why: heldBecause(mark),
        hint: HELD_HINT,
      });
      const text = `a sweep is held: ${heldBecause(mark)} (${mark.reason})`;
      await table.history.add({ kind: "held", text });
      return;
    }
    await this.#remove(chain, evidence, missing.certain);
  }

  /** Carries out a sweep that is allowed. Not beside a write. */
  async #remove(chain: ResyncChain, evidence: Evidence, expected: number): Promise<void> {
    const table = this.#table;
    const file = this.#file;
    using removed = file === null ? null : new RemovedRows(file, table.name, table.clock.now());
    let rows: number;
    try {
      rows = await sweep(table, evidence, {
        observer: this.#journal.observer,
        tombstoneTtlMs: this.#options.tombstoneTtlMs ?? TOMBSTONE_TTL_MS,
        removed,
        rows: expected,
      });
    } catch (error) {
      if (!(error instanceof RowsNotSavedError)) throw error;
      log.warn("{table}: the sweep is held: what it removes can't be kept: {message}", {
        table: table.name,
        message: error.message,
      });
      await this.#enter({ is: "unsaved" });
      await table.history.add({ kind: "held", text: `a sweep is held: ${error.message}` });
      this.#drop();
      this.#forgetFirst();
      return;
    }
    await removed?.prune();
    table.guard.reset(table.meta.rows);
    const { reason = "" } = table.meta.resync ?? {};
    const kept = removed?.path == null ? {} : { file: removed.path };
    const mark = nextResync(table.meta.resync, { is: "removed" });
    if (mark !== null) {
      // Rows above all that came: a second chain decides.
      this.#forgetFirst();
      this.#first = chain;
      this.#chain = null;
      table.seen = null;
      await table.save(resyncMoved(table.meta, mark));
      const text =
        `rows that the origin no longer has were removed; of others a second look decides (${reason})`;
      if (rows > 0) await table.history.add({ kind: "sweep", text, removed: rows, ...kept });
      this.#askAgain();
      return;
    }
    const greatest = maxOrder(chain.greatest, this.#first?.greatest ?? null);
    this.#drop();
    this.#forgetFirst();
    table.index?.resyncEnds(table.meta.cursor);
    await table.save(resyncEnded(table.meta, greatest));
    await table.parts.collect();
    log.info("{table}: resynced; {rows} rows that the origin no longer has were removed", {
      table: table.name,
      rows,
    });
    await table.history.add({
      kind: "resync",
      text: `resynced (${reason})`,
      removed: rows,
      ...kept,
    });
    this.#journal.enter("released");
  }

  async #endInParts(): Promise<void> {
    const table = this.#table;
    const { reason = "" } = table.meta.resync ?? {};
    this.#drop();
    this.#forgetFirst();
    table.index?.resyncEnds(table.meta.cursor);
    this.#wasInParts = true;
    await table.save(resyncEnded(table.meta));
    const text = "compared in parts; rows that the origin no longer has were not looked for";
    log.warn("{table}: {text}", { table: table.name, text });
    await table.history.add({ kind: "resync", text: `${text} (${reason})` });
  }

  async #enter(event: ResyncEvent): Promise<void> {
    const table = this.#table;
    const mark = nextResync(table.meta.resync, event);
    if (mark !== table.meta.resync) await table.save(resyncMoved(table.meta, mark));
  }

  /** The store's file; null for one that has none. */
  get #file(): string | null {
    const { files, path } = this.#table.store;
    return files === null ? null : path;
  }

  #drop(): void {
    this.#chain?.[Symbol.dispose]();
    this.#chain = null;
    this.#table.seen = null;
  }

  #forgetFirst(): void {
    this.#first?.[Symbol.dispose]();
    this.#first = null;
  }
}
