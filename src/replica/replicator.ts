/**
 * Several tables in one store, each with a loop of its own.
 *
 * @module
 */

import process from "node:process";
import { Backoff } from "../base/backoff.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { logger } from "../base/log.ts";
import { VERSION } from "../base/version.ts";
import { Endpoint } from "../origin/endpoint.ts";
import { refuseTracedSecret } from "../origin/traced.ts";
import { LockstepError, messageOf } from "../protocol/errors.ts";
import { DEFAULT_SHAPE, deletionOf, type RecordShape } from "../protocol/record.ts";
import { SYSTEM } from "../store/kv/keys.ts";
import { isRemote } from "../store/kv/remote_store.ts";
import { openStore, type Store } from "../store/kv/open_store.ts";
import type { ReplicaConfig } from "./config.ts";
import { hooksOf } from "./hooks/hook_options.ts";
import type { ReplicatorOptions, SourceOptions } from "./options.ts";
import { Replica } from "./replica.ts";
import type { ProcessStatus } from "./status.ts";

const log = logger("replica");

function usage(message: string, hint: string): LockstepError {
  return new LockstepError(message, { kind: "usage", retry: "never", hint });
}

/** The tables that were asked for. */
function sourcesOf({ url, table, sources }: ReplicatorOptions): readonly SourceOptions[] {
  if (url === undefined) {
    if (table === undefined) return sources ?? [];
    throw usage("a table is named without its URL", "give url, or a table for each source");
  }
  if (sources !== undefined) {
    throw usage("both url and sources are given", "give url for one table, sources for several");
  }
  return [table === undefined ? { url } : { url, table }];
}

function configure(
  source: SourceOptions,
  options: ReplicatorOptions,
  clock: Clock,
): Omit<ReplicaConfig, "hooks"> {
  const endpoint = new Endpoint(source.url, options.whole);
  refuseTracedSecret(endpoint);
  const name = source.table ?? endpoint.defaultTable;
  if (name === null || name === "") {
    throw usage(`${endpoint.printable} names no table`, "name one: --table NAME");
  }
  if (name === SYSTEM || name === "." || name === "..") {
    throw usage(`a table can't be called ${name}`, "name another: --table NAME");
  }
  const shape: RecordShape = {
    key: options.key ?? DEFAULT_SHAPE.key,
    orderBy: options.orderBy ?? DEFAULT_SHAPE.orderBy,
    ...deletionOf(options.deletedBy ?? DEFAULT_SHAPE.deletedBy),
  };
  const { since: text, orderType: type } = options;
  const since = text === undefined || text === "0" ? null : text;
  const orderType = type === undefined || type === "auto" ? null : type;
  return { name, endpoint, shape, since, orderType, options, clock };
}

/** Whether a table's failure ends the others, too: only what `strict` asks for does. */
function endsAll(error: unknown): boolean {
  return error instanceof LockstepError && error.kind === "bad-record";
}

/** The running copies of one or more tables. */
export class Replicator implements AsyncDisposable {
  /** The tables by their names. */
  readonly tables: ReadonlyMap<string, Replica>;
  /**
   * Resolves when every table has ended; rejects then where one has ended by a failure that can't
   * be retried, with the first such failure. One table's failure doesn't end the others (but for
   * `strict`): its status is `failing` from then on, with the reason.
   */
  readonly done: Promise<void>;
  readonly #store: Store;
  readonly #stop: AbortController;
  readonly #clock: Clock;
  readonly #startedAt: string;
  /** Monotonic milliseconds. */
  readonly #began: number;

  /** Use {@linkcode replicate}. */
  constructor(replicas: readonly Replica[], store: Store, stop: AbortController, clock: Clock) {
    this.tables = new Map(replicas.map((replica) => [replica.table, replica]));
    this.#store = store;
    this.#stop = stop;
    this.#clock = clock;
    this.#startedAt = new Date(clock.now()).toISOString();
    this.#began = clock.monotonic();
    this.done = this.#run(replicas);
    // Whoever doesn't wait for it learns of a failure by the status.
    this.done.catch(() => {});
  }

  async #run(replicas: readonly Replica[]): Promise<void> {
    const failures: unknown[] = [];
    const running = new Set(replicas);
    try {
      await Promise.all(replicas.map(async (replica) => {
        try {
          await replica.run(this.#stop.signal);
        } catch (error) {
          failures.push(error);
          if (endsAll(error)) this.#stop.abort();
          // Of the last one's failure whoever waits for the end is told.
          else if (running.size > 1) logEnd(replica.table, error);
        } finally {
          running.delete(replica);
        }
      }));
    } finally {
      this.#store.close();
    }
    if (failures.length > 0) throw failures[0];
  }

