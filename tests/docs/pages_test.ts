/**
 * README and docs: their links lead somewhere, their commands are commands, their messages are said.
 *
 * @module
 */

import assert from "node:assert/strict";
import { isAnswer, readWords } from "../../src/cli/options/parse.ts";
import { COMMAND_OPTIONS, OPTIONS } from "../../src/cli/options/table.ts";
import { TempFolder } from "../support/temp_store.ts";
import { runTool, testWith } from "../support/tools.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFileSync(new URL(path, ROOT));
const PAGES = [
  "README.md",
  ...[...Deno.readDirSync(new URL("docs", ROOT))].map(({ name }) => `docs/${name}`)
    .filter((name) => name.endsWith(".md")),
];

/** The anchor that a Markdown reader gives a heading. */
const anchor = (heading: string) =>
  heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").trim().replaceAll(" ", "-");

const anchorsOf = (text: string) =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, h]) => anchor(h ?? ""));

/** Text between backticks, blocks left out. */
const codeIn = (text: string) =>
  [...text.replaceAll(/^```[^]*?^```$/gm, "").matchAll(/`([^`]+)`/g)].map(([, code]) =>
    (code ?? "").replaceAll(/\s+/g, " ")
  );

/** Lines of the shell blocks, continued ones joined, without comments. */
const shellLines = (text: string) =>
  [...text.matchAll(/^```sh\n([^]*?)^```$/gm)].flatMap(([, block = ""]) =>
    block.replaceAll(/\\\n\s*/g, "").split("\n").map((line) =>
      line.replace(/(^|\s)#.*$/, "").trim()
    )
      .filter((line) => line !== "")
  );

/** A command line's words as the shell reads them, up to the first pipe or redirection. */
function wordsOf(line: string): string[] {
  const words: string[] = [];
  for (const [word, single, double] of line.matchAll(/'([^']*)'|"([^"]*)"|[^\s'"]+/g)) {
    if (/^(\\?\||&&|;|>)/.test(word)) break;
    words.push(single ?? double ?? word);
  }
  return words;
}

/** What the program is given where a line runs it, installs it with options, or starts it. */
function argumentsOf(line: string): string[] | null {
  const at = /(?:^|[\s|;&])(?:\.\/)?lockstep-replicate (.*)$/.exec(line) ??
    /^deno task start (.*)$/.exec(line) ??
    /^(?:sudo )?scripts\/install\.sh .*-- (.*)$/.exec(line);
  return at?.[1] === undefined || /^lockstep-replicate/.test(at[1]) ? null : wordsOf(at[1]);
}

Deno.test("the README is read in ten minutes, and in the order of a first hour", () => {
  const readme = read("README.md");
  assert.ok(readme.split("\n").length <= 181, `${readme.split("\n").length} lines`);
  const headings = [...readme.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
  assert.deepEqual(headings, [
    ...["Try it", "Install", "Your own origin in 15 lines", "Reading the data", "As a service"],
    ...["Watching it", "When the origin misbehaves", "More", "License"],
  ]);
});

for (const page of PAGES) {
  const text = read(page);

  Deno.test(`${page}: every link leads to a file and a heading that are there`, () => {
    for (const [, target = ""] of text.matchAll(/\]\(([^)]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [path = "", heading] = target.split("#");
      const url = path === "" ? new URL(page, ROOT) : new URL(path, new URL(page, ROOT));
      assert.ok(Deno.statSync(url).isFile, target);
      if (heading !== undefined) {
        assert.ok(anchorsOf(Deno.readTextFileSync(url)).includes(heading), target);
      }
    }
  });

  Deno.test(`${page}: the program accepts every command line`, () => {
    const inline = codeIn(text).filter((code) => /^(\.\/)?lockstep-replicate -?-?[a-z]/.test(code));
    const lines = [...shellLines(text), ...inline];
    for (const line of lines) {
      const words = argumentsOf(line);
      // A service's name, not the program.
      if (words === null || /systemctl/.test(line.split("lockstep-replicate")[0] ?? "")) continue;
      const result = readWords(words, { width: 100, colors: false });
      assert.ok(!isAnswer(result) || result.status === 0, `${line}: ${JSON.stringify(result)}`);
    }
  });

  Deno.test(`${page}: every option and task that is named is there`, () => {
    const known = new Set([
      ...[...Object.values(OPTIONS), ...Object.values(COMMAND_OPTIONS)].map(({ name }) => name),
      ...["help", "version"],
      // Of the installer, the build, the tests, and deno.
      ...["yes", "uninstall", "purge", "output", "target", "runtime", "self-extracting", "soak"],
      ...["unstable-kv", "allow-net", "allow-read", "allow-write", "allow-env", "allow-sys"],
      ...["allow-run", "all"],
    ]);
    for (
      const code of [
        ...codeIn(text),
        ...shellLines(text).filter((line) => /replicate/.test(line)),
      ]
    ) {
      if (/^(sudo )?(openssl|systemctl|git|curl|ulimit|jq|apt|install\.sh) /.test(code)) continue;
      for (const [, name = ""] of code.matchAll(/(?:^|[\s[])--([a-z][a-z-]*)/g)) {
        assert.ok(known.has(name), `--${name} in ${code}`);
      }
    }
    const { tasks } = JSON.parse(read("deno.json"));
    for (const [, task = ""] of text.matchAll(/deno task ([a-z]+)/g)) {
      assert.ok(task in tasks, `deno task ${task}`);
    }
    const scenarios = read("scripts/bench/main.ts");
    for (const [, scenario = ""] of text.matchAll(/deno task bench ([a-z][a-z-]*)/g)) {
      assert.match(
        scenarios,
        new RegExp(`^ {2}"?${scenario}"?[:,]`, "m"),
        `deno task bench ${scenario}`,
      );
    }
    for (const [path] of text.matchAll(/(?<![\w/.-])(?:scripts|tests|src)\/[\w./-]*\w/g)) {
      Deno.statSync(new URL(path, ROOT));
    }
  });
}

Deno.test("the README's origin is the one of docs/origins.md, which is run", () => {
  const origin = (page: string) => /^```js\n([^]*?)^```$/m.exec(read(page))?.[1];
  assert.ok(origin("README.md"));
  assert.equal(origin("README.md"), origin("docs/origins.md"));
});

testWith(
  ["promtool"],
  "the alerts of docs/watching.md are rules that promtool accepts",
  async () => {
    const rules = /^```yaml\n(groups:[^]*?)^```$/m.exec(read("docs/watching.md"))?.[1] ?? "";
    await using folder = await TempFolder.create();
    await Deno.writeTextFile(folder.file("rules.yml"), rules);
    const { code, stdout, stderr } = await runTool("promtool", [
      "check",
      "rules",
      folder.file("rules.yml"),
    ]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /SUCCESS: 3 rules found/);
  },
);

/** The texts of the program, without the seams of strings that are written in pieces. */
async function said(): Promise<string> {
  const texts: string[] = [];
  const gather = async (folder: URL) => {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (isDirectory) await gather(new URL(`${name}/`, folder));
      else if (/\.tsx?$/.test(name)) texts.push(await Deno.readTextFile(new URL(name, folder)));
    }
  };
  await gather(new URL("src/", ROOT));
  return texts.join("\n").replaceAll(/["`]\s*\+\s*["`]/g, "");
}

Deno.test("troubleshooting explains at least twenty messages, and the program says each", async () => {
  const page = read("docs/troubleshooting.md");
  const source = await said();
  const headings = [...page.matchAll(/^### (.*)$/gm)].map(([, heading]) => heading ?? "");
  assert.ok(headings.length >= 20, `${headings.length}`);
  assert.match(page.slice(page.indexOf("### ")), /^[^]{0,300}DENO_TLS_CA_STORE=system/);
  for (const code of headings.flatMap((heading) => codeIn(heading))) {
    // What the library or the origin puts into a message stands for an ellipsis.
    for (
      const part of code.split(/…|: (?=there is)|\d+s?|UnknownIssuer/).map((piece) => piece.trim())
    ) {
      assert.ok(source.includes(part), `${code}: ${part}`);
    }
  }
});
