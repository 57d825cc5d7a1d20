import assert from "node:assert/strict";
import { OPTIONS } from "../../../src/cli/options/table.ts";
import { isAnswer, readWords } from "../../../src/cli/options/parse.ts";
import { remarksOn } from "../../../src/cli/options/remarks.ts";
import { settle } from "../../../src/cli/options/resolve_options.ts";

const KEYS = Object.keys(OPTIONS) as (keyof typeof OPTIONS)[];

function remarks(line: string, environment: Readonly<Record<string, string>> = {}): string[] {
  const given = `--url http://h/a ${line}`.trim().split(" ");
  const words = readWords(given, { width: 100, colors: false });
  assert.ok(!isAnswer(words));
  const settled = settle(words.options, KEYS, (name) => environment[name]);
  return remarksOn(settled, Object.keys(environment)).map(({ level, text }) => `${level}: ${text}`);
}

Deno.test("options that can have no effect are said, each with what it would take", () => {
  for (
    const [line, said] of [
      ["--feed --no-status", /^warning: --feed has no reader with --no-status/],
      ["--feed-public --no-status", /^warning: --feed-public has no reader with --no-status/],
      ["--attempts 3", /^warning: --attempts has no effect without --once/],
      ["--quiet --log-level debug", /^error: --log-level debug has no effect with --quiet/],
    ] as const
  ) {
    const all = remarks(line);
    assert.equal(all.length, 1, line);
    assert.match(all[0] ?? "", said);
  }
});

Deno.test("options that work together are not remarked on", () => {
  for (
    const line of [
      "",
      "--feed",
      "--feed --no-status --once", // keeps the change index
      "--attempts 3 --once",
      "--quiet",
      "--quiet --log-level error",
    ]
  ) assert.deepEqual(remarks(line), [], line);
});

Deno.test("a variable that begins like an option's and is none is said by name", () => {
  const environment = { LOCKSTEP_POL: "5s", LOCKSTEP_POLL: "5s", LOCKSTEP_FILE: "/x", HOME: "/" };
  assert.deepEqual(remarks("", environment), [
    "warning: LOCKSTEP_POL in the environment is no option's variable, and is not read",
  ]);
});
