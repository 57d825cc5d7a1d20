import assert from "node:assert/strict";
import fc from "fast-check";
import { MAX_DEPTH, stringifyJson } from "../../src/protocol/json_text.ts";
import { JsonValueDecoder, REJECT_TEXT_LENGTH } from "../../src/protocol/json_values.ts";
import type { JsonObject, JsonValue } from "../../src/protocol/record.ts";
import { type Bytes, chunkSizes, decode, decodeAlways, toBytes, valueText } from "./json_bodies.ts";

const encoder = new TextEncoder();

Deno.test("any values, any separators, any chunks: the same values", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(valueText(), fc.constantFrom("\n", "\r\n", " ", "\t", "", "\n\n \r\n", "\n  ")),
        { maxLength: 8 },
      ),
      chunkSizes(),
      fc.boolean(),
      (items, sizes, hasMark) => {
        // An array at the start would be the array of all records.
        let body = hasMark ? "\ufeff{}" : "{}\n";
        for (const [{ value, text }, separator] of items) {
          // Numbers and literals run into each other where nothing stands between.
          const standsAlone = typeof value === "string" ||
            (typeof value === "object" && value !== null);
          body += text + (separator === "" && !standsAlone ? " " : separator);
        }
        const result = decode(body, sizes);
        assert.deepStrictEqual(result.values, [{}, ...items.map(([{ value }]) => value)]);
        assert.deepStrictEqual(result.rejects, []);
        assert.equal(result.unfinished, null);
      },
    ),
    { numRuns: 1000 },
  );
});

