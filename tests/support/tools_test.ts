import assert from "node:assert/strict";
import { findTool, missing, runTool } from "./tools.ts";

Deno.test("a program that isn't there is named, with the package that brings it", () => {
  assert.equal(findTool("no-such-program"), null);
  assert.equal(
    missing("sh", "no-such-program"),
    "no-such-program missing: apt-get install no-such-program",
  );
  assert.equal(missing("sh"), null);
});

Deno.test("running a program that isn't there is a rejection and no throw", async () => {
  const outcome = await runTool("no-such-program", []).catch((error: unknown) => error);
  assert.ok(outcome instanceof Deno.errors.NotFound);
});

Deno.test("a program is told its input, and heard", async () => {
  const said = await runTool("sh", ["-c", "cat; echo oops >&2; exit 3"], { stdin: "hello" });
  assert.deepEqual(said, { code: 3, stdout: "hello", stderr: "oops\n" });
});
