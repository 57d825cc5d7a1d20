/**
 * What a process shows that waits for the tables of another one (`--standby`): the shared store's
 * rows, and that it only waits.
 *
 * @module
 */

import process from "node:process";
import type { Clock } from "../base/clock.ts";
import { VERSION } from "../base/version.ts";
import { formatOrder, orderTime } from "../protocol/cursor.ts";
import type { Store } from "../store/kv/open_store.ts";
import type { TableMeta } from "../store/kv/stored_values.ts";
import { TableReader } from "../store/read/table_reader.ts";
import { type Holder, holderOf } from "../store/table/lease.ts";
import type { ProcessStatus, TableStatus } from "./status.ts";

/** Between two looks at the store, for its state: in a file, and where each look is paid for. */
const LOOK_MS = 1_000;
const LOOK_REMOTE_MS = 5_000;

/** What the store said last of a table. */
interface Seen {
  readonly meta: TableMeta | null;
  readonly holder: Holder | null;
}

/** One table of the shared store. */
export class StandbyTable {
  readonly table: string;
  readonly reader: TableReader;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #since: string;
  #seen: Seen = { meta: null, holder: null };

  constructor(store: Store, table: string, clock: Clock) {
    this.table = table;
    this.#store = store;
    this.#clock = clock;
    this.#since = new Date(clock.now()).toISOString();
    this.reader = new TableReader(store.reader, table);
  }

  /** Reads what the store says. */
  async look(): Promise<void> {
    this.#seen = {
      meta: await this.reader.meta(),
      holder: await holderOf(this.#store.reader, this.table),
    };
  }

  /** As a status page shows it. */
  status(): TableStatus {
    const { meta, holder } = this.#seen;
    const cursor = meta?.cursor ?? null;
    const lastContact = meta?.lastContact ?? null;
    const who = holder === null
      ? "nobody"
      : `process ${holder.pid} on ${holder.host} since ${holder.since}`;
    return {
      table: this.table,
      url: meta?.origin.url ?? "",
      state: "standby",
      since: this.#since,
      live: false,
      reason: `written by ${who}`,
      hint: "nothing to do: this process takes over when that one ends, hangs or is cut off",
      rows: meta?.rows ?? 0,
      rowsExact: meta?.exact ?? false,
      cursor: cursor === null ? null : meta?.cursorText ?? formatOrder(cursor),
      cursorTime: cursor === null ? null : orderTime(cursor)?.toISOString() ?? null,
      orderType: meta?.order?.type ?? null,
      head: null,
      progress: null,
      lastContact: lastContact === null ? null : new Date(lastContact).toISOString(),
      ageSeconds: lastContact === null ? null : (this.#clock.now() - lastContact) / 1000,
      everComplete: meta?.everComplete ?? false,
      storing: false,
      expiresInSeconds: null,
      lagSeconds: null,
      recordsPerSecond: 0,
      records: {
        inserted: 0,
        updated: 0,
        deleted: 0,
        stale: 0,
        identical: 0,
        written: 0,
        quarantined: 0,
      },
      bytes: 0,
      commits: 0,
      commitSeconds: { buckets: [], sum: 0, count: 0 },
      connections: 0,
      reconnects: {},
      errors: [],
      nextAttempt: null,
      quarantined: meta?.quarantined ?? 0,
      quarantinedBy: {},
      warnings: [],
      sweep: null,
      hold: null,
      history: [],
      hooks: [],
    };
  }

  /** Nothing is sampled while it waits. */
  samples(): readonly [] {
    return [];
  }

  /** A request to the holder is left in the store by the command of that name. */
  requestResync(): void {}

  /** Only the holder can. */
  approveSweep(): boolean {
    return false;
  }

  /** Only the holder can. */
  hold(): void {}

  /** Only the holder can. */
  release(): void {}

  /** Commits of another process are told by nobody. */
  subscribe(): () => void {
    return () => {};
  }
}

/** The tables of a process that waits. */
export class Standby implements AsyncDisposable {
  readonly tables: ReadonlyMap<string, StandbyTable>;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #startedAt: string;
  readonly #began: number;
  readonly #over = new AbortController();
  readonly #looking: Promise<void>;

  /** @param store open for reading; it is closed in the end */
  constructor(store: Store, tables: readonly string[], clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.tables = new Map(tables.map((name) => [name, new StandbyTable(store, name, clock)]));
    this.#startedAt = new Date(clock.now()).toISOString();
    this.#began = clock.monotonic();
    this.#looking = this.#run();
  }

  async #run(): Promise<void> {
    const lookMs = this.#store.kind === "remote" ? LOOK_REMOTE_MS : LOOK_MS;
    while (!this.#over.signal.aborted) {
      for (const table of this.tables.values()) {
        await table.look().catch(() => {
          // The store can't be read at the moment: what was seen last stays on show, with its age.
        });
      }
      await this.#clock.sleep(lookMs, this.#over.signal).catch(() => {});
    }
  }

  /** Whether it goes on looking: what a watchdog wants to know. */
  isTurning(): boolean {
    return true;
  }

  /** A snapshot of the process. */
  status(): ProcessStatus {
    return {
      program: "lockstep-replicate",
      version: VERSION,
      pid: process.pid,
      host: Deno.hostname(),
      startedAt: this.#startedAt,
      uptimeSeconds: (this.#clock.monotonic() - this.#began) / 1000,
      memoryBytes: Deno.memoryUsage().rss,
      store: { path: this.#store.path, bytes: this.#store.size() },
      tables: [...this.tables.values()].map((table) => table.status()),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#looking;
    this.#store.close();
  }
}
