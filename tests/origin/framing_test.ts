import assert from "node:assert/strict";
import { framingOf } from "../../src/origin/framing.ts";

Deno.test("a framing is what shows the end of a body, and a bare close shows none", () => {
  const of = (headers: Record<string, string>, isHttp2 = false) =>
    framingOf(new Headers(headers), isHttp2);
  assert.deepEqual(of({ "content-length": "48" }), { kind: "length", lengthBytes: 48 });
  assert.deepEqual(of({ "content-length": "48, 48" }), { kind: "length", lengthBytes: 48 });
  assert.deepEqual(of({ "transfer-encoding": "chunked" }), { kind: "chunked" });
  assert.deepEqual(of({ "transfer-encoding": "gzip, Chunked" }), { kind: "chunked" });
  // Behind another coding than chunked the body goes on until the connection closes.
  assert.deepEqual(of({ "transfer-encoding": "chunked, gzip" }), { kind: "close" });
  assert.deepEqual(of({ "transfer-encoding": "identity", "content-length": "4" }), {
    kind: "close",
  });
  assert.deepEqual(of({ "transfer-encoding": "chunked", "content-length": "4" }), {
    kind: "chunked",
  });
  assert.deepEqual(of({}), { kind: "close" });
  assert.deepEqual(of({ "content-encoding": "gzip" }), { kind: "close" });
  assert.deepEqual(of({}, true), { kind: "stream" });
  assert.deepEqual(of({ "content-length": "48" }, true), { kind: "length", lengthBytes: 48 });
});
