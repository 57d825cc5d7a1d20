/**
 * The origins of docs/origins.md, run as they stand there.
 *
 * @module
 */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { startReplica } from "../support/replicas.ts";
import { TempFolder } from "../support/temp_store.ts";
import { findTool, testUnless, testWith } from "../support/tools.ts";
import { waitFor } from "../support/wait_for.ts";

const DOCS = await Deno.readTextFile(new URL("../../docs/origins.md", import.meta.url));

/** The code block of a language that begins with a text. */
function block(language: string, beginning: string): string {
  for (
    const [, text = ""] of DOCS.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "gm"))
  ) {
    if (text.startsWith(beginning)) return text;
  }
  throw new Error(`docs/origins.md has no ${language} block that begins with ${beginning}`);
}

/** A port that nobody listens on. */
function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return listener.addr.port;
}

/** How a test changes an origin's table. */
interface Table {
  put(id: number, ip: string): void | Promise<void>;
  remove(id: number): void | Promise<void>;
}

/** Copies a running origin: first fill, a change, a deletion. */
async function copy(port: number, table: Table): Promise<void> {
  const url = `http://127.0.0.1:${port}/servers?since={since}`;
  await waitFor(
    () =>
      fetch(url.replace("{since}", "0")).then(
        (answer) => answer.text().then(() => true),
        () => false,
      ),
    "the origin answers",
    20_000,
  );
  for (let id = 1; id <= 5; id++) await table.put(id, `192.0.2.${id}`);
  await using replica = await startReplica(url, { kv: ":memory:", pollMs: 50 });
  await replica.until(({ live, rows }) => live && rows === 5, "five rows");
  await table.put(2, "198.51.100.2");
  await table.remove(4);
  await replica.until(({ live, rows }) => live && rows === 4, "a deletion");
  await waitFor(
    async () => (await replica.replica.reader.get(2))?.value.ip === "198.51.100.2",
    "a change",
  );
  assert.equal(await replica.replica.reader.get(4), null);
  assert.equal(replica.status.quarantined, 0);
}

/** Runs a program with a port in its environment, in a folder with its file. */
async function run(
  file: string,
  text: string,
  command: readonly string[],
  use: (port: number, child: Deno.ChildProcess, folder: TempFolder) => Promise<void>,
): Promise<void> {
  await using folder = await TempFolder.create();
  await Deno.writeTextFile(folder.file(file), text);
  await prepare(folder);
  const port = freePort();
  const [program = "", ...args] = command;
  const child = new Deno.Command(program, {
    args: [...args, file],
    cwd: folder.path,
    env: { PORT: String(port) },
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await use(port, child, folder);
  } finally {
    await child.stdin.close().catch(() => {});
    child.kill("SIGKILL");
    await child.status;
  }
}

function prepare(folder: TempFolder): void {
  using database = new DatabaseSync(folder.file("servers.db"));
  database.exec("PRAGMA journal_mode = WAL");
  database.exec(block("sql", "CREATE TABLE"));
}

function overSqlite(folder: TempFolder): Table & Disposable {
  const database = new DatabaseSync(folder.file("servers.db"));
  return {
    put(id, ip) {
      database.prepare(
        "INSERT INTO servers (id, ip) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET ip = excluded.ip",
      ).run(id, ip);
    },
    remove(id) {
      database.prepare("UPDATE servers SET deleted_at = unixepoch() WHERE id = ?").run(id);
    },
    [Symbol.dispose]: () => database.close(),
  };
}

testWith(["node"], "the origin in Node.js is copied: fill, change, deletion", async () => {
  const driver = `
import { createInterface } from "node:readline";
createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, ip } = JSON.parse(line);
  if (ip === null) remove(id);
  else put(id, { ip });
});
`;
  const text = block("js", "// origin.mjs") + driver;
  await run("origin.mjs", text, [findTool("node") ?? "node"], async (port, child) => {
    const writer = child.stdin.getWriter();
    const send = async (id: number, ip: string | null) =>
      await writer.write(new TextEncoder().encode(`${JSON.stringify({ id, ip })}\n`));
    try {
      await copy(port, { put: send, remove: (id) => send(id, null) });
    } finally {
      writer.releaseLock();
    }
  });
});

const hasSqlite = findTool("python3") !== null && new Deno.Command("python3", {
  args: ["-c", "import sqlite3; assert sqlite3.sqlite_version_info >= (3, 24)"],
  stderr: "null",
}).outputSync().success;

testUnless(
  hasSqlite ? null : "python3 with sqlite3 missing: apt-get install python3",
  "the origin in Python over SQLite is copied: fill, change, deletion",
  async () => {
    await run("origin.py", block("python", "# origin.py"), ["python3"], async (port, _, folder) => {
      using table = overSqlite(folder);
      await copy(port, table);
    });
  },
);

Deno.test("the origin in Deno over SQLite is copied: fill, change, deletion", async () => {
  const command = [Deno.execPath(), "run", "-A", "--quiet"];
  await run("origin.ts", block("ts", "// origin.ts"), command, async (port, _, folder) => {
    using table = overSqlite(folder);
    await copy(port, table);
  });
});

Deno.test("each origin has fifteen lines at most", () => {
  for (
    const [language, beginning] of [["js", "// origin"], ["python", "# origin"], [
      "ts",
      "// origin",
    ]]
  ) {
    const lines = block(language ?? "", beginning ?? "").trimEnd().split("\n");
    const code = lines.filter((line) => !/^\s*(\/\/|#|$)/.test(line));
    assert.ok(code.length <= 15, `${language}: ${code.length}`);
  }
});

Deno.test("the findings that the docs list are those that there are", async () => {
  const source = await Deno.readTextFile(new URL("../../src/doctor/report.ts", import.meta.url));
  const type = /export type FindingId =([^;]+);/.exec(source)?.[1] ?? "";
  const ids = [...type.matchAll(/"([a-z]+)"/g)].map(([, id]) => id).toSorted();
  const told = [...DOCS.matchAll(/^\| `([a-z]+)` /gm)].map(([, id]) => id).toSorted();
  assert.deepEqual(told, ids);
});
