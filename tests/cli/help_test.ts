import assert from "node:assert/strict";
import { COMMANDS } from "../../src/cli/commands.ts";
import { manualPage } from "../../src/cli/man.ts";
import { environmentName } from "../../src/cli/options/spec.ts";
import { optionTable } from "../../src/cli/options/options_table.ts";
import { COMMAND_OPTIONS, OPTIONS } from "../../src/cli/options/table.ts";
import { isAnswer, readWords } from "../../src/cli/options/parse.ts";
import { helpHint } from "../../src/cli/options/word_order.ts";
import { isCurrent, withOptions } from "../../scripts/readme.ts";
import { runTool, testWith } from "../support/tools.ts";

function answer(...args: string[]) {
  const answer = readWords(args, { width: 100, colors: false });
  assert.ok(isAnswer(answer), "an answer");
  return answer;
}

/** The options that the program promises. */
const PROMISED =
  "url kv table key order-by deleted-by since overlap resync adopt once attempts poll idle-timeout " +
  "connect-timeout header header-file ca cert cert-key status no-status status-token-file feed " +
  "tombstone-ttl shrink-limit grow-limit min-rows max-staleness log-format log-level quiet strict on-change " +
  "check on-change-wait write max-line-length help version";

Deno.test("--help shows every option that is promised, and every command", () => {
  for (const flag of ["--help", "-h"]) {
    const { status, stdout, stderr } = answer(flag);
    assert.equal(status, 0);
    assert.equal(stderr, "");
    for (const name of PROMISED.split(" ")) {
      assert.match(stdout, new RegExp(`^  --${name}[ ,\n]`, "m"));
    }
    for (const command of Object.keys(COMMANDS)) {
      assert.match(stdout, new RegExp(`^  ${command} `, "m"));
    }
    for (const line of stdout.split("\n")) assert.ok(line.length <= 101, line);
  }
});

Deno.test("help of a command shows its own arguments and options, and no others", () => {
  for (const [name, command] of Object.entries(COMMANDS)) {
    if (name === "completion") continue;
    const { status, stdout } = answer(name, "--help");
    assert.equal(status, 0);
    for (const { metavar } of command.arguments) assert.ok(stdout.includes(`\n  ${metavar}`), name);
    const own = new Set<string>(command.options);
    for (const [key, option] of Object.entries({ ...OPTIONS, ...COMMAND_OPTIONS })) {
      const isShown = new RegExp(`^  --${option.name}[ \n]`, "m").test(stdout);
      assert.equal(isShown, own.has(key), `${name} --${option.name}`);
    }
  }
});

Deno.test("--version names the version, where it came from, and Deno's", () => {
  const { status, stdout } = answer("--version");
  assert.equal(status, 0);
  assert.match(
    stdout,
    /^lockstep-replicate \d+\.\d+\.\d+ \((from source|commit \S+), Deno \d+\.\d+\.\d+\)\n$/,
  );
});

Deno.test("help and -v are understood as they are meant, and help ends with examples and statuses", () => {
  assert.equal(answer("help").stdout, answer("--help").stdout);
  assert.equal(answer("help", "get").stdout, answer("get", "--help").stdout);
  assert.equal(answer("-v").stdout, answer("--version").stdout);
  const { stdout } = answer("--help");
  const end = stdout.slice(stdout.indexOf("\nExamples:"));
  assert.equal(end.match(/^ {4}lockstep-replicate /gm)?.length, 3);
  assert.match(end, /\nExit status:\n {2}0 .*\n {2}1 .*\n {2}2 .*\n$/);
  assert.doesNotMatch(answer("get", "--help").stdout, /Examples:/);
});

Deno.test("one guess is made at what was meant, and a key that looks like an option is told apart", () => {
  const guess = answer("--urll", "http://h/a").stderr;
  assert.match(guess, /Did you mean `--url`\?\n/);
  assert.doesNotMatch(guess, /--poll/);
  const dashed = answer("--kv", "here", "get", "items", "-5").stderr;
  assert.match(dashed, /lockstep-replicate get --kv here items -- -5\n/);
});

Deno.test("an error of a command points to that command's help", () => {
  assert.equal(helpHint(["get", "a"]), "Try 'lockstep-replicate get --help'.\n");
  assert.equal(helpHint(["--kv", "list", "list"]), "Try 'lockstep-replicate list --help'.\n");
  assert.equal(helpHint(["--polll", "5s"]), "Try 'lockstep-replicate --help'.\n");
});

Deno.test("wrong words are answered with what was meant, and status 2", () => {
  for (
    const [args, meant] of [
      [["--idle-timeut", "5s"], "--idle-timeout"],
      [["gett", "servers", "1"], "get"],
      [["get", "servers", "1", "--kx", "a"], "--kv"],
    ] as const
  ) {
    const { status, stdout, stderr } = answer(...args);
    assert.equal(status, 2);
    assert.equal(stdout, "");
    assert.ok(stderr.includes(`\`${meant}\``), stderr);
  }
});

