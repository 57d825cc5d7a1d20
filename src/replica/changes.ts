/**
 * A table's changes as an iteration that can be resumed: first what it holds from a cursor on,
 * then what is committed.
 *
 * Nothing is left out between the two: the live changes are gathered from before the table is read.
 * Memory is bounded: a consumer that falls behind by {@linkcode MOST_WAITING} changes reads the
 * table again from where it was.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { Signal } from "../base/signal.ts";
import { compareOrder, type Order, type OrderType, readOrder } from "../protocol/cursor.ts";
import { backlog, type IndexedBacklog } from "../store/change_index/scan_by_order.ts";
import type { Change, CommitEvent } from "../store/read/change.ts";
import type { TableReader } from "../store/read/table_reader.ts";

/** Changes that wait for a slow consumer before the table is read again instead. */
export const MOST_WAITING = 10_000;

/** A change, and where to go on from after it. */
export interface FollowedChange extends Change {
  /**
   * Give it as `since` to go on after this change, also in another process. Changes at the cursor
   * itself come again. Null while the table has no cursor: go on from the beginning.
   */
  readonly cursor: Order | null;
}

/** Where an iteration over changes begins, and what ends it. */
export interface ChangesOptions {
  /**
   * Begin with everything of this order or a later one: the `cursor` of the last change that was
   * dealt with. Default: everything that the table holds, without the deletions before that.
   */
  readonly since?: Order | null;
  /** Ends the iteration when it aborts. */
  readonly signal?: AbortSignal;
}

/** A running replica, as {@linkcode followReplica} sees it. */
export interface FollowedReplica {
  readonly reader: TableReader;
  /** Everything up to here is stored. */
  readonly cursor: Order | null;
  /** How orders compare. */
  readonly orderType: OrderType | null;
  /** The change index, while it is known to hold all that the table holds. */
  readonly index: IndexedBacklog | null;
  /** Aborts when no more changes will come. */
  readonly ended: AbortSignal;
  subscribe(listener: (event: CommitEvent) => void): () => void;
  /** Resolves when what was on its way before is stored, or has failed. */
  settled(): Promise<void>;
}

/** The lesser of two cursors; null is the beginning. */
function least(a: Order | null, b: Order | null): Order | null {
  if (a === null || b === null) return null;
  return compareOrder(a, b) <= 0 ? a : b;
}

/** Live changes on their way to one consumer. */
class Waiting {
  #events: CommitEvent[] = [];
  #count = 0;
  readonly #arrived = new Signal();
  /** Events were dropped, the least order among them being `missed`. */
  lapsed = false;
  missed: Order | null = null;

  push(event: CommitEvent): void {
    this.#arrived.notify();
    if (this.lapsed || this.#count + event.changes.length > MOST_WAITING) {
      for (const { order } of event.changes) {
        this.missed = this.missed === null ? order : least(this.missed, order);
      }
      this.lapsed = true;
      return;
    }
    this.#events.push(event);
    this.#count += event.changes.length;
  }

  take(): CommitEvent | null {
    const event = this.#events.shift() ?? null;
    this.#count -= event?.changes.length ?? 0;
    return event;
  }

  /** Resolves when there may be something new. */
  async wait(stop: AbortSignal): Promise<void> {
    const wake = () => this.#arrived.notify();
    stop.addEventListener("abort", wake, { once: true });
    await this.#arrived.until(() => this.#events.length > 0 || this.lapsed || stop.aborted);
    stop.removeEventListener("abort", wake);
  }

  /** From here on nothing is missing. */
  restart(): void {
    this.#events = [];
    this.#count = 0;
    this.lapsed = false;
    this.missed = null;
  }
}

/** The changes of one commit, each with where to go on from: never beyond one still to come. */
function withCursors(event: CommitEvent, since: Order | null): FollowedChange[] {
  const followed: FollowedChange[] = [];
  let cursor = event.cursor;
  for (const change of event.changes.toReversed()) {
    followed.push({ ...change, cursor: cursor ?? since });
    cursor = least(cursor, change.order);
  }
  return followed.reverse();
}

/** Changes of a replica in this process, as they commit. */
export async function* followReplica(
  replica: FollowedReplica,
  options: ChangesOptions = {},
): AsyncGenerator<FollowedChange, void, undefined> {
  const { reader, ended } = replica;
  const given = options.since ?? null;
  const since = given === null ? null : readOrder(given, replica.orderType) ?? given;
  const stop = options.signal === undefined ? ended : AbortSignal.any([ended, options.signal]);
  const waiting = new Waiting();
  const unsubscribe = replica.subscribe((event) => waiting.push(event));
  try {
    let from = since;
    let deletions = since !== null;
    // Of what was sent before anybody listened nobody is told.
    await replica.settled();
    while (!stop.aborted) {
      waiting.restart();
      // Up to here the table is complete; beyond, rows may be missing that come later.
      const settled = replica.cursor;
      const { index } = replica;
      const found = backlog(reader, { since: from, deletions, index, signal: stop });
      for await (const { change, order } of found) {
        from = least(settled, order);
        yield { ...change, cursor: from ?? since };
        if (stop.aborted) return;
      }
      for (let event = waiting.take(); !waiting.lapsed || event !== null; event = waiting.take()) {
        if (options.signal?.aborted) return;
        if (event !== null) {
          for (const change of withCursors(event, since)) {
            from = change.cursor;
            yield change;
            if (options.signal?.aborted) return;
          }
        } else if (stop.aborted) return;
        else await waiting.wait(stop);
      }
      from = least(from, waiting.missed);
      deletions = true;
    }
  } catch (error) {
    // The store was closed under a reader.
    if (!stop.aborted) throw error;
  } finally {
    unsubscribe();
  }
}

/** A table that another process writes, as {@linkcode followTable} sees it. */
export interface FollowedTable {
  readonly reader: TableReader;
  readonly clock: Clock;
  /** Aborts when the store is closed. */
  readonly ended: AbortSignal;
}

/** The pause between two looks is this many times as long as a look took. */
const REST = 10;

/** Changes of a table that another process writes, by looking at it now and then. */
export async function* followTable(
  { reader, clock, ended }: FollowedTable,
  { signal, pollMs = 1_000, ...options }: ChangesOptions & { readonly pollMs?: number } = {},
): AsyncGenerator<FollowedChange, void, undefined> {
  const since = options.since ?? null;
  const stop = signal === undefined ? ended : AbortSignal.any([ended, signal]);
  let seen: string | undefined;
  let seenChanges = -1;
  try {
    while (!stop.aborted) {
      // Before the rows are read: what is committed meanwhile is newer, and comes again.
      const version = await reader.version();
      const meta = await reader.meta();
      const began = performance.now();
      let took = 0;
      if (version !== null && meta !== null && meta.changes !== seenChanges) {
        const isFirst = seen === undefined;
        const found = backlog(reader, {
          since: isFirst ? since : null,
          after: seen,
          deletions: !isFirst || since !== null,
          signal: stop,
        });
        for await (const { change, order } of found) {
          // What the consumer takes for them doesn't count.
          took ||= performance.now() - began;
          yield { ...change, cursor: least(meta.cursor, order) ?? since };
          if (stop.aborted) return;
        }
        took ||= performance.now() - began;
        seen = version;
        seenChanges = meta.changes;
      }
      const pause = Math.max(pollMs, REST * took);
      await clock.sleep(pause, stop).catch(() => {});
    }
  } catch (error) {
    if (!stop.aborted) throw error;
  }
}
