/**
 * The file of `--write`: written whole, or a database that is kept up to date.
 *
 * A file that is written whole costs what the table costs, however little has changed: so it is
 * written again only after a pause in which that cost is no more than a twentieth of a core.
 *
 * @module
 */

import process from "node:process";
import type { Clock } from "../../base/clock.ts";
import { messageOf } from "../../protocol/errors.ts";
import type { TableReader } from "../../store/read/table_reader.ts";
import { ChangedKeys } from "./on_change.ts";
import type { SqliteFile, SqliteShape } from "./sqlite_file.ts";
import { isSqliteFile } from "./sqlite_name.ts";
import { isThere, removeLeftover, writeTable } from "./write_file.ts";

/** Pause after a write, in times of the processor time that it took: 1 of 20 is 5 % of a core. */
const PAUSE_TIMES = 19;

/** The longest pause. */
const LONGEST_PAUSE_MS = 600_000;

/** What a file is written from. */
export interface FileSource {
  readonly reader: TableReader;
  readonly clock: Clock;
  /** The table's name, its key fields and order. */
  readonly shape: SqliteShape;
  /** Whether rows may have been stored, before this process, that the count of changes leaves out. */
  readonly isUncounted: boolean;
  /** The table's cursor, and its count of changes. */
  readonly position: () => { cursor: string | null; changes: number };
  /** Looks at a candidate; throws what is wrong with it. */
  readonly check: (candidate: string, signal: AbortSignal) => Promise<void>;
}

/** One table's file. */
export class WrittenFile {
  readonly path: string;
  readonly #source: FileSource;
  /** For a database: what has changed since it was written. */
  readonly #changed: ChangedKeys | null;
  #database: SqliteFile | null = null;
  /** No write before, by the stopwatch. */
  #notBefore = -Infinity;

  constructor(path: string, source: FileSource) {
    this.path = path;
    this.#source = source;
    this.#changed = isSqliteFile(path) ? new ChangedKeys() : null;
    this.#changed?.addAll();
  }

  /** The keys of changes that it is to be told of; null where it needs none. */
  get changed(): ChangedKeys | null {
    return this.#changed;
  }

  /** How long the next write has to wait, in milliseconds. */
  get pauseMs(): number {
    return Math.max(0, this.#notBefore - this.#source.clock.monotonic());
  }

  /** Whether the file is there, whatever is in it. What a killed write left is removed. */
  async isThere(): Promise<boolean> {
    if (this.#changed === null) await removeLeftover(this.path);
    return await isThere(this.path);
  }

  /** Writes the table as it is. */
  async write(signal: AbortSignal): Promise<void> {
    if (this.#changed === null) await this.#writeWhole(signal);
    else await this.#update(this.#changed, signal);
  }

  /** Closes a database. */
  close(): void {
    this.#database?.[Symbol.dispose]();
    this.#database = null;
  }

  async #writeWhole(signal: AbortSignal): Promise<void> {
    const { reader, clock, check } = this.#source;
    const before = process.cpuUsage();
    await writeTable(reader, this.path, signal, (candidate) => check(candidate, signal));
    const { user, system } = process.cpuUsage(before);
    const pauseMs = Math.min(LONGEST_PAUSE_MS, PAUSE_TIMES * (user + system) / 1000);
    this.#notBefore = clock.monotonic() + pauseMs;
  }

  async #update(changed: ChangedKeys, signal: AbortSignal): Promise<void> {
    const taken = changed.take();
    try {
      if (this.#database !== null && !this.#database.isInPlace()) this.close();
      const isNew = this.#database === null;
      const database = this.#database ??= await openDatabase(this.path, this.#source.shape);
      // What is read from now on is no older than this.
      const position = this.#source.position();
      const isBehind = isNew &&
        (this.#source.isUncounted || database.changes() !== position.changes);
      if (isNew && !isBehind) return;
      const keys = isBehind ? null : taken.keys;
      await database.write(this.#source.reader, { keys, ...position }, signal);
    } catch (error) {
      changed.restore(taken);
      this.close();
      signal.throwIfAborted();
      throw new Error(`${this.path} could not be written: ${messageOf(error)}`, { cause: error });
    }
  }
}

/** SQLite is loaded for those who want it. */
async function openDatabase(path: string, shape: SqliteShape): Promise<SqliteFile> {
  const { SqliteFile } = await import("./sqlite_file.ts");
  return await SqliteFile.open(path, shape);
}
