import assert from "node:assert/strict";
import fc from "fast-check";
import { LiveLine } from "../../../src/cli/report/live_line.ts";
import { displayWidth, formatProgress } from "../../../src/cli/report/progress.ts";
import { processStatus } from "../statuses.ts";

const CATCHING_UP = {
  state: "catching-up",
  live: false,
  rows: 152340,
  rowsExact: false,
  recordsPerSecond: 48210.4,
  progress: 0.618,
  cursor: "1763852100",
} as const;

Deno.test("one table: state, rows, rate, percent, cursor; an estimate is marked", () => {
  assert.equal(
    formatProgress(processStatus(CATCHING_UP), 120),
    "servers  catching up  ≈152,340 rows  48,210/s  61 %  cursor 1763852100",
  );
  assert.equal(
    formatProgress(processStatus({ ageSeconds: 75.9, recordsPerSecond: 0.25 }), 120),
    "servers  live  1,234 rows  0.3/s  last contact 1m15s ago  cursor 998",
  );
});

Deno.test("a narrow terminal loses the least important parts, and no number is cut short", () => {
  const status = processStatus(CATCHING_UP);
  assert.equal(formatProgress(status, 60), "servers  catching up  ≈152,340 rows  48,210/s  61 %");
  assert.equal(formatProgress(status, 40), "servers  catching up  ≈152,340 rows");
  assert.equal(formatProgress(status, 10), "servers  …");
  const refused = processStatus({ state: "waiting", live: false, reason: "connection refused" });
  assert.equal(
    formatProgress(refused, 70),
    "servers  waiting for the origin  1,234 rows  cursor 998  connection r…",
  );
});

Deno.test("several tables: how many are in which state, sums, and what is wrong first", () => {
  const status = processStatus(
    { table: "a" },
    { table: "b", rows: 1, rowsExact: false, recordsPerSecond: 10 },
    { table: "c", state: "waiting", live: false, reason: "connection refused" },
    { table: "d", state: "failing", live: false, reason: "401 from http://h/d" },
  );
  assert.equal(
    formatProgress(status, 150),
    "4 tables: 2 live, 1 waiting for the origin, 1 failing  ≈3,703 rows  10/s  " +
      "d: 401 from http://h/d",
  );
});

Deno.test("the line fits and stays a line, whatever an origin calls its things", () => {
  const text = fc.string({ unit: "binary" });
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 200 }),
    fc.array(fc.record({ table: text, cursor: text, reason: text }), { maxLength: 3 }),
    (width, tables) => {
      const line = formatProgress(processStatus(...tables), width);
      assert.ok(displayWidth(line) <= width, `${displayWidth(line)} columns`);
      // deno-lint-ignore no-control-regex -- what must never reach a terminal
      assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]/);
    },
  ));
});

Deno.test("wide characters count two columns, marks none", () => {
  assert.equal(displayWidth("abc"), 3);
  assert.equal(displayWidth("東京"), 4);
  assert.equal(displayWidth("e\u0301"), 1);
  assert.equal(displayWidth("🙂"), 2);
});

/** What a terminal of one line would show, and the lines that scrolled away. */
class ConsoleReporter {
  readonly lines: string[] = [];
  line = "";
  writes = 0;
  write(text: string): void {
    this.writes++;
    // deno-lint-ignore no-control-regex -- a terminal's "clear to the end of the line"
    for (const part of text.split(/(\n|\r\x1b\[K)/)) {
      if (part === "\n") {
        this.lines.push(this.line);
        this.line = "";
      } else if (part === "\r\x1b[K") this.line = "";
      else this.line += part;
    }
  }
  width(): number {
    return 20;
  }
}

Deno.test("log lines pass above the live line, and nothing of it is left behind", () => {
  const screen = new ConsoleReporter();
  const live = new LiveLine(screen);
  live.above("first");
  live.draw((width) => "x".repeat(width));
  assert.equal(screen.line, "x".repeat(19));
  live.above("second");
  assert.deepEqual(screen.lines, ["first", "second"]);
  assert.equal(screen.line, "x".repeat(19));
  const { writes } = screen;
  live.draw((width) => "x".repeat(width));
  assert.equal(screen.writes, writes, "the same line is not drawn again");
  live.close();
  live.above("third");
  live.draw(() => "too late");
  assert.deepEqual(screen.lines, ["first", "second", "third"]);
  assert.equal(screen.line, "");
});
