/**
 * A table as a SQLite database that is kept up to date in place: it costs what the change costs, and
 * any language reads it while it is written.
 *
 * | column | |
 * | --- | --- |
 * | `lockstep_key` | the key as a JSON array: the primary key |
 * | each key field, the order | as it is; booleans, and integers beyond 64 bits, as text |
 * | `record` | the record as JSON, exact |
 *
 * The table is called like the replica's. `lockstep_state` holds the cursor and the table's count of
 * changes, written in the same transaction as the rows: a file that is behind is known to be, and
 * then all rows are compared and the differences written.
 *
 * @module
 */

import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { dirname } from "node:path";
import { followOwnLinks } from "../../base/owned_path.ts";
import { stringifyJson } from "../../protocol/json_text.ts";
import { type JsonObject, type JsonValue, type Key, valueAt } from "../../protocol/record.ts";
import { Slices } from "../../stream/slices.ts";
import type { StoredRow, TableReader } from "../../store/read/table_reader.ts";

/** "lkst": the mark of a database that is ours. */
const APPLICATION_ID = 0x6c6b7374;

/** Permissions of a new file before the umask, as any other program would make it. */
const NEW_MODE = 0o666;

/** A file of so many bytes at most is looked at whole when it is opened. */
const CHECKED_BYTES = 32 * 1024 * 1024;

/** Keys whose rows are looked up at a time. */
const LOOKUP_KEYS = 100;

/** Numbers that SQLite's integers hold. */
const LEAST_INTEGER = -(2n ** 63n);
const GREATEST_INTEGER = 2n ** 63n - 1n;

/** Which columns the table has. */
export interface SqliteShape {
  readonly table: string;
  readonly key: readonly string[];
  readonly orderBy: string;
}

/** What is written in one transaction. */
export interface SqliteUpdate {
  /** Keys that changed; null for all rows there are. */
  readonly keys: readonly Key[] | null;
  /** The table's cursor and its count of changes: what is written holds at least that. */
  readonly cursor: string | null;
  readonly changes: number;
}

/** A database that this process keeps up to date. */
export class SqliteFile implements Disposable {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #identity: Deno.FileInfo;
  readonly #table: string;
  readonly #fields: readonly string[];
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #text: StatementSync;