Deno.test("a command's options may stand before it and after it, and others are refused", () => {
  const layout = { width: 100, colors: false };
  for (
    const args of [
      ["--kv", "get", "get", "t", "1"],
      ["get", "--kv", "get", "t", "1"],
      ["get", "t", "1", "--kv=get"],
    ]
  ) {
    const words = readWords(args, layout);
    assert.ok(!isAnswer(words));
    assert.equal(words.command, "get");
    assert.deepEqual(words.arguments, [["t"], ["1"]]);
    assert.equal(words.options.kv, "get");
  }
  assert.equal(answer("get", "t", "1", "--poll", "1s").status, 2);
  assert.equal(answer("--poll", "1s", "get", "t", "1").status, 2);
  const negative = readWords(["get", "t", "--", "-5"], layout);
  assert.ok(!isAnswer(negative));
  assert.deepEqual(negative.arguments, [["t"], ["-5"]]);
});

Deno.test("every option is in the manual, with its environment variable, and in the table", () => {
  const manual = manualPage();
  const table = optionTable();
  for (const option of Object.values(OPTIONS)) {
    assert.ok(manual.includes(`\\fB${`--${option.name}`.replaceAll("-", "\\-")}\\fR`), option.name);
    assert.ok(manual.includes(`\\fB${environmentName(option)}\\fR`), option.name);
    assert.match(table, new RegExp(`^\\| \`--${option.name}[ \`]`, "m"));
  }
});

/** Runs a checker on a text. */
async function check(command: string, args: string[], text: string) {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, text);
    const said = await runTool(command, [...args, file], { env: { LC_ALL: "C.UTF-8" } });
    return { code: said.code, said: said.stdout + said.stderr };
  } finally {
    await Deno.remove(file);
  }
}

testWith(["mandoc"], "the manual page has no fault that mandoc can find", async () => {
  const mandoc = await check("mandoc", ["-Tlint", "-Wwarning"], manualPage());
  assert.deepEqual(mandoc, { code: 0, said: "" });
});

testWith(["man", "groff"], "the manual page has no fault that groff can find", async () => {
  const groff = await check("man", ["--warnings", "-Tutf8", "-l"], manualPage());
  assert.equal(groff.code, 0);
  assert.doesNotMatch(groff.said, /warning/);
  // Bold is a letter struck twice.
  assert.match(groff.said.replaceAll(/.[\b]/g, ""), /LOCKSTEP_POLL/);
});

for (const shell of ["bash", "zsh", "fish"]) {
  testWith([shell], `${shell} takes the completion script`, async () => {
    const { status, stdout, stderr } = answer("completion", shell);
    assert.equal(status, 0);
    assert.equal(stderr, "");
    assert.ok(stdout.includes("lockstep-replicate"));
    assert.deepEqual(await check(shell, ["-n"], stdout), { code: 0, said: "" });
  });
}

Deno.test("completion offers options, commands and values", () => {
  const offers = (...args: string[]) => answer("completion", "bash", ...args).stdout.split("\n");
  assert.ok(offers("--id").includes("--idle-timeout"));
  assert.ok(offers("ge").includes("get"));
  assert.deepEqual(offers("--log-format", "j").filter((line) => line !== ""), ["json"]);
  assert.deepEqual(offers("--log-format", "").filter((line) => line !== ""), ["text", "json"]);
  assert.deepEqual(offers("comp").filter((line) => line !== ""), ["completion"]);
  const shells = offers("completion", "").filter((line) => /^[a-z]+$/.test(line));
  assert.deepEqual(shells, ["bash", "zsh", "fish", "nu", "pwsh"]);
  assert.ok(offers("get", "--").includes("--kv"));
  assert.ok(!offers("get", "--").includes("--url"));
});

Deno.test("the option table of the docs says what the program says", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/options.md", import.meta.url));
  assert.equal(isCurrent(page), true, "run deno run -A scripts/readme.ts");
});

Deno.test("the table replaces what is between the marks and nothing else", () => {
  const marked = "a\n<!-- options:begin -->\nof yore\n<!-- options:end -->\nb";
  const updated = withOptions(marked) ?? "";
  assert.ok(updated.startsWith("a\n<!-- options:begin -->\n"));
  assert.ok(updated.endsWith("<!-- options:end -->\nb"));
  assert.ok(!updated.includes("of yore"));
  assert.equal(withOptions(updated), updated);
  assert.equal(isCurrent(marked), false);
  assert.equal(isCurrent(updated.replaceAll(" | ", "   |  ")), true);
});