/** How printers break lines: Python's with 0, 1 and 4, tabs, and one that wraps by width. */
const PRINTERS: readonly ((value: JsonObject) => string)[] = [
  stringifyJson,
  (value) => pretty(value, 1),
  (value) => pretty(value, 4),
  (value) => pretty(value, "\t"),
  (value) => pretty(value, 4).replaceAll(/\n +/g, "\n"),
  (value) => pretty(value, 2).replaceAll("\n", "\r\n"),
  (value) => pretty(value, 2).replace(/^\{\n {2}/, "{ "),
  (value) => pretty(value, 2).replaceAll(/,\n( +)/g, "\n$1, "),
];

/** As a pretty printer writes it; no names or texts with line breaks or brackets in them here. */
function pretty(value: JsonObject, indent: number | string): string {
  return JSON.stringify(value, null, indent);
}

/** Objects that every JSON can say. */
const plainObjects = () =>
  fc.array(
    fc.dictionary(
      fc.constantFrom("id", "a", "{", "long name"),
      fc.oneof(
        fc.nat(),
        fc.constantFrom<JsonValue>(null, true, "x", '{"id":1}', [], {}, [1, "a", { id: 9 }], [[
          {},
        ]]),
        fc.constant<JsonValue>({ id: 5, deep: [{ id: 6, more: { a: [1] } }, 2] }),
      ),
      { maxKeys: 4, noNullPrototype: true },
    ),
    { maxLength: 6 },
  );

Deno.test("records that a printer spread over several lines are read, in any chunks", () => {
  fc.assert(
    fc.property(
      plainObjects(),
      fc.constantFrom(...PRINTERS),
      fc.constantFrom("\n", "\r\n", "\n\n", "", " "),
      chunkSizes(),
      (values, print, separator, sizes) => {
        const body = values.map((value) => print(value) + separator).join("");
        const result = decode(body, sizes);
        assert.deepStrictEqual(result.values, values, body);
        assert.deepStrictEqual([result.rejects, result.unfinished], [[], null]);
      },
    ),
    { numRuns: 2000 },
  );
});

Deno.test("a bad record of several lines costs itself alone, and nothing inside it is a record", () => {
  const good = pretty({ id: 1, list: [{ id: 7 }] }, 2);
  const bad = [
    good.slice(0, -2), // the last line is missing
    good.slice(0, -6),
    good.slice(0, good.indexOf("[") + 1),
    good.replace('"list"', '"li\nst"'),
    good.replace('"list"', "list"),
    good.replace("]", ""),
    good.replace("{", "{,"),
    '{"id":1,"list":[',
    '{"id":1,',
    "{",
  ];
  for (const text of bad) {
    for (const next of [good, '{"id":1,"list":[{"id":7}]}']) {
      const result = decodeAlways(`${good}\n${text}\n${next}\n${next}\n`);
      assert.deepEqual(result.values, Array(3).fill({ id: 1, list: [{ id: 7 }] }), text);
      assert.equal(result.rejects.length, 1, text);
      assert.equal(result.unfinished, null);
    }
  }
});

Deno.test("a blank line ends a value that is begun: a heartbeat lets a bad line go", () => {
  const decoder = new JsonValueDecoder();
  assert.equal(decoder.push(encoder.encode('{"id":1,\n')).rejects.length, 0);
  assert.equal(decoder.push(encoder.encode("\n")).rejects.length, 1);
  assert.deepEqual(decoder.push(encoder.encode('{"id":2}')).values, [{ id: 2 }]);
});

Deno.test("a record of several lines that the end cuts is unfinished, a bad last line is not", () => {
  const text = pretty({ id: 1, list: [{ id: 7 }] }, 2);
  for (let at = 1; at < text.length; at++) {
    const result = decodeAlways(`{"id":0}\n${text.slice(0, at)}`);
    assert.deepEqual([result.rejects, typeof result.unfinished], [[], "string"], text.slice(0, at));
  }
  const bad = decodeAlways('{"id":0}\n{"id":1,\n');
  assert.deepEqual([bad.rejects.length, bad.unfinished], [1, null]);
});

Deno.test("whatever the bytes, what comes out doesn't depend on where chunks end", () => {
  const scraps = fc.constantFrom<Bytes>(
    ...'{}[]",:\\\n\r \n1e-',
    '{"id":1}',
    '{"a":',
    "true",
    "tru",
    "é☃😀",
    "\ufeff",
    "9007199254740993",
    "1e400",
    "[".repeat(20),
    '{\n  "a": [',
    '\n  "b": 1,\n',
    "\n}\n",
    '"a":1',
    "\n ",
    "\x1e",
    "x".repeat(70),
    Uint8Array.of(0xff),
    Uint8Array.of(0xe2, 0x98),
  );
  fc.assert(
    fc.property(
      fc.array(scraps, { maxLength: 30 }),
      chunkSizes(),
      fc.constantFrom(undefined, 1, 30, 64),
      (parts, sizes, maxLength) => {
        const body = toBytes(...parts);
        const { lengths: _, ...whole } = decode(body, [], maxLength);
        const { lengths: __, ...cut } = decode(body, sizes, maxLength);
        assert.deepStrictEqual(cut, whole);
      },
    ),
    { numRuns: 3000 },
  );
});

const BAD_LINES: readonly (readonly [line: Bytes, reason: string])[] = [
  ['{"id":1,', "not JSON"],
  ['{"id":1,"name":"cut', "not JSON"],
  ['{"id":1,"name":"cut\\', "not JSON"],
  ['"cut', "not JSON"],
  ["[1,2", "not JSON"],
  ["not json at all 5", "not JSON"],
  ['<html>{"id":1}</html>', "not JSON"],
  [',{"id":1}', "not JSON"],
  ["}", "not JSON"],
  ["NaN", "not JSON"],
  ['{"id":01}', "not JSON"],
  ["{'id':1}", "not JSON"],
  ["{]", "not JSON"],
  ['{"id":1,}', "not JSON"],
  ["\ufeffx", "not JSON"],
  ['{"id":1e400}', "number out of range"],
  ["-1e400", "number out of range"],
  [`[${"9".repeat(400)}]`, "number out of range"],
  [toBytes('{"name":"', Uint8Array.of(0xff), '"}'), "invalid UTF-8"],
  [toBytes('{"name":"', Uint8Array.of(0xed, 0xa0, 0x80), '"}'), "invalid UTF-8"],
  [toBytes("bare ", Uint8Array.of(0xc3)), "invalid UTF-8"],
  ["[".repeat(MAX_DEPTH + 1) + "]".repeat(MAX_DEPTH + 1), "nested too deep"],
  [`{"text":"${"x".repeat(3000)}"}`, "too long"],
  ["x".repeat(3000), "too long"],
  [`{"text":"${"x".repeat(3000)}`, "too long"],
];

Deno.test("bad lines between good ones: the good ones come out, each bad one is one reject", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.nat(9), fc.constantFrom(...BAD_LINES)), { maxLength: 12 }),
      fc.constantFrom("\n", "\r\n"),
      chunkSizes(),
      (lines, newline, sizes) => {
        const body = lines.flatMap((
          line,
        ) => [typeof line === "number" ? `{"id":${line}}` : line[0], newline]);
        // The first line must not begin with a mark or a bracket, which mean more there.
        const result = decode(toBytes("{}", newline, ...body), sizes, 2900);
        const good = lines.filter((line) => typeof line === "number");
        const bad = lines.filter((line) => typeof line !== "number");
        assert.deepStrictEqual(result.values, [{}, ...good.map((id) => ({ id }))]);
        assert.deepStrictEqual(result.rejects.map(({ reason }) => reason), bad.map(([, r]) => r));
        assert.equal(result.unfinished, null);
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("a reject carries the text of its line", () => {
  for (const line of ['{"id":1,', "not json  at all", '{"id":1e400}', "}"]) {
    assert.deepEqual(decodeAlways(`{}\n ${line} \r\n{}`).rejects.map(({ text }) => text), [line]);
  }
});

Deno.test("the protocol's own server: objects with nothing between them, each out at once", () => {
  const decoder = new JsonValueDecoder();
  const push = (text: string) => decoder.push(encoder.encode(text)).values;
  assert.deepEqual(push('{"id":1}{"id":2}{"i'), [{ id: 1 }, { id: 2 }]);
  assert.deepEqual(push('d":3'), []);
  assert.deepEqual(push("}"), [{ id: 3 }]);
  assert.deepEqual(push('{"id":4}'), [{ id: 4 }]);
  assert.equal(decoder.end().unfinished, null);
});

Deno.test("a stream without newlines goes on behind an object that isn't JSON", () => {
  const result = decodeAlways('{"id":1}{"id":oops}{"id":"}{"}{"id":1e999}{"id":3}');
  assert.deepEqual(result.values, [{ id: 1 }, { id: "}{" }, { id: 3 }]);
  assert.deepEqual(result.rejects, [
    { text: '{"id":oops}', reason: "not JSON" },
    { text: '{"id":1e999}', reason: "number out of range" },
  ]);
});

Deno.test("objects inside a line that went bad are not taken for records", () => {
  const result = decodeAlways('{"id":1,"text":"a\nb","owner":{"id":7}}\n  ]: {"id":8}\n{"id":9}\n');
  assert.deepEqual(result.values, [{ id: 9 }]);
  assert.deepEqual(result.rejects.map(({ text }) => text), [
    '{"id":1,"text":"a',
    'b","owner":{"id":7}}',
    ']: {"id":8}',
  ]);
});

Deno.test("blank lines, heartbeats and an empty body bring nothing", () => {
  for (const body of ["", "\n", "\r\n\r\n", " \t \n\n", "\ufeff", "\ufeff\n"]) {
    const result = decodeAlways(body);
    assert.deepEqual([result.values, result.rejects, result.unfinished], [[], [], null]);
  }
});

Deno.test("a byte order mark is skipped at the start only", () => {
  assert.deepEqual(decodeAlways('\ufeff{"id":1}\n{"a":"\ufeff"}\n').values, [
    { id: 1 },
    { a: "\ufeff" },
  ]);
  const twice = decodeAlways('\ufeff{"id":1}\n\ufeff{"id":2}\n{"id":3}\n');
  assert.deepEqual(twice.values, [{ id: 1 }, { id: 3 }]);
  assert.equal(twice.rejects.length, 1);
  for (const rest of ["", "{}\n"]) {
    const result = decodeAlways(toBytes(Uint8Array.of(0xef, 0xbb), rest));
    assert.deepEqual(result.values, [], "half a mark is part of the line");
    assert.deepEqual(result.rejects.map(({ reason }) => reason), ["invalid UTF-8"]);
  }
  const decoder = new JsonValueDecoder();
  decoder.push(encoder.encode('{"id":1}\n'));
  assert.equal(decoder.push(encoder.encode('\ufeff{"id":2}\n')).rejects.length, 1);
  assert.equal(decoder.push(encoder.encode("\ufeff5\n")).rejects.length, 1);
});

Deno.test("exact integers on the short way, across chunks, and without newlines", () => {
  const big = { id: 9007199254740993n, deep: [{ n: -18446744073709551615n }], s: "9".repeat(30) };
  const text = stringifyJson(big);
  assert.deepEqual(decodeAlways(`{"id":1}\n${text}\n${text}${text}`).values, [
    { id: 1 },
    big,
    big,
    big,
  ]);
});

Deno.test("a number cut by a chunk border is one number", () => {
  assert.deepEqual(decodeAlways("123456 -1.5e3\n1234567890123456789").values, [
    123456,
    -1500,
    1234567890123456789n,
  ]);
});

Deno.test("invalid UTF-8 costs its own line, whose text has replacement characters", () => {
  const result = decodeAlways(
    toBytes('{"id":"ü"}\n{"id":"', Uint8Array.of(0xff), '"}\n{"id":"�☃"}\n'),
  );
  assert.deepEqual(result.values, [{ id: "ü" }, { id: "�☃" }]);
  assert.deepEqual(result.rejects, [{ text: '{"id":"�"}', reason: "invalid UTF-8" }]);
});

Deno.test("a value of the greatest length passes, one byte more is too long", () => {
  const fits = `{"t":"${"é".repeat(46)}"}`; // 92 bytes in the string, 8 around it
  const over = `{"t":"${"é".repeat(46)}x"}`;
  for (const between of ["\n", "", "  "]) {
    const result = decodeAlways([fits, over, fits, "1"].join(between), 100);
    assert.deepEqual(result.values, [{ t: "é".repeat(46) }, { t: "é".repeat(46) }, 1]);
    assert.deepEqual(result.rejects.map(({ reason }) => reason), ["too long"]);
  }
  assert.deepEqual(
    decodeAlways(`${" ".repeat(500)}${fits}${" ".repeat(500)}\n`, 100).values.length,
    1,
  );
});

Deno.test("the text of a reject is its first 16 Ki UTF-16 units", () => {
  const lines = [
    ["x ".repeat(50_000), "not JSON"],
    [`{"a":"${"é".repeat(50_000)}"`, "not JSON"],
    [`{"a":"${"😀".repeat(50_000)}"}`, "too long"],
  ] as const;
  for (const [line, reason] of lines) {
    const body = toBytes(line + '\n{"id":1}');
    for (const sizes of [[], [1000], [65_536]]) {
      const result = decode(body, sizes, 120_000);
      assert.deepEqual(result.values, [{ id: 1 }]);
      assert.deepEqual(result.rejects, [
        { text: line.slice(0, REJECT_TEXT_LENGTH).trim(), reason },
      ]);
    }
  }
});

Deno.test("a value that was refused as too long isn't unfinished as well", () => {
  const result = decodeAlways(`{"t":"${"x".repeat(200)}`, 100);
  // In one chunk as in many: reported when the limit is passed, whatever follows.
  assert.deepEqual(result.rejects.map(({ reason }) => reason), ["too long"]);
  assert.equal(result.unfinished, null);
});

Deno.test("a line without end is reported once and not held in memory", () => {
  const chunk = encoder.encode("x".repeat(65_536));
  for (const start of ['{"a":"', "[", "x", "x ", '"']) {
    const decoder = new JsonValueDecoder({ maxLength: 1 << 20 });
    const before = Deno.memoryUsage().external;
    let rejects = decoder.push(encoder.encode(`{}\n${start}`)).rejects.length;
    for (let turn = 0; turn < 1024; turn++) rejects += decoder.push(chunk).rejects.length;
    assert.ok(Deno.memoryUsage().external - before < 16 << 20, "64 MiB went through");
    assert.equal(rejects, 1);
    const last = decoder.push(encoder.encode('\n{"id":1}\n'));
    assert.deepEqual(last.values, [{ id: 1 }]);
    assert.deepEqual(last.rejects, []);
  }
});

Deno.test("a long line that trickles in byte by byte is read", () => {
  // Half a million pushes: reading the held bytes again at each would take minutes.
  const text = `{"text":"${"x".repeat(500_000)}"}`;
  assert.deepEqual(decode(text, [1]).lengths, [text.length]);
});

Deno.test("100,000 levels of nesting are a reject, not a crash", () => {
  const deep = '{"a":['.repeat(50_000);
  for (const body of [`${deep}1${"]}".repeat(50_000)}\n{"id":1}\n`, `${deep}\n{"id":1}\n`]) {
    for (const sizes of [[], [1000]]) {
      const result = decode(body, sizes);
      assert.deepEqual(result.values, [{ id: 1 }]);
      assert.deepEqual(result.rejects.map(({ reason }) => reason), ["nested too deep"]);
    }
  }
  assert.equal(decode("[".repeat(MAX_DEPTH) + "]".repeat(MAX_DEPTH), [7]).values.length, 1);
});

Deno.test("a value of too many parts is refused wherever chunks end, and the next one is read", () => {
  for (const part of ["{},", "[],", '{"a":1},']) {
    const body = `{"x":[${part.repeat(2_700_000)}1]}{"id":1}\n`;
    for (const sizes of [[], [65_536], [99_991]]) {
      const result = decode(body, sizes, 1 << 26);
      assert.deepEqual(result.values, [{ id: 1 }]);
      assert.deepEqual(result.rejects, [
        { text: body.slice(0, REJECT_TEXT_LENGTH), reason: "too many values" },
      ]);
    }
  }
});

Deno.test("a long list of numbers or texts, and large objects of few fields, are no such value", () => {
  for (const [part, count] of [["1,", 7e6], ['"a",', 3e6], ['{"a":1,"b":2},', 5e5]] as const) {
    assert.deepEqual(decode(`{"x":[${part.repeat(count)}1]}`, [65_536]).rejects, []);
  }
});

Deno.test("a lone surrogate written as an escape is kept", () => {
  assert.deepEqual(decodeAlways('{"a":"\\ud800"}\n').values, [{ a: "\ud800" }]);
});

Deno.test("a last value without newline comes out at the end", () => {
  for (const text of ['{"id":1}', "[1]", '"a"', "12", "-1.5e3", "true", "null"]) {
    const result = decodeAlways(`{}\n${text}`);
    assert.deepEqual(result.values, [{}, JSON.parse(text)]);
    assert.deepEqual([result.rejects, result.unfinished], [[], null]);
  }
});

Deno.test("wherever the end cuts a value, its beginning is unfinished and never a reject", () => {
  fc.assert(
    fc.property(valueText(), fc.nat(), chunkSizes(), ({ text }, place, sizes) => {
      const bytes = encoder.encode(text);
      const cut = bytes.subarray(0, 1 + place % bytes.length);
      const result = decode(toBytes('{"id":1}\n', cut), sizes);
      assert.deepStrictEqual(result.rejects, []);
      if (result.unfinished === null) assert.equal(result.values.length, 2);
      else {assert.equal(
          result.unfinished,
          new TextDecoder("utf-8", { ignoreBOM: true }).decode(cut),
        );}
    }),
    { numRuns: 2000 },
  );
});

Deno.test("a last line that no text could complete is a reject", () => {
  const ends = [
    "{garbage",
    '{"a" 1',
    '{"a":1,,',
    '{"a":[1}',
    "[1 2",
    '{"a":tru,',
    '{"a":"\\x',
    '{"a":"\t',
    '"\\u12x',
    "{1",
    "[01",
    "nul!",
    "{]",
    "<html>",
    "[",
  ];
  for (const text of ends) {
    const result = decodeAlways(`{"id":1}\n${text}`);
    const isCut = text === "[";
    assert.deepEqual(result.values, [{ id: 1 }], text);
    assert.deepEqual(
      result.rejects,
      isCut ? [] : [{ text: text.trim(), reason: "not JSON" }],
      text,
    );
    assert.equal(result.unfinished, isCut ? text : null, text);
  }
  const broken = decodeAlways(toBytes('{"a":"', Uint8Array.of(0xff)));
  assert.deepEqual(broken.rejects.map(({ reason }) => reason), ["invalid UTF-8"]);
});

Deno.test("the length of a value is that of its text in UTF-16 units", () => {
  const lines = ['{"a":"é☃😀"}', '{"id":1}', '["x"]'];
  for (const sizes of [[], [1]]) {
    assert.deepEqual(
      decode(lines.join("\n") + "\n", sizes).lengths,
      lines.map((line) => line.length),
    );
  }
});
