/**
 * A window's rows on their way into atomic operations, cut by true sizes.
 *
 * @module
 */

import type { Order } from "../../protocol/cursor.ts";
import { stringifyJson } from "../../protocol/json_text.ts";
import {
  deletionMark,
  type JsonObject,
  recordOf,
  type Row,
  valueAt,
} from "../../protocol/record.ts";
import type { Reject } from "../../stream/row_reader.ts";
import type { Change, CommitEvent } from "../read/change.ts";
import { EntryBuffer } from "../change_index/entry_buffer.ts";
import type { ChangePlan } from "../change_index/flush_plan.ts";
import { quarantineKey, rowKey, tombstoneKey } from "../kv/keys.ts";
import { largeBytes, writeParts } from "../kv/large_rows.ts";
import { keyBytes, MAX_VALUE_BYTES, serializedBound } from "../kv/limits.ts";
import type { QuarantineEntry, Tombstone } from "../kv/stored_values.ts";
import type { Operation } from "../kv/operation.ts";
import type { Decision, Outcome } from "../read/last_writer_wins.ts";
import { QUARANTINE_ENTRY_BYTES, QUARANTINE_KEPT } from "../table/quarantine.ts";
import type { Table } from "../table/table.ts";
import { changed, quarantinedOne } from "../table/table_state.ts";

/** Serialised size of a tombstone's own fields. */
const TOMBSTONE_BYTES = 256;

/** Serialised size of a large record's tombstone mark at most, which its tombstone keeps twice. */
const MAX_MARK_BYTES = 16_384;

/** Serialised size of a large row's directory. */
const DIRECTORY_BYTES = 256;

/** The listener to a window's commits. */
export interface WindowCommitObserver {
  /** Records have met a fate that is durable. */
  counted(outcome: Outcome, records: number): void;
  /** Rows were committed. The cursor moves on when the promise resolves. */
  committed(event: CommitEvent): void | Promise<void>;
  /**
   * True while anybody wants events; asked when an operation is sent: a listener that comes later
   * waits until it is durable, and reads the stored rows.
   */
  wantsEvents(): boolean;
  /** True where {@linkcode committed} must have returned before the cursor may move. */
  readonly awaitsEvents: boolean;
}

/** The last operation of a window. */
interface WindowEnd {
  /** Its part of the change index. */
  readonly plan: ChangePlan | null;
  /** Called when all of the window is durable. */
  readonly durable: () => void;
}

function changeOf({ key, order, deletedAt, value }: Row): Change {
  return { kind: deletedAt === null ? "put" : "delete", key, order, value };
}

export class WindowCommit {
  readonly #table: Table;
  readonly #observer: WindowCommitObserver;
  readonly #ttlMs: number;
  /** True where each operation writes the cursor's entry; else only the one that closes the window. */
  readonly #isSigned: boolean;
  readonly #rowPrefixBytes: number;
  readonly #tombstonePrefixBytes: number;
  #operation: Operation;
  /** Outcomes of the rows since the operation before. */
  #outcomes = new Map<Outcome, number>();
  /** Rows that the operation changes. */
  #notified: Row[] = [];
  #rows = 0;
  #changed = 0;
  /** Entries for the change index. */
  #entries = new EntryBuffer();

  /** @param isInOrder whether readers are to see the rows in the order in which they are added */
  constructor(
    table: Table,
    observer: WindowCommitObserver,
    tombstoneTtlMs: number,
    isInOrder = false,
  ) {
    this.#table = table;
    this.#isSigned = isInOrder || table.committer.isOrdered;
    this.#observer = observer;
    this.#ttlMs = tombstoneTtlMs;
    this.#operation = table.operation();
    table.begin();
    this.#rowPrefixBytes = keyBytes(rowKey(table.name, []));
    this.#tombstonePrefixBytes = keyBytes(tombstoneKey(table.name, []));
  }

