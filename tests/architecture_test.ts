import assert from "node:assert/strict";
import { dirname, join, relative } from "node:path";
import { filesBelow } from "./support/files_below.ts";

const SRC = new URL("../src", import.meta.url).pathname;

/** Imports only point up this list: a room knows those before it, and none behind it. */
const ROOMS = [
  "protocol",
  "base",
  "digest",
  "stream",
  "origin",
  "doctor",
  "store",
  "replica",
  "feed",
  "http",
  "cli",
];

/** The same within the store. */
const STORE_ROOMS = ["kv", "read", "change_index", "table", "write"];

/** Lines of a file at most. */
const MOST_LINES = 430;

/** Fields of a class that may be set again: with more it is a state machine that nobody drew. */
const MOST_FIELDS = 8;

/** What has more, and how many; to be shortened, never to be added to. */
const FIELDS: Readonly<Record<string, number>> = {
  "feed/broadcast.ts Broadcast": 10,
  "http/changes.ts TableChanges": 10,
  "http/hub.ts StatusHub": 9,
  "replica/metrics.ts TableMetrics": 10,
};

/** Comments hold examples, whose imports are none of the file's. */
function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[^]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "");
}

const IMPORT =
  /(?:^|[;}\n])\s*(?:import|export)\s[^;]*?from\s*"([^"]+)"|\bimport\s*\(?\s*"([^"]+)"/g;

interface Source {
  /** Relative to src. */
  readonly file: string;
  readonly text: string;
  readonly imports: readonly string[];
}

async function readSources(): Promise<Source[]> {
  const files = await filesBelow(SRC);
  return await Promise.all(files.map(async (path) => {
    const text = await Deno.readTextFile(path);
    const imports = [...withoutComments(text).matchAll(IMPORT)].map((match) =>
      match[1] ?? match[2] ?? ""
    );
    return { file: relative(SRC, path), text, imports };
  }));
}

/** The file of src that a relative import means; null for one of a package. */
function target(from: string, specifier: string): string | null {
  return specifier.startsWith(".") ? join(dirname(from), specifier) : null;
}

const sources = await readSources();
const roomOf = (file: string) => file.includes("/") ? file.slice(0, file.indexOf("/")) : "";

Deno.test("the imports that are read are the imports that there are", () => {
  // What the rules below are worth depends on it: the files and what they need are found.
  assert.ok(sources.length > 50);
  assert.deepEqual(
    [...new Set(sources.map(({ file }) => roomOf(file)))].filter(Boolean).toSorted(),
    [
      ...ROOMS,
    ].toSorted(),
  );
  const writer = sources.find(({ file }) => file === "store/write/answer_writer.ts");
  assert.ok(writer?.imports.includes("../../protocol/cursor.ts"));
  assert.ok(writer?.imports.includes("./window_commit.ts"));
});

Deno.test("imports go in one direction, from room to room", () => {
  for (const { file, imports } of sources) {
    const room = ROOMS.indexOf(roomOf(file));
    if (room < 0) continue;
    for (const specifier of imports) {
      const other = target(file, specifier);
      // The program's own version stands in deno.json, and nowhere else.
      if (other === null || other === "../deno.json") continue;
      assert.ok(!other.startsWith(".."), `${file} imports ${specifier}, which is not in src`);
      assert.ok(
        ROOMS.indexOf(roomOf(other)) <= room && roomOf(other) !== "",
        `${file} imports ${specifier}: ${roomOf(other) || "src"} is above ${roomOf(file)}`,
      );
    }
  }
});

Deno.test("imports go in one direction within the store, from folder to folder", () => {
  const folderOf = (file: string) => file.split("/")[1] ?? "";
  for (const { file, imports } of sources) {
    if (roomOf(file) !== "store") continue;
    const folder = STORE_ROOMS.indexOf(folderOf(file));
    assert.ok(folder >= 0, `${file} lies in none of ${STORE_ROOMS.join(", ")}`);
    for (const specifier of imports) {
      const other = target(file, specifier);
      if (other === null || roomOf(other) !== "store") continue;
      assert.ok(
        STORE_ROOMS.indexOf(folderOf(other)) <= folder,
        `${file} imports ${specifier}: ${folderOf(other)} is above ${folderOf(file)}`,
      );
    }
  }
});

Deno.test("no file imports itself by way of others", () => {
  const graph = new Map(sources.map(({ file, imports }) => [
    file,
    imports.flatMap((specifier) => target(file, specifier) ?? []),
  ]));
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]) => {
    assert.ok(!path.includes(file), `a loop: ${[...path, file].join(" → ")}`);
    if (done.has(file)) return;
    for (const other of graph.get(file) ?? []) visit(other, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
});

Deno.test("the library's door only passes on, and nobody inside goes through it", () => {
  const door = sources.find(({ file }) => file === "mod.ts");
  assert.ok(door !== undefined);
  const statements = withoutComments(door.text).split(";").map((text) => text.trim()).filter(
    Boolean,
  );
  assert.deepEqual(statements.filter((text) => !/^export\s[^]*\sfrom\s"/.test(text)), []);
  for (const { file, imports } of sources) {
    const others = imports.map((specifier) => target(file, specifier));
    assert.ok(!others.includes("mod.ts"), `${file} imports src/mod.ts`);
  }
});

Deno.test("the protocol is pure: no network, no files, no clock, no store", () => {
  for (const { file, text, imports } of sources) {
    if (roomOf(file) !== "protocol") continue;
    const code = withoutComments(text);
    assert.doesNotMatch(code, /\bDeno\.|\bfetch\(|\bsetTimeout\(|Date\.now\(|Math\.random\(/, file);
    const packages = imports.filter((specifier) => target(file, specifier) === null);
    assert.deepEqual(packages.filter((name) => name !== "node:buffer"), [], file);
  }
});

Deno.test("clock.ts alone reads the machine's wall clock, which is no stopwatch", () => {
  for (const { file, text } of sources) {
    if (!file.endsWith(".ts") && !file.endsWith(".tsx") || file === "base/clock.ts") continue;
    assert.doesNotMatch(withoutComments(text), /\bDate\.now\b|new Date\(\)/, file);
  }
});

Deno.test("no field holds the only resolver of a promise: a second waiter would be lost", () => {
  const KEPT =
    /this\.#?\w+\s*(?:\?\?)?=\s*(?:resolve|reject|\w+\.resolve|Promise\.withResolvers)\b/;
  const DECLARED = /#\w+\s*(?::[^=;]*)?=\s*Promise\.withResolvers|:\s*PromiseWithResolvers/;
  assert.match("new Promise((resolve) => this.#wake = resolve)", KEPT);
  for (const { file, text } of sources) {
    // Signal is what all others wait with: there every waiter shares one promise.
    if (file === "base/signal.ts") continue;
    const code = withoutComments(text);
    assert.doesNotMatch(code, KEPT, file);
    assert.doesNotMatch(code, DECLARED, file);
  }
});

/** The fields of each class that may be set again. */
function mutableFields(text: string): Map<string, string[]> {
  const classes = new Map<string, string[]>();
  let fields: string[] | null = null;
  for (const line of withoutComments(text).split("\n")) {
    const name = /^(?:export )?(?:abstract )?class (\w+)/.exec(line)?.[1];
    if (name !== undefined) classes.set(name, fields = []);
    else if (line.startsWith("}")) fields = null;
    const field = /^ {2}(?:(?:override|private|protected) )*(#?\w+)[?!]?(?::|;| =)/.exec(line)?.[1];
    if (field !== undefined) fields?.push(field);
  }
  return classes;
}

Deno.test("no class holds more state than a reader can keep in mind", () => {
  assert.deepEqual(
    mutableFields(
      "class A {\n  a = 1;\n  readonly b = 2;\n  #c: number | null = null;\n  d(): void {\n    let e = 1;\n  }\n}",
    ),
    new Map([["A", ["a", "#c"]]]),
  );
  const found: Record<string, number> = {};
  for (const { file, text } of sources) {
    if (!file.endsWith(".ts")) continue;
    for (const [name, fields] of mutableFields(text)) {
      if (fields.length > MOST_FIELDS) found[`${file} ${name}`] = fields.length;
    }
  }
  for (const [name, fields] of Object.entries(found)) {
    assert.ok(
      fields <= (FIELDS[name] ?? MOST_FIELDS),
      `${name}: ${fields} fields may be set again`,
    );
  }
  for (const name of Object.keys(FIELDS)) assert.ok(name in found, `${name} needs no exception`);
});

Deno.test("one file alone makes a table's stored state from another", () => {
  for (const { file, text } of sources) {
    if (file === "store/table/table_state.ts") continue;
    assert.doesNotMatch(withoutComments(text), /\.\.\.(?:[\w.#]*\.)?meta\b/, file);
  }
});

Deno.test("the data set of the demo is none of the program's imports, nor are the tests' tools", () => {
  for (const { file, imports } of sources) {
    for (const specifier of imports) {
      assert.doesNotMatch(specifier, /^(cities\.json|fast-check|playwright)/, file);
    }
  }
});

Deno.test("only keys.ts names keys, and a file answers one question", () => {
  for (const { file, text } of sources) {
    const code = withoutComments(text);
    if (file !== "store/kv/keys.ts") {
      assert.doesNotMatch(
        code,
        /\[\s*(?:"lockstep"\s*,|SYSTEM\b)/,
        `${file} makes a key of its own`,
      );
    }
    const lines = text.split("\n").length;
    if (file.endsWith(".ts")) {
      assert.ok(lines <= MOST_LINES, `${file}: ${lines}`);
    }
  }
});
