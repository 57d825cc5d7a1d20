/**
 * A table whose origin answers with all of it (`--whole`): what a complete answer lacks is removed,
 * by the rules of a sweep.
 *
 * @module
 */

import { logger } from "../base/log.ts";
import type { AnswerWriter } from "../store/write/answer_writer.ts";
import { RemovedRows } from "../store/write/removed_rows.ts";
import { type Evidence, RowsNotSavedError, sizeSweep, sweep } from "../store/write/sweep.ts";
import { WholeRows } from "../store/write/whole_rows.ts";
import type { Table } from "../store/table/table.ts";
import { guardLimits, type ReplicatorOptions, TOMBSTONE_TTL_MS } from "./options.ts";
import type { PassEnd } from "./pass.ts";
import type { Resync } from "./resync.ts";
import { holdReason } from "./resync_state.ts";
import type { StatusRecorder } from "./status_recorder.ts";

const log = logger("replica");

export class WholeTable implements Disposable {
  readonly #table: Table;
  readonly #resync: Resync;
  readonly #options: ReplicatorOptions;
  readonly #journal: StatusRecorder;
  #rows: WholeRows | null = null;
  /** Rows that came twice were told of. */
  #hasToldRepeats = false;

  constructor(
    table: Table,
    resync: Resync,
    journal: StatusRecorder,
    options: ReplicatorOptions,
  ) {
    this.#table = table;
    this.#journal = journal;
    this.#resync = resync;
    this.#options = options;
    table.orders.told("number");
  }

  /** The rows of the answer under way. */
  get rows(): WholeRows {
    return this.#rows ?? this.begin(false);
  }

  /** The rows of an answer, or of the page that follows another of the same answer. */
  begin(isNextPage: boolean): WholeRows {
    if (isNextPage && this.#rows !== null) return this.#rows;
    this[Symbol.dispose]();
    this.#rows = new WholeRows(this.#table, this.#file);
    return this.#rows;
  }

  /**
   * An answer has come to its end, and all of it is stored: what it lacks is removed, unless that is
   * for a resync to decide, which asks once more and is held where it has to be.
   */
  async ended(end: PassEnd, sink: AnswerWriter): Promise<void> {
    const rows = this.#rows;
    const table = this.#table;
    if (rows === null || !end.complete) return;
    this.#tellRepeats(rows);
    const { exact, rows: stored } = table.meta;
    if (rows.seen.isLost || (exact && rows.keys === stored)) return;
    const evidence: Evidence = {
      seen: [rows.seen],
      start: null,
      greatest: null,
      isShifting: false,
      isSecond: true,
    };
    await sink.paused(async () => {
      const missing = await sizeSweep(table, evidence);
      if (missing.certain === 0) return;
      const { records, unreadable, proof, isLinked } = end;
      const chain = {
        missing,
        isProven: proof === "whole",
        records,
        unreadable,
        greatest: null,
      };
      const why = holdReason(chain, guardLimits(this.#options), null);
      const reason = `the answer lacks ${missing.certain} of ${missing.of} rows`;
      // Asked once more, as a resync, which says what it waits for.
      if (why !== null || isLinked || !await this.#remove(evidence, missing.certain, reason)) {
        this.#resync.request(reason);
      }
    });
  }

  /** The store beside which files may be made; null for none. */
  get #file(): string | null {
    const { files, path } = this.#table.store;
    return files === null ? null : path;
  }

  /** Removes what an answer lacks. Not beside a write. Returns false where that can't be kept. */
  async #remove(evidence: Evidence, missing: number, reason: string): Promise<boolean> {
    const table = this.#table;
    const file = this.#file;
    using removed = file === null ? null : new RemovedRows(file, table.name, table.clock.now());
    let rows: number;
    try {
      rows = await sweep(table, evidence, {
        observer: this.#journal.observer,
        tombstoneTtlMs: this.#options.tombstoneTtlMs ?? TOMBSTONE_TTL_MS,
        removed,
        rows: missing,
      });
    } catch (error) {
      if (error instanceof RowsNotSavedError) return false;
      throw error;
    }
    await removed?.prune();
    table.guard.reset(table.meta.rows);
    const kept = removed?.path == null ? {} : { file: removed.path };
    await table.history.add({ kind: "sweep", text: reason, removed: rows, ...kept });
    return true;
  }

  [Symbol.dispose](): void {
    this.#rows?.[Symbol.dispose]();
    this.#rows = null;
  }

  #tellRepeats({ repeats }: WholeRows): void {
    if (repeats === 0 || this.#hasToldRepeats) return;
    this.#hasToldRepeats = true;
    log.warn("{table}: the answer holds {repeats} keys more than once: the last of each counts", {
      table: this.#table.name,
      repeats,
    });
  }
}