  private constructor(database: DatabaseSync, path: string, shape: SqliteShape) {
    this.#database = database;
    this.#path = path;
    this.#identity = Deno.statSync(path);
    this.#table = quoted(shape.table);
    this.#fields = [...new Set([...shape.key, shape.orderBy])];
    const columns = columnsOf(this.#fields);
    createTables(database, this.#table, columns);
    const names = ["lockstep_key", ...columns, "record"].map(quoted);
    const update = names.slice(1).map((name) => `${name}=excluded.${name}`).join(",");
    this.#put = database.prepare(
      `INSERT INTO ${this.#table} (${names.join(",")}) VALUES (${
        names.map(() => "?").join(",")
      }) ` +
        `ON CONFLICT(lockstep_key) DO UPDATE SET ${update}`,
    );
    this.#remove = database.prepare(`DELETE FROM ${this.#table} WHERE lockstep_key = ?`);
    this.#text = database.prepare(`SELECT record FROM ${this.#table} WHERE lockstep_key = ?`);
  }

  /**
   * Opens the file, or makes it.
   *
   * @throws {Error} where it is no database, another program's, damaged, or a single file that was
   *   bound into a container
   */
  static async open(path: string, shape: SqliteShape): Promise<SqliteFile> {
    const real = Deno.build.os === "windows" ? path : await followOwnLinks(path);
    await makeReady(real);
    const database = new DatabaseSync(real);
    try {
      refuseForeign(database, real);
      return new SqliteFile(database, real, shape);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** The table's count of changes that the file holds; null where that isn't known. */
  changes(): number | null {
    const row = this.#database.prepare("SELECT changes FROM lockstep_state").get();
    return typeof row?.["changes"] === "number" ? row["changes"] : null;
  }

  /** Whether the file is still where it was opened: somebody may have removed or replaced it. */
  isInPlace(): boolean {
    try {
      const { dev, ino } = Deno.statSync(this.#path);
      return dev === this.#identity.dev && ino === this.#identity.ino;
    } catch {
      return false;
    }
  }

  /** Writes rows as they are in the store now, and the cursor with them: all of it, or nothing. */
  async write(
    reader: Pick<TableReader, "getMany" | "list">,
    { keys, cursor, changes }: SqliteUpdate,
    signal: AbortSignal,
  ): Promise<void> {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      if (keys === null) await this.#compareAll(reader, signal);
      else await this.#writeKeys(reader, keys, signal);
      this.#database.prepare("UPDATE lockstep_state SET cursor = ?, changes = ?")
        .run(cursor, changes);
      signal.throwIfAborted();
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  async #writeKeys(
    reader: Pick<TableReader, "getMany">,
    keys: readonly Key[],
    signal: AbortSignal,
  ): Promise<void> {
    for (let at = 0; at < keys.length; at += LOOKUP_KEYS) {
      const some = keys.slice(at, at + LOOKUP_KEYS);
      const rows = await reader.getMany(some);
      signal.throwIfAborted();
      for (const [i, key] of some.entries()) {
        const row = rows[i] ?? null;
        if (row === null) this.#remove.run(keyText(key));
        else this.#putRow(row);
      }
    }
  }

  /** Writes the rows that differ, and removes those that the store hasn't got. */
  async #compareAll(reader: Pick<TableReader, "list">, signal: AbortSignal): Promise<void> {
    const database = this.#database;
    database.exec("DROP TABLE IF EXISTS temp.seen");
    database.exec("CREATE TEMP TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID");
    const see = database.prepare("INSERT INTO temp.seen VALUES (?)");
    const slices = new Slices();
    for await (const row of reader.list()) {
      signal.throwIfAborted();
      const key = keyText(row.key);
      see.run(key);
      if (this.#text.get(key)?.["record"] !== stringifyJson(row.value)) this.#putRow(row);
      await slices.pause();
    }
    database.exec(
      `DELETE FROM ${this.#table} WHERE lockstep_key NOT IN (SELECT key FROM temp.seen)`,
    );
    database.exec("DROP TABLE temp.seen");
  }

  #putRow({ key, value }: StoredRow): void {
    const fields = this.#fields.map((field) => sqlValue(valueAt(value, field)));
    this.#put.run(keyText(key), ...fields, stringifyJson(value));
  }
}

function keyText(key: Key): string {
  return stringifyJson([...key]);
}

/** A field's value as a column holds it. */
function sqlValue(value: JsonValue | undefined): SQLInputValue {
  if (value === undefined || value === null) return null;
  if (typeof value === "string") return value;
  if (typeof value === "bigint") {
    return value >= LEAST_INTEGER && value <= GREATEST_INTEGER ? value : String(value);
  }
  // As a number it would be bound as a floating-point one.
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  return stringifyJson(value as JsonObject);
}

/** A name for each field that SQLite tells from the others: it takes `ID` for `id`. */
function columnsOf(fields: readonly string[]): string[] {
  const taken = new Set(["lockstep_key", "record"]);
  return fields.map((field) => {
    const base = field === "" ? "field" : field;
    let name = base;
    for (let n = 2; taken.has(name.toLowerCase()); n++) name = `${base}_${n}`;
    taken.add(name.toLowerCase());
    return name;
  });
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""').replaceAll("\0", "")}"`;
}

/** Makes the file where there is none, and sees to it that SQLite can write beside it. */
async function makeReady(path: string): Promise<void> {
  try {
    (await Deno.open(path, { createNew: true, write: true, mode: NEW_MODE })).close();
    return;
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  // A file that is a file system of its own has no neighbours: its log would be lost.
  const link = `${path}.lockstep-tmp`;
  await Deno.remove(link).catch(() => {});
  try {
    await Deno.link(path, link);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EXDEV") {
      throw new Error("it is a single file bound into a container: bind its folder");
    }
  } finally {
    await Deno.remove(link).catch(() => {});
  }
  const [own, folder] = await Promise.all([Deno.stat(path), Deno.stat(dirname(path))]);
  if (own.dev !== folder.dev) {
    throw new Error("it is a single file bound into a container: bind its folder");
  }
}

function refuseForeign(database: DatabaseSync, path: string): void {
  const number = (pragma: string) => Number(Object.values(database.prepare(pragma).get() ?? {})[0]);
  const isEmpty = number("SELECT count(*) FROM sqlite_schema") === 0;
  const id = number("PRAGMA application_id");
  if (!isEmpty && id !== APPLICATION_ID) {
    throw new Error("it is a database of another program: name another file");
  }
  if (Deno.statSync(path).size <= CHECKED_BYTES) {
    const check = Object.values(database.prepare("PRAGMA quick_check(1)").get() ?? {})[0];
    if (check !== "ok") throw new Error(`it is damaged (${check}): remove it`);
  }
  database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=2000");
  if (isEmpty) database.exec(`PRAGMA application_id=${APPLICATION_ID}`);
}

function createTables(database: DatabaseSync, table: string, columns: readonly string[]): void {
  const fields = columns.map((name) => `${quoted(name)}, `).join("");
  database.exec("BEGIN IMMEDIATE");
  const wanted = ["lockstep_key", ...columns, "record"];
  const there = database.prepare(`PRAGMA table_info(${table})`).all().map(({ name }) => name);
  // Other key fields, or another order: another table.
  if (there.join("\0") !== wanted.join("\0")) {
    database.exec(`DROP TABLE IF EXISTS ${table}; DROP TABLE IF EXISTS lockstep_state`);
  }
  database.exec(
    `CREATE TABLE IF NOT EXISTS ${table} ` +
      `(lockstep_key TEXT PRIMARY KEY NOT NULL, ${fields}record TEXT NOT NULL)`,
  );
  database.exec("CREATE TABLE IF NOT EXISTS lockstep_state (cursor TEXT, changes INTEGER)");
  database.exec(
    "INSERT INTO lockstep_state SELECT NULL, NULL WHERE NOT EXISTS (SELECT 1 FROM lockstep_state)",
  );
  database.exec("COMMIT");
}