  /**
   * A table by its name; without one, the only table.
   *
   * @throws {LockstepError} where there is none of that name, or several and no name
   */
  table(name?: string): Replica {
    const names = [...this.tables.keys()];
    const wanted = name ?? (names.length === 1 ? names[0] : undefined);
    const replica = wanted === undefined ? undefined : this.tables.get(wanted);
    if (replica !== undefined) return replica;
    throw usage(
      wanted === undefined ? "which table is meant?" : `there is no table ${wanted}`,
      `name one of ${names.join(", ")}`,
    );
  }

  /** The store's file; `:memory:` for none. */
  get path(): string {
    return this.#store.path;
  }

  /** Whether every table's loop goes round: what a watchdog wants to know. */
  isTurning(): boolean {
    return [...this.tables.values()].every((replica) => replica.isTurning());
  }

  /** A snapshot of the process and its tables. */
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
      tables: [...this.tables.values()].map((replica) => replica.status()),
    };
  }

  /** Finishes the commits under way and ends. Safe to call twice. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.done.catch(() => {});
  }

  /** Same as {@linkcode Replicator.stop}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

function logEnd(table: string, error: unknown): void {
  log.error("{table}: given up, while the other tables go on: {error}; {hint}", {
    table,
    error: messageOf(error),
    hint: error instanceof LockstepError ? error.hint : "see the log",
  });
}

/** Opens the store; a remote one that can't be reached is tried again, like an origin. */
async function openReachable(options: ReplicatorOptions, clock: Clock): Promise<Store> {
  const { kv, kvTokenFile: tokenFile, signal } = options;
  const backoff = new Backoff(clock);
  for (;;) {
    try {
      return await openStore(kv, { tokenFile });
    } catch (error) {
      const isPassing = isRemote(kv) && error instanceof LockstepError && error.retry !== "never";
      if (!isPassing || options.once || signal?.aborted) throw error;
      const waitMs = backoff.failed(error);
      log.warn("{message}; {hint}", { message: error.message, hint: error.hint });
      await clock.sleep(waitMs, signal);
    }
  }
}

/**
 * Starts to replicate. Returns once the store is open and every table is ours.
 *
 * It goes on until it is stopped: by {@linkcode Replicator.stop}, by the end of an `await using`
 * block, or by `options.signal`. Failures that may pass are retried for ever; they show in the
 * status. {@linkcode Replicator.done} tells of the end.
 *
 * Needs the permissions to read and write the store, to reach the origin (`--allow-net`), and to
 * know the host's name (`--allow-sys=hostname`; with `statfs` it also knows a file system of several hosts); with `onChange`, `--allow-run=/bin/sh`. Deno KV wants
 * `--unstable-kv`.
 *
 * @throws {LockstepError} for wrong options, a table that another process writes, a store that
 * belongs to another origin, or one that can't be opened
 *
 * @example
 * ```ts
 * import { replicate } from "lockstep-replicate";
 *
 * // Any endpoint that speaks the protocol.
 * const origin = Deno.serve(
 *   { port: 0, onListen: () => {} },
 *   () => Response.json({ id: 123, updated_at: 999, deleted_at: null, ip: "192.0.2.1" }),
 * );
 *
 * await using replicator = await replicate({
 *   url: `http://127.0.0.1:${origin.addr.port}/servers/`,
 *   kv: ":memory:", // a file keeps the copy
 *   once: true, // stop when up to date
 * });
 * const servers = replicator.table("servers");
 * for await (const { key, value } of servers.changes()) {
 *   console.assert(key[0] === 123 && value.ip === "192.0.2.1");
 *   break;
 * }
 * await replicator.done;
 * await origin.shutdown();
 * ```
 */
export async function replicate(options: ReplicatorOptions): Promise<Replicator> {
  const clock = options.clock ?? systemClock;
  const bare = sourcesOf(options).map((source) => configure(source, options, clock));
  const hooks = hooksOf(
    options,
    bare.map(({ name }) => name),
    bare.map(({ endpoint }) => endpoint),
  );
  const configs = bare.map((config) => ({ ...config, hooks: hooks(config.name) }));
  const names = new Set(configs.map(({ name }) => name));
  if (configs.length === 0) throw usage("no URL is given", "give one: --url URL");
  if (names.size < configs.length) {
    throw usage("two URLs name the same table", "name the tables: --url TABLE=URL");
  }
  const store = await openReachable(options, clock);
  const replicas: Replica[] = [];
  const stop = new AbortController();
  try {
    for (const config of configs) replicas.push(await Replica.open(config, store));
  } catch (error) {
    stop.abort();
    await Promise.all(replicas.map((replica) => replica.run(stop.signal)));
    store.close();
    throw error;
  }
  options.signal?.addEventListener("abort", () => stop.abort(), { once: true });
  if (options.signal?.aborted) stop.abort();
  return new Replicator(replicas, store, stop, clock);
}
