/**
 * What the options mean together: the settings of the main job.
 *
 * @module
 */

import type { LogFormat, LogLevel } from "../../base/log.ts";
import { DEFAULT_STATUS_ADDRESS, isLoopback, parseAddress } from "../../http/address.ts";
import type { ReplicatorOptions, SourceOptions } from "../../replica/options.ts";
import type { MainValues } from "./table.ts";
import { quote } from "../quote.ts";
import type { Source } from "./url_option.ts";
import { table as checkTable } from "./parse_values.ts";
import { UsageError } from "../usage_error.ts";
import type { Settled } from "./resolve_options.ts";

/** The status server's settings. */
export interface StatusSettings {
  /** `HOST:PORT`, `PORT` or `unix:PATH`. */
  readonly address: string;
  /** Somebody chose the address: a port that is taken is an error, not a reason to take another. */
  readonly asked: boolean;
  readonly tokenFile: string | null;
  readonly maxStalenessMs: number | null;
}

/** Consumers that run after changes. */
export interface HookSettings {
  /** A shell command, or null. */
  readonly onChange: string | null;
  readonly check: string | null;
  readonly waitMs: number;
  /** Files by table. */
  readonly write: ReadonlyMap<string, string>;
}

/** The main job's settings. */
export interface Settings {
  readonly tables: readonly string[];
  readonly replicator: ReplicatorOptions;
  /** Null with `--no-status`. */
  readonly status: StatusSettings | null;
  readonly hooks: HookSettings;
  readonly log: { readonly format: LogFormat; readonly level: LogLevel; readonly quiet: boolean };
}

/**
 * Checks the options against each other.
 *
 * @throws {UsageError} naming the options that don't go together
 */
export function settingsOf({ values, origin }: Settled): Settings {
  const sources = sourcesOf(values);
  const tables = sources.map((source) => source.table);
  if ((values.cert === undefined) !== (values.certKey === undefined)) {
    throw new UsageError("--cert and --cert-key go together; give both or neither");
  }
  return {
    tables,
    replicator: replicatorOptions(values, sources),
    status: statusOf(values, origin),
    hooks: {
      onChange: values.onChange ?? null,
      check: values.check ?? null,
      waitMs: values.onChangeWait ?? 1_000,
      write: filesOf(values.write, tables),
    },
    log: {
      format: values.logFormat ?? "text",
      level: values.quiet ? "error" : values.logLevel ?? "info",
      quiet: values.quiet,
    },
  };
}

function replicatorOptions(
  values: MainValues,
  sources: readonly Required<SourceOptions>[],
): ReplicatorOptions {
  if (values.standby && values.once) {
    throw new UsageError(
      "--standby waits and --once ends: they exclude each other; give one of them",
    );
  }
  return {
    sources: [...sources],
    kv: values.kv ?? "./state",
    headers: values.header,
    resync: values.resync,
    adopt: values.adopt,
    once: values.once,
    standby: values.standby,
    feed: values.feed || values.feedPublic,
    feedPublic: values.feedPublic,
    strict: values.strict,
    ...(values.whole ? { whole: true } : {}),
    ...present({
      kvTokenFile: values.kvTokenFile,
      key: values.key,
      orderBy: values.orderBy,
      deletedBy: values.deletedBy,
      records: values.records,
      orderType: values.orderType,
      since: values.since,
      seed: seedOf(values, sources.length),
      overlap: values.overlap,
      attempts: values.attempts,
      pollMs: values.poll,
      idleTimeoutMs: values.idleTimeout,
      connectTimeoutMs: values.connectTimeout,
      headerFile: values.headerFile,
      ca: values.ca,
      cert: values.cert,
      certKey: values.certKey,
      tombstoneTtlMs: values.tombstoneTtl,
      shrinkLimit: values.shrinkLimit,
      growLimit: values.growLimit,
      minRows: values.minRows,
      maxLineLength: values.maxLineLength,
      maxStalenessMs: values.maxStaleness,
      expireMs: values.expire,
      verifyEveryMs: values.verifyEvery,
    }),
  };
}

