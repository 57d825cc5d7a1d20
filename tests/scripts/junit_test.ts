import assert from "node:assert/strict";
import { tallyOf } from "../../scripts/junit.ts";

Deno.test("a report is counted: passed, failed with the file, skipped with the reason", () => {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="4" failures="1" errors="0" time="0.1">
  <testsuite name="./a_test.ts" tests="4" disabled="1" errors="0" failures="1">
    <testcase name="one" classname="./a_test.ts" time="0.000" line="1" col="6">
    </testcase>
    <testcase name="two" classname="./a_test.ts"/>
    <testcase name="page &lt;b&gt; (skipped: apt-get install chromium)" classname="./a_test.ts">
      <skipped/>
    </testcase>
    <testcase name="three &gt; a step" classname="./a_test.ts" time="0.001" line="3" col="6">
      <failure message="Uncaught Error: &lt;skipped/&gt;">Error: x</failure>
    </testcase>
  </testsuite>
</testsuites>`;
  assert.deepEqual(tallyOf(xml), {
    passed: 2,
    failed: ["three > a step (./a_test.ts)"],
    skipped: ["page <b> (skipped: apt-get install chromium)"],
  });
  assert.deepEqual(tallyOf(""), { passed: 0, failed: [], skipped: [] });
});
