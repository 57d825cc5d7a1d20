/**
 * A process to report on, made by hand: statuses that a test sets, over records in a real store.
 */

import type { HttpHost, RecordChange, TableCommit, TableHost } from "../../src/http/host.ts";
import type { ProcessStatus, Sample, TableStatus } from "../../src/replica/status.ts";
import { cursorKey, rowKey, tombstoneKey } from "../../src/store/kv/keys.ts";
import type { TableMeta, Tombstone } from "../../src/store/kv/stored_values.ts";
import { TableReader } from "../../src/store/read/table_reader.ts";
import type { Order } from "../../src/protocol/cursor.ts";
import type { JsonObject, Key } from "../../src/protocol/record.ts";

/** A live table with nothing wrong. */
export function tableStatus(table: string, change: Partial<TableStatus> = {}): TableStatus {
  const now = Date.now();
  return {
    table,
    url: `https://origin.example/${encodeURIComponent(table)}`,
    state: "live",
    since: new Date(now - 7_500_000).toISOString(),
    live: true,
    reason: null,
    hint: null,
    rows: 1_234_567,
    rowsExact: true,
    cursor: "1795386360",
    cursorTime: new Date(now - 4000).toISOString(),
    orderType: null,
    head: null,
    progress: null,
    lastContact: new Date(now - 2000).toISOString(),
    ageSeconds: 2,
    everComplete: true,
    storing: true,
    expiresInSeconds: null,
    lagSeconds: 0.42,
    recordsPerSecond: 118,
    records: {
      inserted: 5210,
      updated: 88_123,
      deleted: 310,
      stale: 4,
      identical: 1210,
      written: 1_230_000,
      quarantined: 0,
    },
    bytes: 172_300_111,
    commits: 41_250,
    commitSeconds: {
      buckets: [[0.001, 300], [0.005, 40_000], [0.05, 41_200], [Infinity, 41_250]],
      sum: 91.5,
      count: 41_250,
    },
    connections: 3,
    reconnects: { "idle-timeout": 1, "connect": 1 },
    errors: [],
    nextAttempt: null,
    quarantined: 0,
    quarantinedBy: {},
    warnings: [],
    sweep: null,
    hold: null,
    history: [],
    hooks: [],
    ...change,
  };
}

/** Plausible samples of the last quarter of an hour, the same each time. */
export function samplesUntil(now: number, peak = 220): Sample[] {
  const samples: Sample[] = [];
  for (let i = 0; i < 180; i++) {
    const wave = Math.sin(i / 17) + Math.sin(i / 5.3) * 0.4 + Math.sin(i * 12.9898) * 0.25;
    samples.push({
      time: now - (180 - i) * 5000,
      recordsPerSecond: Math.max(0, peak * (0.6 + wave * 0.25)),
      commitMs: 2 + wave * 0.4,
      commitMsP99: 5 + Math.abs(Math.sin(i * 3.3)) * (i % 23 === 0 ? 30 : 4),
    });
  }
  return samples;
}

export class StandInTable implements TableHost {
  readonly table: string;
  readonly reader: TableReader;
  current: TableStatus;
  points: Sample[] = [];
  resyncs: string[] = [];
  approvals = 0;
  index: RecordChange[] | null = null;
  #kv: Deno.Kv;
  #listeners = new Set<(commit: TableCommit) => void>();

  constructor(kv: Deno.Kv, table: string, change: Partial<TableStatus> = {}) {
    this.#kv = kv;
    this.table = table;
    this.reader = new TableReader(kv, table);
    this.current = tableStatus(table, change);
  }

  get listeners(): number {
    return this.#listeners.size;
  }
  status(): TableStatus {
    return this.current;
  }
  set(change: Partial<TableStatus>): void {
    this.current = { ...this.current, ...change };
  }
  samples(): readonly Sample[] {
    return this.points;
  }
  requestResync(reason: string): void {
    this.resyncs.push(reason);
  }
  approveSweep(): boolean {
    if (this.current.sweep?.state !== "held") return false;
    this.approvals++;
    this.set({ sweep: null, state: "live" });
    return true;
  }
  /** Whether it was asked to hold, or to release, last. */
  holding: boolean | null = null;
  hold(): void {
    this.holding = true;
  }
  release(): void {
    this.holding = false;
  }
  subscribe(listener: (commit: TableCommit) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  changesSince(since: Order): Promise<AsyncIterable<RecordChange> | null> {
    const found = this.index?.filter((change) => change.order >= since) ?? null;
    if (found === null) return Promise.resolve(null);
    return Promise.resolve((async function* () {
      yield* found;
    })());
  }

  /** Stores records and tells the listeners, as a commit does. */
  async put(...records: { key: Key; value: JsonObject; order: Order }[]): Promise<void> {
    const atomic = this.#kv.atomic();
    for (const { key, value } of records) atomic.set(rowKey(this.table, key), value);
    await atomic.commit();
    await this.setCursor(records.at(-1)?.order ?? null);
    this.tell(records.map((record) => ({ kind: "put", ...record })));
  }

  async delete(key: Key, tombstone: Tombstone): Promise<void> {
    await this.#kv.atomic().delete(rowKey(this.table, key))
      .set(tombstoneKey(this.table, key), tombstone).commit();
    await this.setCursor(tombstone.order);
    this.tell([{ kind: "delete", key, order: tombstone.order, value: tombstone.value }]);
  }

  tell(changes: RecordChange[]): void {
    const commit = { table: this.table, changes, cursor: changes.at(-1)?.order ?? null };
    for (const listener of [...this.#listeners]) listener(commit);
  }

  async setCursor(cursor: Order | null, key: readonly string[] = ["id"]): Promise<void> {
    const meta: TableMeta = {
      cursor,
      high: cursor,
      origin: { url: this.current.url, key, orderBy: "updated_at" },
      rows: this.current.rows,
      exact: true,
      quarantined: this.current.quarantined,
      lastContact: Date.now(),
      start: null,
      floor: null,
      unsorted: false,
      changes: 0,
      resync: null,
    };
    await this.#kv.set(cursorKey(this.table), meta);
  }
}

export class StandIn implements HttpHost, AsyncDisposable {
  readonly tables = new Map<string, StandInTable>();
  readonly kv: Deno.Kv;
  #folder: string;
  #startedAt = Date.now() - 90_000_000;
  change: Partial<ProcessStatus> = {};

  private constructor(kv: Deno.Kv, folder: string) {
    this.kv = kv;
    this.#folder = folder;
  }

  static async open(...tables: string[]): Promise<StandIn> {
    const folder = await Deno.makeTempDir();
    const host = new StandIn(await Deno.openKv(`${folder}/replica.kv`), folder);
    for (const table of tables) host.tables.set(table, new StandInTable(host.kv, table));
    return host;
  }

  table(name: string): StandInTable {
    const table = this.tables.get(name);
    if (table === undefined) throw new Error(`no table ${name}`);
    return table;
  }

  status(): ProcessStatus {
    return {
      program: "lockstep-replicate",
      version: "0.1.0",
      pid: 4711,
      host: "db-7",
      startedAt: new Date(this.#startedAt).toISOString(),
      uptimeSeconds: (Date.now() - this.#startedAt) / 1000,
      memoryBytes: 128_450_560,
      store: { path: "/var/lib/lockstep-replicate/replica.kv", bytes: 241_664_000 },
      tables: [...this.tables.values()].map((table) => table.status()),
      ...this.change,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kv.close();
    await Deno.remove(this.#folder, { recursive: true });
  }
}