/** A snapshot is one of a table. */
function seedOf({ seed }: MainValues, tables: number): string | undefined {
  if (seed === undefined || tables === 1 || seed.includes("{table}")) return seed;
  throw new UsageError(
    `--seed ${
      quote(seed)
    } doesn't say which table; put {table} into it: there are ${tables} tables`,
  );
}

/** Every URL with its table, no table twice. */
function sourcesOf({ url, table }: MainValues) {
  if (url.length === 0) {
    throw new UsageError("--url is missing; give the endpoint, such as https://origin/servers");
  }
  if (table !== undefined && url.length > 1) {
    throw new UsageError(
      `--table ${quote(table)} can't name ${url.length} tables; put each name before its URL: ` +
        "--url TABLE=URL",
    );
  }
  const sources = url.map((source) => ({ url: source.url, table: tableOf(source, table) }));
  const names = sources.map((source) => source.table);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new UsageError(
      `--url: two of them make a table called ${quote(twice)}; name one of them: --url TABLE=URL`,
    );
  }
  return sources;
}

function tableOf(source: Source, option: string | undefined): string {
  if (source.table !== null) {
    if (option === undefined || option === source.table) return source.table;
    throw new UsageError(
      `--table ${quote(option)} and --url ${source.table}=… name one table twice; give one of them`,
    );
  }
  if (option !== undefined) return option;
  const url = quote(source.endpoint.printable);
  const table = source.endpoint.defaultTable;
  if (table === null || table === "") {
    throw new UsageError(`--url ${url} gives no name for the table; give one with --table NAME`);
  }
  try {
    checkTable(table);
  } catch (error) {
    throw new UsageError(
      `--url ${url}: ${error instanceof Error ? error.message : error}; give a name with --table`,
    );
  }
  return table;
}

function statusOf(values: MainValues, origin: Settled["origin"]): StatusSettings | null {
  if (values.noStatus && values.status !== undefined) {
    if (origin("status") === origin("noStatus")) {
      throw new UsageError("--status and --no-status exclude each other; give one of them");
    }
    // One is on the command line, which wins over the environment.
    if (origin("noStatus") === "command line") return null;
  } else if (values.noStatus) {
    return null;
  }
  const text = values.status ?? DEFAULT_STATUS_ADDRESS;
  const address = parseAddress(text);
  if (
    address.kind === "tcp" && !isLoopback(address.hostname) && values.statusTokenFile === undefined
  ) {
    throw new UsageError(
      `--status ${quote(text)} can be reached by other machines; ` +
        "give --status-token-file FILE with it, or a loopback address such as 127.0.0.1:4568",
    );
  }
  return {
    address: text,
    asked: values.status !== undefined,
    tokenFile: values.statusTokenFile ?? null,
    maxStalenessMs: values.maxStaleness ?? null,
  };
}

/**
 * `[TABLE=]FILE`: what is before `=` counts as a table only where it is one of ours. A `{table}` in
 * the file makes one for each table.
 */
function filesOf(texts: readonly string[], tables: readonly string[]): Map<string, string> {
  const files = new Map<string, string>();
  for (const text of texts) {
    const named = tables.find((table) => text.startsWith(`${table}=`));
    if (named === undefined && text.includes("{table}")) {
      for (const table of tables) if (!files.has(table)) files.set(table, text);
      continue;
    }
    const table = named ?? (tables.length === 1 ? tables[0] : undefined);
    if (table === undefined) {
      throw new UsageError(
        `--write ${
          quote(text)
        } doesn't say which table; put {table} into it, or give TABLE=FILE with one of ` +
          tables.map((name) => quote(name)).join(", "),
      );
    }
    const file = named === undefined ? text : text.slice(named.length + 1);
    if (file === "") throw new UsageError(`--write ${quote(text)} names no file`);
    if (files.has(table)) {
      throw new UsageError(`--write was given twice for the table ${quote(table)}`);
    }
    files.set(table, file);
  }
  return files;
}

/** The entries that are there: an absent option is left to the library's default. */
function present<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
