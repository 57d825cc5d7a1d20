import assert from "node:assert/strict";
import { brotliCompressSync, createBrotliCompress, createGzip, gzipSync } from "node:zlib";
import { decodeBody } from "../../src/origin/decode.ts";
import { SLICE_BYTES } from "../../src/origin/inflation.ts";
import { LockstepError } from "../../src/protocol/errors.ts";
import { concat } from "../support/conversation.ts";

const ONE = '{"id":1,"updated_at":1}\n{"id":2,"updated_at":2}\n';
const TWO = '{"id":3,"updated_at":3}\n';

const gzip = (text: string | Uint8Array) => new Uint8Array(gzipSync(text));
const brotli = (text: string | Uint8Array) => new Uint8Array(brotliCompressSync(text));

interface Decoded {
  readonly text: string;
  readonly error: LockstepError | null;
}

/** Decodes a body that comes in these pieces. */
async function decode(coding: string, pieces: readonly Uint8Array[]): Promise<Decoded> {
  const facts = { headers: new Headers({ "content-encoding": coding }), printable: "http://h/x" };
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const bytes of decodeBody(ReadableStream.from(pieces), facts)) {
      text += decoder.decode(bytes, { stream: true });
    }
  } catch (error) {
    if (error instanceof LockstepError) return { text, error };
    throw error;
  }
  return { text, error: null };
}

/** A gzip header with everything that one may hold. */
function withAllFields(member: Uint8Array): Uint8Array {
  const header = member.slice(0, 10);
  header[3] = 2 + 4 + 8 + 16;
  return concat(
    header,
    Uint8Array.of(3, 0, 0x1f, 0x8b, 8),
    "name\0",
    "a comment\0",
    Uint8Array.of(7, 7),
    member.subarray(10),
  );
}

const WHOLE: readonly [name: string, coding: string, body: Uint8Array, text: string][] = [
  ["one member", "gzip", gzip(ONE), ONE],
  ["two members", "gzip", concat(gzip(ONE), gzip(TWO)), ONE + TWO],
  [
    "members without data between others",
    "gzip",
    concat(gzip(""), gzip(ONE), gzip(""), gzip(TWO), gzip("")),
    ONE + TWO,
  ],
  ["a member with all fields", "gzip", concat(withAllFields(gzip(ONE)), gzip(TWO)), ONE + TWO],
  ["x-gzip", "x-gzip", concat(gzip(ONE), gzip(TWO)), ONE + TWO],
  ["capitals", "GZIP", gzip(ONE), ONE],
  ["br", "br", brotli(ONE), ONE],
  ["gzip twice", "gzip, gzip", gzip(gzip(ONE)), ONE],
  ["br, then gzip in two members", "br, gzip", twice(brotli(ONE)), ONE],
  ["identity", "identity", new TextEncoder().encode(ONE), ONE],
  ["identity beside gzip", "identity, gzip", gzip(ONE), ONE],
  ["an empty body", "gzip", new Uint8Array(), ""],
  ["an empty body", "br", new Uint8Array(), ""],
  ["an empty body", "br, gzip", new Uint8Array(), ""],
];

/** The two halves, each in a gzip member. */
function twice(bytes: Uint8Array): Uint8Array {
  return concat(gzip(bytes.subarray(0, 9)), gzip(bytes.subarray(9)));
}

function flipped(bytes: Uint8Array, fromEnd: number): Uint8Array {
  const changed = bytes.slice();
  changed[changed.length - fromEnd] = (changed.at(-fromEnd) ?? 0) ^ 1;
  return changed;
}