  /** Keeps what can't be stored, and drops the oldest of what is kept. */
  async quarantine(reject: Reject): Promise<void> {
    const table = this.#table;
    const number = table.meta.quarantined + 1;
    const entry: QuarantineEntry = {
      number,
      text: reject.text,
      reason: reject.detail ?? reject.reason,
      time: table.clock.now(),
      cursor: table.meta.cursor,
    };
    if (!this.#operation.fits(2, QUARANTINE_ENTRY_BYTES, 256)) await this.#send(table.meta.cursor);
    table.become(quarantinedOne(table.meta));
    this.#operation.set(quarantineKey(table.name, number), entry, QUARANTINE_ENTRY_BYTES);
    const oldest = number - QUARANTINE_KEPT;
    if (oldest > 0) this.#operation.delete(quarantineKey(table.name, oldest));
  }

  /** Adds a row; returns a promise only where something has to be sent first. */
  add(row: Row, decision: Decision): Promise<void> | undefined {
    this.#outcomes.set(decision.outcome, (this.#outcomes.get(decision.outcome) ?? 0) + 1);
    // A deletion that gets its entry only now is remembered from now on, as the index will say.
    const isRenewed = row.deletedAt !== null && decision.outcome === "identical" &&
      this.#table.index?.wants(row, decision);
    if (decision.write || isRenewed) {
      if (row.deletedAt !== null) return this.#addTombstone(row, decision);
      const bound = serializedBound(row.length, row.value);
      if (bound > MAX_VALUE_BYTES || !this.#fitsRow(row, bound)) return this.#put(row, decision);
      this.#operation.set(rowKey(this.#table.name, row.key), row.value, bound);
    }
    this.#note(row, decision);
    return undefined;
  }

  /**
   * Sends the rest.
   *
   * @param cursor where the cursor may stand once all of it is durable
   * @param durable called then
   */
  async end(cursor: Order | null, durable: () => void): Promise<void> {
    const plan = await this.#enter();
    const { committer, meta } = this.#table;
    const isEmpty = plan === null && this.#operation.empty && this.#notified.length === 0;
    if (isEmpty && this.#isSigned) {
      await committer.idle();
      this.#count(this.#outcomes);
      durable();
    } else if (!this.#isSigned) {
      // The closing operation is sent when all before it is durable.
      await this.#send(cursor, { plan, durable });
    } else if (committer.isIdle && !this.#observer.awaitsEvents) {
      // Alone on its way, an operation carries the cursor that covers it; otherwise the next does.
      await this.#send(cursor, { plan, durable });
      await committer.idle();
    } else {
      await this.#send(meta.cursor, { plan, durable });
    }
    this.#table.unnotified.ended();
  }

  #count(outcomes: ReadonlyMap<Outcome, number>): void {
    for (const [outcome, records] of outcomes) this.#observer.counted(outcome, records);
  }

  #fitsRow(row: Row, bound: number): boolean {
    const bytes = this.#rowPrefixBytes + keyBytes(row.key);
    return this.#operation.fits(1, 2 * bytes + bound, bytes);
  }

  async #put(row: Row, decision: Decision): Promise<void> {
    const table = this.#table;
    const bytes = largeBytes(row.value, row.length);
    let value: unknown = row.value;
    let bound = Math.min(serializedBound(row.length, row.value), MAX_VALUE_BYTES);
    if (bytes !== null) {
      table.parts.written();
      value = await writeParts(table, row.key, bytes);
      bound = DIRECTORY_BYTES;
    }
    if (!this.#fitsRow(row, bound)) await this.#send(table.meta.cursor);
    this.#operation.set(rowKey(table.name, row.key), value, bound);
    this.#note(row, decision);
  }

