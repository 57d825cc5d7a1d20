/**
 * A table's resync, from the wish for one to the sweep at its end.
 *
 * @module
 */

import { logger } from "../base/log.ts";
import type { Answer } from "../origin/connect.ts";
import { LockstepError } from "../protocol/errors.ts";
import type { AnswerWriter } from "../store/write/answer_writer.ts";
import { isSweepAllowed, sizeSweep, sweep } from "../store/write/sweep.ts";
import type { Table } from "../store/table/table.ts";
import { ofGeneration, resyncSized, sweepBegan } from "../store/table/table_state.ts";
import type { StatusRecorder } from "./status_recorder.ts";
import { type ReplicatorOptions, TOMBSTONE_TTL_MS } from "./options.ts";
import type { AnswerStats } from "./answer_stats.ts";

const log = logger("replica");

/** How much is proved by what made an answer count as complete. */
export type Proof = "whole" | "cut-possible" | "quiet";

export class Resync {
  readonly #table: Table;
  readonly #journal: StatusRecorder;
  readonly #options: ReplicatorOptions;
  /** Why a resync is to begin with the next request; null for none. */
  #wanted: string | null;
  /** The held sweep may go ahead. */
  #approved = false;
  /** The generation that the origin told last. */
  #generation: string | null = null;

  constructor(table: Table, journal: StatusRecorder, options: ReplicatorOptions) {
    this.#table = table;
    this.#journal = journal;
    this.#options = options;
    const isUnderWay = table.meta.resync?.phase === "reading";
    this.#wanted = options.resync && !isUnderWay ? "--resync was given" : null;
  }

  get isHeld(): boolean {
    return this.#table.meta.resync?.phase === "held";
  }

  /** Whether a held sweep is to be carried out. */
  get isApproved(): boolean {
    return this.#approved && this.isHeld;
  }

  /** Has a resync begin with the next request. */
  request(reason: string): void {
    this.#wanted = reason;
  }

  /** Lets a held sweep go ahead. Returns false when none is held. */
  approve(): boolean {
    if (!this.isHeld) return false;
    this.#approved = true;
    return true;
  }

  /** Before a request goes out: does what is due. */
  async prepare(): Promise<void> {
    const table = this.#table;
    if (table.meta.resync?.phase === "removing") await this.remove();
    const reason = this.#wanted;
    if (reason !== null) {
      await table.beginResync(reason);
      this.#wanted = null;
      // Only now: a crash before the resync has begun must not forget what it is for.
      const generation = this.#generation ?? table.meta.generation ?? null;
      table.become(ofGeneration(table.meta, generation));
      this.#journal.enter("released");
      this.#journal.enter("behind");
    }
    if (this.isApproved) await this.remove();
    if (table.meta.resync?.phase === "removing") await this.remove();
    const { cursor, unsorted, resync } = table.meta;
    if (cursor === null && unsorted && (resync === null || resync.phase === "reading")) {
      // Rows of the answer that was cut off may have been deleted since, and from 0 the origin
      // doesn't tell; nor does the least order so far, in an answer without order.
      const why = "the first answer was cut off, and the origin sends records out of order";
      await table.beginResync(resync?.reason ?? why);
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
    if (known === null || (meta.cursor === null && meta.floor === null)) {
      this.#table.become(ofGeneration(meta, generation));
      return;
    }
    await body?.cancel().catch(() => {});
    throw new LockstepError(`${url} has begun its data anew`, {
      kind: "gone",
      retry: "resync",
      hint: "nothing to do: everything is compared",
    });
  }

  /** Everything the origin had is stored: a resync may come to its end. */
  async reached(reading: AnswerStats, sink: AnswerWriter, proof: Proof): Promise<void> {
    const { resync } = this.#table.meta;
    // A held one is judged anew when the origin was asked for everything and had something.
    const isMended = resync?.phase === "held" && reading.asked.cursor === null && reading.rows > 0;
    if (resync !== null && (resync.phase === "reading" || isMended) && proof !== "quiet") {
      await sink.paused(() => this.#sweepOrHold(resync.began, reading, proof === "whole"));
    }
  }

  async #sweepOrHold(began: string, reading: AnswerStats, isWhole: boolean): Promise<void> {
    const table = this.#table;
    const { resync } = table.meta;
    if (resync === null) return;
    const size = await sizeSweep(table, began);
    const limit = this.#options.shrinkLimit ?? 0.5;
    const isEmpty = reading.rows === 0 && table.meta.cursor === null;
    const isAllowed = isWhole && isSweepAllowed(size, limit) && !(isEmpty && size.of > 0);
    await table.save(resyncSized(table.meta, size, isAllowed ? "removing" : "held"));
    if (!isAllowed) {
      log.warn(
        "{table}: the sweep is held: the origin's answer would remove {gone} of {of} rows; approve it, or mend the origin and resync",
        { table: table.name, ...size },
      );
      return;
    }
    await this.remove();
  }

  /** Carries out a sweep that is allowed. Not beside a write. */
  async remove(): Promise<void> {
    const table = this.#table;
    const { resync } = table.meta;
    this.#approved = false;
    if (resync === null) return;
    if (resync.phase !== "removing") {
      await table.save(sweepBegan(table.meta));
    }
    const ttl = this.#options.tombstoneTtlMs ?? TOMBSTONE_TTL_MS;
    const removed = await sweep(table, resync.began, this.#journal.observer, ttl);
    log.info("{table}: resynced; {removed} rows that the origin no longer has were removed", {
      table: table.name,
      removed,
    });
    this.#journal.enter("released");
  }
}
