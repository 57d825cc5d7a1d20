/**
 * A table's changes as server-sent events, as they commit.
 *
 * ```text
 * event: put | delete      data: {"kind":…,"key":[…],"order":…,"value":{…}}
 * event: cursor            the first event: where the stream begins; data: {"cursor":…}
 * event: gap               a resume that can't tell deletions; data: {"since":…,"note":…}
 * id: CURSOR;RUN.NUMBER    on the last event of each commit
 * ```
 *
 * A client comes back with `Last-Event-ID` (browsers do by themselves) or `?since=CURSOR`:
 *
 * 1. The latest commits are kept for a minute after the last client left, up to 4 MiB: a client
 *    that was away for a moment gets exactly what it missed.
 * 2. Where a change index is kept (`--feed`), it is read from the cursor: what the client has at
 *    the cursor itself may come again.
 * 3. Else the table is searched for rows at or after the cursor. Rows that were removed leave no
 *    trace there, so an event `gap` comes first: a client that mirrors the table reads
 *    `/tables/TABLE/records` again; one that only acts on new records goes on.
 *
 * A change may come twice, never not at all. Commits are encoded once for all clients.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import {
  compareOrder,
  formatOrder,
  type Order,
  parseOrder,
  plainType,
} from "../protocol/cursor.ts";
import { stringifyJson } from "../protocol/json_text.ts";
import { orderOf } from "../protocol/record.ts";
import { Semaphore } from "../base/semaphore.ts";
import type { BoundedStream } from "../stream/bounded_stream.ts";
import { headerText, parseHeaderText } from "./headers.ts";
import type { RecordChange, TableCommit, TableHost } from "./host.ts";
import { encodeEvent, type EventStreams, HEARTBEAT, HEARTBEAT_MS, QUEUE_BYTES } from "./sse.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Commits kept for clients that come back. */
const KEPT_BYTES = 4 * 1024 * 1024;
const KEPT_MS = 60_000;

/** One client. `waiting` holds the commits that happen while it is still being brought up to date. */
interface Listener {
  /** Null only while it is being made. */
  stream: BoundedStream | null;
  waiting: Bytes[] | null;
  waitingBytes: number;
}

/**
 * Whole tables are searched by two clients at a time: after a restart of this process all of them
 * come back at once.
 */
const searches = new Semaphore(2);

/** Where a client says it is: a place in this run's kept commits, or only a cursor. */
interface Place {
  readonly cursor: string | null;
  readonly run: string | null;
  readonly number: number;
}

/** Reads an event's id, or the text of `?since=`; null where it is neither. */
export function parsePlace(text: string): Place | null {
  const match = /^(.*?)(?:;([0-9a-z]+)\.(\d+))?$/s.exec(text);
  const cursor = parseHeaderText(match?.[1] ?? "");
  if (cursor === null) return null;
  return {
    cursor: cursor === "" ? null : cursor,
    run: match?.[2] ?? null,
    number: Number(match?.[3]),
  };
}

export class TableChanges {
  #host: TableHost;
  #streams: EventStreams;
  #clock: Clock;
  #listeners = new Set<Listener>();
  #unsubscribe: (() => void) | null = null;
  #stop = new AbortController();
  /** Names this stretch of uninterrupted listening: numbers of another one mean nothing. */
  #run = "";
  #number = 0;
  #kept: Bytes[] = [];
  #keptBytes = 0;

  constructor(host: TableHost, streams: EventStreams, clock: Clock) {
    this.#host = host;
    this.#streams = streams;
    this.#clock = clock;
  }

