/**
 * Another runtime and another store: Node with better-sqlite3, a table of JSON text, 1000 records
 * a transaction.
 *
 * ```sh
 * node better_sqlite3.mjs URL SINCE FILE FOLDER-OF-NODE_MODULES
 * ```
 */

import { createRequire } from "node:module";
import process from "node:process";

const [url, since, file, folder] = process.argv.slice(2);
const Database = createRequire(`${folder}/package.json`)("better-sqlite3");
const BATCH = 1000;

const database = new Database(file);
database.pragma("journal_mode = WAL");
database.pragma("synchronous = FULL");
database.exec(
  "CREATE TABLE IF NOT EXISTS servers (id INTEGER PRIMARY KEY, updated_at INTEGER, body TEXT)",
);
database.exec("CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY, value INTEGER)");
const upsert = database.prepare("INSERT OR REPLACE INTO servers VALUES (?, ?, ?)");
const remember = database.prepare("INSERT OR REPLACE INTO cursor VALUES (1, ?)");
const store = database.transaction((batch) => {
  for (const { id, updatedAt, line } of batch) upsert.run(id, updatedAt, line);
  remember.run(batch.at(-1).updatedAt);
});

const response = await fetch(`${url}/${since}`);
let batch = [];
let rest = "";
for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop();
  for (const line of lines) {
    if (line === "") continue;
    const record = JSON.parse(line);
    batch.push({ id: record.id, updatedAt: record.updated_at, line });
    if (batch.length === BATCH) {
      store(batch);
      batch = [];
    }
  }
}
if (batch.length > 0) store(batch);
database.close();
