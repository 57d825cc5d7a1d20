import assert from "node:assert/strict";
import fc from "fast-check";
import { formatDuration, parseDuration, readDuration } from "../../src/base/duration.ts";
import { LockstepError } from "../../src/protocol/errors.ts";

Deno.test("a duration is read in every unit, in sums, and as bare seconds", () => {
  const cases: [text: string, ms: number][] = [
    ["1s", 1000],
    ["500ms", 500],
    ["7d", 604_800_000],
    ["1m30s", 90_000],
    ["1h", 3_600_000],
    ["1.5s", 1500],
    ["0.25", 250],
    ["2", 2000],
    ["0", 0],
    [" 10s ", 10_000],
  ];
  for (const [text, ms] of cases) assert.equal(readDuration(text), ms, text);
});

Deno.test("what is no duration is refused, naming the option, the text and what is accepted", () => {
  for (
    const text of ["", "s", "1x", "-1s", "1s later", "1 s", "1e3", "Infinity", "99999999999999d"]
  ) {
    assert.throws(() => parseDuration(text, "--poll"), (error) => {
      assert.ok(error instanceof LockstepError);
      assert.equal(error.kind, "usage");
      assert.ok(error.message.includes("--poll") && error.message.includes(JSON.stringify(text)));
      assert.match(error.hint, /500ms/);
      return true;
    });
  }
});

Deno.test("a duration is written so that it reads back the same", () => {
  assert.equal(formatDuration(90_000), "1m30s");
  assert.equal(formatDuration(0), "0s");
  assert.equal(formatDuration(604_800_000), "7d");
  fc.assert(fc.property(fc.nat({ max: 2 ** 40 }), (ms) => {
    assert.equal(readDuration(formatDuration(ms)), ms);
  }));
});