const BROKEN: readonly [name: string, coding: string, body: Uint8Array, reason: RegExp][] = [
  ["a cut second member", "gzip", concat(gzip(ONE), gzip(TWO).subarray(0, -9)), /it is cut/],
  ["a cut header", "gzip", concat(gzip(ONE), Uint8Array.of(0x1f)), /it is cut/],
  ["no checksum", "gzip", gzip(ONE).subarray(0, -8), /it is cut/],
  ["half a length", "gzip", gzip(ONE).subarray(0, -2), /it is cut/],
  ["a wrong checksum", "gzip", flipped(gzip(ONE), 7), /it is damaged/],
  ["a wrong length", "gzip", flipped(gzip(ONE), 3), /it is damaged/],
  ["text behind the end", "gzip", concat(gzip(ONE), TWO), /left over/],
  ["zeros behind the end", "gzip", concat(gzip(ONE), new Uint8Array(8)), /left over/],
  [
    "a member behind zeros",
    "gzip",
    concat(gzip(ONE), new Uint8Array(8), gzip(TWO)),
    /left over/,
  ],
  ["no gzip", "gzip", new TextEncoder().encode(ONE), /doesn't begin as gzip/],
  ["two streams of br", "br", concat(brotli(ONE), brotli(TWO)), /left over/],
  ["zeros behind br", "br", concat(brotli(ONE), new Uint8Array(4)), /left over/],
  ["br cut by a byte", "br", brotli(ONE).subarray(0, -1), /it is cut/],
  ["br cut by two bytes", "br", brotli(ONE).subarray(0, -2), /it is cut/],
  ["a cut br in a whole gzip", "br, gzip", gzip(brotli(ONE).subarray(0, -2)), /br: it is cut/],
];

Deno.test("compressed bodies are read whole, however many members they have and however they are cut into pieces", async () => {
  for (const [name, coding, body, text] of WHOLE) {
    const each = Array.from(body, (byte) => Uint8Array.of(byte));
    for (const pieces of [[body], each]) {
      const decoded = await decode(coding, pieces);
      assert.deepEqual(decoded, { text, error: null }, `${name}, ${pieces.length} pieces`);
    }
    for (let at = 1; at < body.length; at++) {
      const decoded = await decode(coding, [body.subarray(0, at), body.subarray(at)]);
      assert.deepEqual(decoded, { text, error: null }, `${name}, cut at ${at}`);
    }
  }
});

Deno.test("compressed data that is cut, damaged or not all is a broken body, in any pieces", async () => {
  for (const [name, coding, body, reason] of BROKEN) {
    const each = Array.from(body, (byte) => Uint8Array.of(byte));
    const middle = Math.floor(body.length / 2);
    for (const pieces of [[body], each, [body.subarray(0, middle), body.subarray(middle)]]) {
      const { text, error } = await decode(coding, pieces);
      assert.deepEqual([error?.kind, error?.retry], ["broken-body", "soon"], name);
      assert.match(error?.message ?? "", reason, name);
      assert.ok((ONE + TWO).startsWith(text), `${name}: ${text}`);
    }
  }
});

Deno.test("every cut of a compressed body but that between two members is seen", async () => {
  const first = gzip(ONE);
  const body = concat(first, gzip(TWO));
  for (let at = 1; at < body.length; at++) {
    const { error } = await decode("gzip", [body.subarray(0, at)]);
    assert.equal(error?.kind, at === first.length ? undefined : "broken-body", `${at}`);
  }
  const compressed = brotli(ONE);
  for (let at = 1; at < compressed.length; at++) {
    const { error } = await decode("br", [compressed.subarray(0, at)]);
    assert.equal(error?.kind, "broken-body", `br, ${at}`);
  }
});

Deno.test("whole members come before the bytes that are left over behind them", async () => {
  const { text, error } = await decode("gzip", [concat(gzip(ONE), gzip(TWO), "rest")]);
  assert.equal(text, ONE + TWO);
  assert.match(error?.message ?? "", /left over/);
});

Deno.test("of data with a wrong checksum beside it nothing is passed on", async () => {
  assert.equal((await decode("gzip", [flipped(gzip(ONE), 7)])).text, "");
});

Deno.test("a body that expands a thousandfold comes in slices, and lets others have their turn", async () => {
  const MEMBER_BYTES = 16 * 2 ** 20;
  const bomb = gzip(new Uint8Array(MEMBER_BYTES).fill(0x20));
  const body = ReadableStream.from([bomb, bomb, bomb, bomb]);
  const headers = new Headers({ "content-encoding": "gzip" });
  let longestMs = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longestMs = Math.max(longestMs, performance.now() - last);
    last = performance.now();
  }, 1);
  let expanded = 0;
  for await (const slice of decodeBody(body, { headers, printable: "http://h/x" })) {
    assert.ok(slice.length <= SLICE_BYTES);
    expanded += slice.length;
  }
  clearInterval(timer);
  assert.equal(expanded, 4 * MEMBER_BYTES);
  assert.ok(longestMs < 100, `others waited for ${longestMs} ms`);
});

Deno.test("cancelling a compressed body cancels what it is read from", async () => {
  const { promise: cancelled, resolve } = Promise.withResolvers<unknown>();
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(gzip(ONE).subarray(0, 20));
    },
    cancel: resolve,
  }, { highWaterMark: 0 });
  const headers = new Headers({ "content-encoding": "gzip" });
  const reader = decodeBody(source, { headers, printable: "http://h/x" }).getReader();
  const read = reader.read();
  await reader.cancel("enough");
  assert.equal(await cancelled, "enough");
  assert.equal((await read).done, true);
});

Deno.test("what a compressed stream has flushed comes at once, before anything more is sent", async () => {
  for (
    const [coding, stream] of [["gzip", createGzip()], ["br", createBrotliCompress()]] as const
  ) {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const sender = writable.getWriter();
    stream.on("data", (bytes: Uint8Array) => void sender.write(bytes).catch(() => {}));
    const headers = new Headers({ "content-encoding": coding });
    const reader = decodeBody(readable, { headers, printable: "http://h/x" }).getReader();
    for (let i = 0; i < 3; i++) {
      stream.write(`{"id":${i}}\n`);
      stream.flush();
      const { value } = await reader.read();
      assert.equal(new TextDecoder().decode(value), `{"id":${i}}\n`, coding);
    }
    await reader.cancel();
    stream.destroy();
  }
});
