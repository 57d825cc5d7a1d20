/**
 * Another store: Deno's own `node:sqlite`, a table of JSON text, 1000 records a transaction.
 *
 * ```sh
 * deno run -A deno_sqlite.ts URL SINCE FILE
 * ```
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";

const [url = "", since = "0", file = ""] = Deno.args;
const BATCH = 1000;

const database = new DatabaseSync(file);
database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
database.exec(
  "CREATE TABLE IF NOT EXISTS servers (id INTEGER PRIMARY KEY, updated_at INTEGER, body TEXT)",
);
database.exec("CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY, value INTEGER)");
const upsert = database.prepare("INSERT OR REPLACE INTO servers VALUES (?, ?, ?)");
const remember = database.prepare("INSERT OR REPLACE INTO cursor VALUES (1, ?)");

const response = await fetch(`${url}/${since}`);
let count = 0;
let cursor = 0;
let rest = "";

function commit(): void {
  remember.run(cursor);
  database.exec("COMMIT");
  count = 0;
}

for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
  const lines = (rest + text).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) {
    if (line === "") continue;
    const record = JSON.parse(line);
    if (count === 0) database.exec("BEGIN");
    upsert.run(record.id, record.updated_at, line);
    cursor = record.updated_at;
    if (++count === BATCH) commit();
  }
}
if (count > 0) commit();
database.close();