  /**
   * A stream from `place` on, or from now on; null where there are too many streams already.
   *
   * @throws {LockstepError} of kind `usage` where the place is no cursor of this table
   */
  async open(place: Place | null): Promise<BoundedStream | null> {
    // Listening comes first: a commit between the look at the cursor and the first push waits.
    const listener: Listener = { stream: null, waiting: [], waitingBytes: 0 };
    const stream = this.#streams.add(() => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#linger();
    });
    if (stream === null) return null;
    listener.stream = stream;
    this.#listen();
    this.#listeners.add(listener);
    const number = this.#number;
    const missed = place === null ? [] : this.#keptAfter(place);
    try {
      const meta = await this.#host.reader.meta();
      const cursor = meta?.cursor ?? null;
      if (place === null) {
        const data = stringifyJson({ cursor });
        stream.push(encodeEvent({ event: "cursor", id: this.#id(cursor, number), data }));
      }
      const since = place?.cursor == null ? null : parseOrder(
        place.cursor,
        meta?.order?.type ?? (cursor === null ? null : plainType(cursor)),
      );
      void this.#bringUp(listener, stream, missed ?? this.#backlog(stream, since))
        .catch(() => stream.close());
    } catch (error) {
      stream.close();
      throw error;
    }
    return stream;
  }

  /** Stops listening at once. */
  close(): void {
    this.#stop.abort();
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    this.#kept = [];
    this.#keptBytes = 0;
  }

  #id(cursor: Order | null, number: number): string {
    const text = cursor === null ? "" : headerText(formatOrder(cursor)).replaceAll(";", "%3B");
    return `${text};${this.#run}.${number}`;
  }

  #listen(): void {
    if (this.#unsubscribe !== null) {
      // Somebody came back while the latest commits were still kept.
      if (this.#listeners.size === 0) this.#restart();
      return;
    }
    this.#run = crypto.randomUUID().slice(0, 8);
    this.#number = 0;
    this.#unsubscribe = this.#host.subscribe((commit) => this.#committed(commit));
    this.#restart();
  }

  #restart(): void {
    this.#stop.abort();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    void (async () => {
      while (true) {
        await this.#clock.sleep(HEARTBEAT_MS, signal);
        for (const { stream } of [...this.#listeners]) stream?.push(HEARTBEAT);
      }
    })().catch(() => {});
  }

  #linger(): void {
    if (this.#unsubscribe === null) return;
    this.#stop.abort();
    this.#stop = new AbortController();
    this.#clock.sleep(KEPT_MS, this.#stop.signal).then(() => this.close(), () => {});
  }

  #committed(commit: TableCommit): void {
    if (commit.changes.length === 0) return;
    const bytes = encodeChanges(commit.changes, this.#id(commit.cursor, ++this.#number));
    this.#kept.push(bytes);
    this.#keptBytes += bytes.length;
    while (this.#keptBytes > KEPT_BYTES) this.#keptBytes -= this.#kept.shift()?.length ?? 0;
    for (const listener of [...this.#listeners]) {
      if (listener.waiting === null) {
        listener.stream?.push(bytes);
      } else {
        listener.waiting.push(bytes);
        listener.waitingBytes += bytes.length;
        // More than it may leave unread: it would not keep up either.
        if (listener.waitingBytes > QUEUE_BYTES) listener.stream?.close();
      }
    }
  }

  /** Sends what a client has missed, then what waited meanwhile; from then on it is live. */
  async #bringUp(
    listener: Listener,
    stream: BoundedStream,
    missed: Iterable<Bytes> | AsyncIterable<Bytes>,
  ): Promise<void> {
    for await (const bytes of missed) {
      if (!(await stream.send(bytes, QUEUE_BYTES / 2))) return;
    }
    const waiting = listener.waiting ?? [];
    for (let bytes = waiting.shift(); bytes !== undefined; bytes = waiting.shift()) {
      listener.waitingBytes -= bytes.length;
      if (!(await stream.send(bytes, QUEUE_BYTES / 2))) return;
    }
    listener.waiting = null;
  }

  /** The kept commits after a place; null where they don't reach back to it. */
  #keptAfter({ run, number }: Place): Bytes[] | null {
    const first = this.#number - this.#kept.length;
    if (run !== this.#run || number < first || number > this.#number) return null;
    // Commits after this moment go to the listener's own queue.
    return this.#kept.slice(number - first);
  }

  async *#backlog(stream: BoundedStream, since: Order | null): AsyncGenerator<Bytes> {
    if (since !== null) {
      const indexed = await this.#host.changesSince?.(since) ?? null;
      if (indexed !== null) {
        for await (const change of indexed) {
          yield encodeChanges([change], this.#id(change.order, this.#number).replace(/;.*$/, ""));
        }
        return;
      }
    }
    const note = "deletions since then can't be told; rows that changed since then follow";
    yield encodeEvent({ event: "gap", data: stringifyJson({ since, note }) });
    const release = await searches.enter();
    try {
      yield* this.#search(stream, since);
    } finally {
      release();
    }
  }

  /** Rows at or after an order, in key order; without ids, since none says how far the client is. */
  async *#search(stream: BoundedStream, since: Order | null): AsyncGenerator<Bytes> {
    const meta = await this.#host.reader.meta();
    if (meta === null) return;
    const field = { orderBy: meta.origin.orderBy, orderType: meta.order?.type ?? null };
    for await (const { key, value } of this.#host.reader.list()) {
      if (!stream.open) return;
      const order = orderOf(value, field);
      if (order === undefined) continue;
      if (since !== null && compareOrder(order, since) < 0) continue;
      yield encodeChanges([{ kind: "put", key, order, value }]);
    }
  }
}

/** The events of one commit; the id is on the last one, when all of the commit has come. */
function encodeChanges(changes: readonly RecordChange[], id?: string): Bytes {
  const events = changes.map(({ kind, key, order, value }, i) =>
    encodeEvent({
      event: kind,
      ...(id !== undefined && i === changes.length - 1 ? { id } : {}),
      data: stringifyJson({ kind, key: [...key], order, value }),
    })
  );
  const all = new Uint8Array(events.reduce((sum, event) => sum + event.length, 0));
  let at = 0;
  for (const event of events) {
    all.set(event, at);
    at += event.length;
  }
  return all;
}