  #addTombstone(row: Row, decision: Decision): Promise<void> | undefined {
    const { name, shape, clock } = this.#table;
    let value: JsonObject = row.value;
    let { deletedAt } = row;
    let bound = serializedBound(row.length, row.value);
    if (bound > MAX_VALUE_BYTES - TOMBSTONE_BYTES) {
      // A tombstone has to fit one value: of a large record it keeps what names it.
      let mark = valueAt(row.value, shape.deletedBy) ?? null;
      // A mark that is as large itself only says that the record is deleted.
      if (serializedBound(stringifyJson(row.deletedAt).length) > MAX_MARK_BYTES) {
        mark = deletionMark(shape, valueAt(row.value, shape.orderBy) ?? row.order);
        deletedAt = mark;
      }
      value = recordOf([
        ...[...shape.key, shape.orderBy].map((place) =>
          [place, valueAt(row.value, place) ?? null] as const
        ),
        [shape.deletedBy, mark],
      ]);
      bound = MAX_VALUE_BYTES - TOMBSTONE_BYTES;
    }
    const { order, key } = row;
    const expiresAt = clock.now() + this.#ttlMs;
    const tombstone: Tombstone = { order, deletedAt, value, expiresAt };
    const length = keyBytes(key);
    const setKey = this.#tombstonePrefixBytes + length;
    const add = () => {
      this.#operation.delete(rowKey(name, key));
      this.#operation.set(tombstoneKey(name, key), tombstone, bound + TOMBSTONE_BYTES, this.#ttlMs);
      this.#table.index?.noteTombstone(order, expiresAt);
      this.#note(row, decision);
    };
    const bytes = this.#rowPrefixBytes + length + 2 * setKey + bound + TOMBSTONE_BYTES;
    if (this.#operation.fits(2, bytes, setKey)) return void add();
    return this.#send(this.#table.meta.cursor).then(add);
  }

  /**
   * Adds the rows' entries to the change index: in one operation with the rows where that is one.
   * Returns what the last operation has to add.
   */
  async #enter(): Promise<ChangePlan | null> {
    const plan = this.#table.index?.plan(this.#entries, this.#ttlMs) ?? null;
    this.#entries = new EntryBuffer();
    if (plan === null) return null;
    let isSent = false;
    let hasPages = false;
    const send = async () => {
      isSent ||= hasPages;
      await this.#send(this.#table.meta.cursor);
    };
    for (const { key, value, bytes } of plan.pages) {
      const length = keyBytes(key);
      if (!this.#operation.fits(1, 2 * length + bytes, length)) await send();
      this.#operation.set(key, value, bytes);
      hasPages = true;
    }
    if (!this.#operation.fits(plan.mutations, plan.bytes, plan.keyBytes)) await send();
    // The index's state must not name pages whose own operation has failed.
    if (isSent || plan.mustWait) await this.#table.committer.idle();
    return plan;
  }

  #note(row: Row, decision: Decision): void {
    const { index, meta } = this.#table;
    if (index?.wants(row, decision)) {
      this.#entries.add(row.order, row.key);
      if (!decision.write && !decision.changed) index.noteUnannounced();
      // One that is only notified again is what followers have.
      const isNews = decision.changed && decision.outcome !== "identical";
      if (isNews && meta.resync?.phase !== "removing") index.noteRetold(row.order);
    }
    this.#rows += decision.rows;
    if (decision.changed && decision.write) this.#changed++;
    if (decision.changed) this.#notified.push(row);
  }

  /** @param end the last operation of the window does besides */
  async #send(cursor: Order | null, end: WindowEnd | null = null): Promise<void> {
    const table = this.#table;
    const operation = this.#operation;
    // Rows that nobody wants to be notified of are not held until they are durable.
    const notified = this.#observer.wantsEvents() ? this.#notified : [];
    const outcomes = this.#outcomes;
    table.become(changed(table.meta, this.#rows, this.#changed));
    const { changes: changedRows } = table.meta;
    this.#rows = 0;
    this.#changed = 0;
    this.#operation = table.operation();
    this.#outcomes = new Map();
    this.#notified = [];
    // Nothing may come between the two: whatever else carries the state would take the index's along.
    end?.plan?.finish(operation);
    const isSigned = this.#isSigned || end !== null;
    if (isSigned) table.addState(operation, cursor);
    await table.committer.submit(operation, async () => {
      if (isSigned) table.onDurable(cursor, changedRows);
      this.#count(outcomes);
      if (notified.length > 0) {
        const changes = notified.map(changeOf);
        await this.#observer.committed({ table: table.name, changes, cursor });
      }
      end?.durable();
    });
  }
}
