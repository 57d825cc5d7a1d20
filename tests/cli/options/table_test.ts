import assert from "node:assert/strict";
import { environmentName, type OptionValues } from "../../../src/cli/options/spec.ts";
import { OPTIONS } from "../../../src/cli/options/table.ts";
import { isAnswer, readWords } from "../../../src/cli/options/parse.ts";
import { settle } from "../../../src/cli/options/resolve_options.ts";

type Key = keyof typeof OPTIONS;

/** One option: a text it takes, what becomes of it, and a text that it refuses (null: takes any). */
type Case = readonly [good: string, value: unknown, bad: string | null, accepted?: RegExp];

/** The compiler asks for every option here. */
const CASES: Record<Key, Case> = {
  url: ["a=http://h/x?q=1", undefined, "servers", /http:\/\//],
  table: ["servers", "servers", "lockstep", /may not be called/],
  key: ["a, b", ["a", "b"], "a,,b", /FIELD,FIELD/],
  orderBy: ["rev", "rev", "", /give a field/],
  records: ["/result/items", "/result/items", "/a~2", /JSON pointer/],
  orderType: ["time", "time", "date", /auto.*number.*time.*text/],
  deletedBy: ["gone", "gone", "a\nb", /control characters/],
  since: ["998", "998", "", /give a cursor/],
  seed: ["/a.gz", "/a.gz", "", /give a path/],
  overlap: ["30s", "30s", "a while", /duration such as/],
  poll: ["1m30s", 90_000, "soon", /500ms, 10s/],
  idleTimeout: ["5s", 5_000, "0s", /no time at all/],
  connectTimeout: ["250ms", 250, "-1s", /500ms, 10s/],
  header: ["X-A:  b:c ", ["X-A", "b:c"], "no colon", /'Name: value'/],
  headerFile: ["/a", "/a", "", /give a path/],
  ca: ["/a", "/a", "", /give a path/],
  cert: ["/a", "/a", "", /give a path/],
  certKey: ["/a", "/a", "", /give a path/],
  kv: ["/a", "/a", "https://", /no address/],
  kvTokenFile: ["/a", "/a", "", /give a path/],
  standby: ["1", true, "maybe", /1 nor 0/],
  resync: ["1", true, "maybe", /1 nor 0/],
  adopt: ["yes", true, "maybe", /1 nor 0/],
  strict: ["on", true, "maybe", /1 nor 0/],
  maxLineLength: ["2 MiB", 2 * 2 ** 20, "2 parsecs", /512KiB/],
  shrinkLimit: ["12.5%", 0.125, "101%", /0% to 100%/],
  growLimit: ["250%", 2.5, "a lot", /not a percentage/],
  minRows: ["900", 900, "-1", /not a whole number/],
  tombstoneTtl: ["7d", 604_800_000, "0", /no time at all/],
  once: ["true", true, "maybe", /1 nor 0/],
  attempts: ["3", 3, "0", /at least 1/],
  onChange: ["make all", "make all", " ", /give a command/],
  check: ["haproxy -c", "haproxy -c", " ", /give a command/],
  onChangeWait: ["0s", 0, "later", /500ms, 10s/],
  write: ["/a", "/a", "", /give a path/],
  status: ["[::1]:80", "[::1]:80", "nowhere", /HOST:PORT/],
  noStatus: ["1", true, "maybe", /1 nor 0/],
  statusTokenFile: ["/a", "/a", "", /give a path/],
  feed: ["1", true, "maybe", /1 nor 0/],
  verifyEvery: ["1d", 86_400_000, "often", /500ms, 10s/],
  whole: ["1", true, "maybe", /1 nor 0/],
  feedPublic: ["1", true, "maybe", /1 nor 0/],
  expire: ["1d", 86_400_000, "old", /500ms, 10s/],
  maxStaleness: ["5m", 300_000, "old", /500ms, 10s/],
  logFormat: ["json", "json", "xml", /text, json/],
  logLevel: ["debug", "debug", "loud", /debug, info, warning, error/],
  quiet: ["1", true, "maybe", /1 nor 0/],
};

const KEYS = Object.keys(OPTIONS) as Key[];

function settled(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): OptionValues<typeof OPTIONS> {
  const words = readWords(args, { width: 100, colors: false });
  if (isAnswer(words)) throw new Error(words.stderr);
  return settle(words.options, KEYS, (name) => environment[name]).values;
}

function first(value: unknown): unknown {
  return Array.isArray(value) && Array.isArray(value[0]) ? value[0] : value;
}

for (const key of KEYS) {
  const option = OPTIONS[key];
  const [good, value, bad, accepted] = CASES[key];

  Deno.test(`--${option.name} is taken from the command line and from the environment`, () => {
    const args = option.kind === "flag" ? [`--${option.name}`] : [`--${option.name}`, good];
    const fromWords = settled(args)[key];
    const fromEnvironment = settled([], { [environmentName(option)]: good })[key];
    if (option.name === "url") {
      for (const urls of [fromWords, fromEnvironment]) {
        const [source] = urls as OptionValues<typeof OPTIONS>["url"];
        assert.equal(source?.table, "a");
        assert.equal(source?.url, "http://h/x?q=1");
      }
      return;
    }
    const expected = option.kind === "list" && !Array.isArray(value) ? [value] : value;
    assert.deepEqual(option.kind === "list" ? first(fromWords) : fromWords, expected);
    assert.deepEqual(fromEnvironment, fromWords);
  });

  if (bad === null) continue;
  Deno.test(`--${option.name} refused: the message names it, what was given, what is accepted`, () => {
    if (option.kind !== "flag") {
      const answer = readWords([`--${option.name}=${bad}`], { width: 100, colors: false });
      assert.ok(isAnswer(answer), "an answer");
      assert.equal(answer.status, 2);
      assert.equal(answer.stdout, "");
      assert.ok(answer.stderr.startsWith(`error: \`--${option.name}\`: `), answer.stderr);
      assert.match(answer.stderr, accepted ?? /never/);
    }
    // A blank variable counts as none.
    if (bad.trim() !== "") {
      const variable = environmentName(option);
      assert.throws(() => settled([], { [variable]: bad }), (error: Error) => {
        assert.ok(error.message.startsWith(`${variable}: `), error.message);
        assert.match(error.message, accepted ?? /never/);
        return true;
      });
    }
  });
}

Deno.test("what was given stands in the message", () => {
  const answer = readWords(["--poll", "s\x1b[31moon"], { width: 100, colors: false });
  assert.ok(isAnswer(answer));
  assert.match(answer.stderr, /"s\\x1b\[31moon"/);
  assert.ok(!answer.stderr.includes("\x1b"));
});

Deno.test("a header that can't be read is never repeated: it may hold a secret", () => {
  const answer = readWords(["--header", "Bearer s3cret"], { width: 100, colors: false });
  assert.ok(isAnswer(answer));
  assert.ok(!answer.stderr.includes("s3cret"), answer.stderr);
});

Deno.test("a URL that can't be read is repeated without its password", () => {
  for (const url of ["ftp://me:s3cret@h/x", "//me:s3cret@h/x", "http://me:s3cret@/x"]) {
    const answer = readWords(["--url", url], { width: 100, colors: false });
    assert.ok(isAnswer(answer));
    assert.ok(!answer.stderr.includes("s3cret"), answer.stderr);
  }
});

Deno.test("the command line wins over the environment", () => {
  const values = settled(["--poll", "2s", "--url", "http://a/b"], {
    LOCKSTEP_POLL: "9s",
    LOCKSTEP_URL: "http://c/d",
  });
  assert.equal(values.poll, 2000);
  assert.deepEqual(values.url.map(({ url }) => url), ["http://a/b"]);
});

Deno.test("several values in one variable: URLs by blanks, headers and files by lines", () => {
  const values = settled([], {
    LOCKSTEP_URL: " a=http://h/a \n http://h/b ",
    LOCKSTEP_HEADER: "A: 1\nB: 2, 3\n",
    LOCKSTEP_WRITE: "a=/tmp/a file\nb=/tmp/b",
  });
  assert.deepEqual(values.url.map(({ table }) => table), ["a", null]);
  assert.deepEqual(values.header, [["A", "1"], ["B", "2, 3"]]);
  assert.deepEqual(values.write, ["a=/tmp/a file", "b=/tmp/b"]);
});

Deno.test("an empty variable counts as none, and 0 switches a flag off", () => {
  const values = settled([], { LOCKSTEP_TABLE: "", LOCKSTEP_POLL: "  ", LOCKSTEP_ONCE: "0" });
  assert.equal(values.table, undefined);
  assert.equal(values.poll, 1000);
  assert.equal(values.once, false);
});

Deno.test("every default is a value that its own option accepts", () => {
  const values = settled([]);
  assert.equal(values.kv, "./state");
  assert.deepEqual(values.key, ["id"]);
  assert.equal(values.orderBy, "updated_at");
  assert.equal(values.deletedBy, "deleted_at");
  assert.equal(values.idleTimeout, 60_000);
  assert.equal(values.connectTimeout, 10_000);
  assert.equal(values.attempts, 5);
  assert.equal(values.maxLineLength, 16 * 2 ** 20);
  assert.equal(values.shrinkLimit, 0.5);
  assert.equal(values.tombstoneTtl, 7 * 86_400_000);
  assert.equal(values.onChangeWait, 1000);
  assert.equal(values.logFormat, "text");
  assert.equal(values.logLevel, "info");
});

Deno.test("sizes and percentages are read in the forms that people write", () => {
  const read = (name: "max-line-length" | "shrink-limit", text: string) => {
    const values = settled([`--${name}=${text}`]);
    return name === "shrink-limit" ? values.shrinkLimit : values.maxLineLength;
  };
  assert.equal(read("max-line-length", "1000"), 1000);
  assert.equal(read("max-line-length", "64kib"), 65_536);
  assert.equal(read("max-line-length", "1GiB"), 2 ** 30);
  assert.equal(read("shrink-limit", "50"), 0.5);
  assert.equal(read("shrink-limit", "0%"), 0);
  assert.equal(read("shrink-limit", "100%"), 1);
});
