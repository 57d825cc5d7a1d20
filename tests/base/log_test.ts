import assert from "node:assert/strict";
import fc from "fast-check";
import {
  logger,
  type LogOptions,
  printable,
  startLogging,
  stopLogging,
} from "../../src/base/log.ts";

/** The lines that `work` logs. */
function lines(options: Partial<LogOptions>, work: () => void): string[] {
  const written: string[] = [];
  startLogging({ format: "text", level: "info", write: (line) => written.push(line), ...options });
  try {
    work();
  } finally {
    stopLogging();
  }
  return written;
}

const HOSTILE = 'a\nb\r\x1b[2J\x1b]0;title\x07\x7f\x9b31m\u2028\u202e"\ud800';
// deno-lint-ignore no-control-regex -- what must never reach a terminal
const UNSAFE = /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

Deno.test("a text line has time, level, message and the properties it does not show itself", () => {
  const [line] = lines({}, () => logger("x").info("{table}: live", { table: "t", rows: 3n }));
  assert.match(line ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info: t: live rows=3$/);
});

Deno.test("a JSON line is one object, whatever is logged", () => {
  const [line] = lines({ format: "json" }, () =>
    logger("origin").warn("{why}", {
      why: HOSTILE,
      level: "mine",
      __proto__: null,
      big: 2n ** 64n,
      error: new Error("no"),
      list: [1n, "a"],
    }));
  const parsed = JSON.parse(line ?? "");
  assert.equal(parsed.message, HOSTILE);
  assert.equal(parsed.level, "warning");
  assert.equal(parsed.level_, "mine");
  assert.equal(parsed.part, "origin");
  assert.equal(parsed.big, "18446744073709551616");
  assert.equal(parsed.error, "no");
  assert.deepEqual(parsed.list, ["1", "a"]);
  assert.doesNotMatch(line ?? "", UNSAFE);
});

Deno.test("no logged value starts a line of its own or speaks to the terminal", () => {
  fc.assert(fc.property(
    fc.array(fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("\n", "\x1b", "\x9b"))),
    fc.constantFrom("text" as const, "json" as const),
    (parts, format) => {
      const text = parts.join("");
      const written = lines({ format }, () => {
        logger("x").error("{a}", { a: text, [`k${text}`]: text });
        logger("x").error(`direct ${text.replaceAll(/[{}]/g, "")}`);
      });
      assert.equal(written.length, 2);
      for (const line of written) assert.doesNotMatch(line, UNSAFE);
    },
  ));
});

Deno.test("printable keeps what is harmless as it is", () => {
  for (const text of ["", "plain", "Zürich 東京 🙂", "tab-free \\n"]) {
    assert.equal(printable(text), text);
  }
  assert.equal(printable("a\tb\n\x1b[0m"), "a\\tb\\n\\x1b[0m");
});

Deno.test("lines below the level are left out", () => {
  const written = lines({ level: "error" }, () => {
    logger("x").debug("1");
    logger("x").info("2");
    logger("x").warn("3");
    logger("x").error("4");
  });
  assert.equal(written.length, 1);
  assert.match(written[0] ?? "", /error: 4$/);
});

Deno.test("under journald a line starts with its priority and has no time of its own", () => {
  const written = lines({ journal: true, level: "debug" }, () => {
    logger("x").debug("d");
    logger("x").info("i");
    logger("x").warn("w");
    logger("x").error("e");
  });
  assert.deepEqual(written, ["<7>debug: d", "<6>info: i", "<4>warning: w", "<3>error: e"]);
});

Deno.test("nothing is written before logging is started and after it is stopped", () => {
  const written = lines({}, () => {});
  logger("x").error("lost");
  assert.deepEqual(written, []);
});
