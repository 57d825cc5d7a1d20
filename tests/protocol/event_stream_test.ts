import assert from "node:assert/strict";
import fc from "fast-check";
import { EventStreamText } from "../../src/protocol/event_stream.ts";
import { chunkSizes } from "./json_bodies.ts";

function textOf(body: string, sizes: readonly number[] = []): string {
  const events = new EventStreamText();
  const bytes = new TextEncoder().encode(body);
  let text = "";
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes.length === 0 ? bytes.length : sizes[turn % sizes.length] ?? 1;
    text += decoder.decode(events.push(bytes.slice(at, at + size)), { stream: true });
    at += size;
  }
  return text;
}

Deno.test("an event's data lines are one text, and its end a record separator", () => {
  assert.equal(textOf('data: {"id":1}\n\n'), '{"id":1}\n\x1e');
  assert.equal(textOf('data: {"id":\ndata:1}\n\ndata: 2\n\n'), '{"id":\n1}\n\x1e2\n\x1e');
  assert.equal(textOf("data\ndata: \ndata:  x\n\n"), "\n\n x\n\x1e");
});

Deno.test("comments, blank lines and the other fields are blank lines", () => {
  assert.equal(textOf(": ping\n\n"), "\n\n");
  assert.equal(textOf(":\nevent: put\nid: 7\nretry: 5\nnonsense\ndatax: 1\n\n\n"), "\n".repeat(8));
  assert.equal(textOf("event: put\ndata: 1\nid: 2\n\n"), "\n1\n\n\x1e");
});

Deno.test("lines end with LF, CR or CRLF, and a byte order mark may stand before the first", () => {
  const body = "\ufeffdata: 1\n: c\ndata: 2\n\ndata: 3\n\n";
  const text = "1\n\n2\n\x1e3\n\x1e";
  for (const end of ["\n", "\r", "\r\n"]) {
    for (const sizes of [[], [1], [2, 3]]) {
      assert.equal(textOf(body.replaceAll("\n", end), sizes), text);
    }
  }
  assert.equal(textOf("x\n\ufeffdata: 1\n\n"), "\n\n\n", "elsewhere the mark is part of a name");
});

Deno.test("whatever the bytes, the text doesn't depend on where chunks end, nor grow", () => {
  const scraps = fc.constantFrom("data", ":", " ", "\n", "\r", "{}", "\ufeff", "é", "id", "x");
  fc.assert(fc.property(fc.array(scraps, { maxLength: 40 }), chunkSizes(), (parts, sizes) => {
    const body = parts.join("");
    assert.equal(textOf(body, sizes), textOf(body));
    assert.ok(textOf(body).length <= new TextEncoder().encode(body).length);
  }));
});
