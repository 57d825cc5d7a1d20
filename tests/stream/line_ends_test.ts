import assert from "node:assert/strict";
import { LineEnds } from "../../src/stream/line_ends.ts";

Deno.test("a chunk of blanks is a blank line, unless it ends the line before it", () => {
  const CASES: readonly (readonly [chunks: readonly string[], endsBlank: boolean])[] = [
    [["\n"], true],
    [["\r\n"], true],
    [[" "], true],
    [["{}\n", "\r\n"], true],
    [["{}\n", "\n"], true],
    [["{}\n\n"], true],
    [["{}\r\n\r\n"], true],
    [["{}", "\n"], false],
    [["{}", "\r\n"], false],
    [["{}", "\n", "\n"], true],
    [["{}\n"], false],
    [["{}"], false],
    [["[{},", " "], true],
    [["{}", " "], false],
    [["{}", "\r", "\n"], false],
    [["{}\n\x1e"], false],
    [["{}\n\x1e", "\n"], true],
    [["\n", ""], false],
  ];
  for (const [chunks, endsBlank] of CASES) {
    const lines = new LineEnds();
    let last = false;
    for (const chunk of chunks) last = lines.endsBlank(new TextEncoder().encode(chunk));
    assert.equal(last, endsBlank, JSON.stringify(chunks));
  }
});
