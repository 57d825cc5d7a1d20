import assert from "node:assert/strict";
import { checkHeaders, overlay, parseHeader, readHeaderFile } from "../../src/origin/headers.ts";
import { LockstepError } from "../../src/protocol/errors.ts";

Deno.test("a header is a name, a colon and a value without the blanks around it", () => {
  assert.deepEqual(parseHeader("Authorization: Bearer a:b"), ["Authorization", "Bearer a:b"]);
  assert.deepEqual(parseHeader("x-key:1"), ["x-key", "1"]);
  assert.deepEqual(parseHeader("x-empty:"), ["x-empty", ""]);
});

Deno.test("a bad header is refused without its value", () => {
  const cases: [text: string, why: RegExp][] = [
    ["Bearer s3cret", /--header has no colon/],
    [": s3cret", /no name/],
    ["x y: s3cret", /name with a character/],
    ["x: s3cret\r\nInjected: 1", /value with a character/],
    ["x: s3cret\u{1f600}", /value with a character/],
    ["Host: s3cret", /sets Host/],
    ["accept-encoding: s3cret", /sets accept-encoding/],
  ];
  for (const [text, why] of cases) {
    assert.throws(() => parseHeader(text), (error) => {
      assert.ok(error instanceof LockstepError);
      assert.equal(error.kind, "usage");
      assert.equal(error.retry, "never");
      assert.match(error.message, why);
      assert.ok(!`${error.message}${error.hint}`.includes("s3cret"));
      return true;
    });
  }
  assert.throws(() => checkHeaders([["x:y", "s3cret"]]), /name with a character/);
  assert.throws(() => checkHeaders([["x", "s3\ncret"]]), /value with a character/);
});

Deno.test("a user's header replaces what was there, and may come more than once", () => {
  const headers = new Headers({ accept: "a", other: "b" });
  overlay(headers, [["Accept", "mine"], ["x", "1"], ["X", "2"]]);
  assert.deepEqual([...headers], [["accept", "mine"], ["other", "b"], ["x", "1, 2"]]);
});

Deno.test("a header file has a header a line, blank lines and comments", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(
      path,
      "\ufeff# our token\r\n\r\nAuthorization: Bearer t\r\n  # x: y\nx: 1",
    );
    assert.deepEqual(await readHeaderFile(path), [["Authorization", "Bearer t"], ["x", "1"]]);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a bad line of a header file is named by file and number, and isn't shown", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, "# one\nx: 1\ns3cret without a name\n");
    await assert.rejects(readHeaderFile(path), (error) => {
      assert.ok(error instanceof LockstepError);
      assert.equal(error.retry, "slow");
      assert.ok(error.message.startsWith(`${path}:3 has no colon`), error.message);
      assert.ok(!Deno.inspect(error).includes("s3cret"));
      return true;
    });
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a header file that can't be read is an error that says why and may pass", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await assert.rejects(readHeaderFile(`${folder}/none`), /none can't be read \(there is no such/);
    await assert.rejects(readHeaderFile(folder), (error) => {
      assert.ok(error instanceof LockstepError);
      assert.equal(error.kind, "usage");
      assert.equal(error.retry, "slow");
      return true;
    });
  } finally {
    await Deno.remove(folder);
  }
});
