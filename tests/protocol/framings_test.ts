import assert from "node:assert/strict";
import fc from "fast-check";
import { EventStreamText } from "../../src/protocol/event_stream.ts";
import { stringifyJson } from "../../src/protocol/json_text.ts";
import { JsonValueDecoder, type JsonValueOptions } from "../../src/protocol/json_values.ts";
import type { BodyFault } from "../../src/protocol/json_document.ts";
import type { JsonObject, JsonValue } from "../../src/protocol/record.ts";
import { jsonValue } from "./json_arbitrary.ts";
import { type Bytes, chunkSizes, toBytes } from "./json_bodies.ts";

interface Read {
  readonly values: JsonValue[];
  readonly rejects: readonly { readonly text: string; readonly reason: string }[];
  readonly unfinished: boolean;
  readonly isEndProved: boolean;
  readonly fault: BodyFault | null;
}

interface Framing {
  /** The bodies that hold these records. */
  readonly write: (records: readonly JsonObject[]) => string;
  readonly options?: JsonValueOptions;
  readonly isEvents?: boolean;
  /** Whether a clean end of such a body proves itself. */
  readonly isProved: boolean;
}

function read(body: Bytes, sizes: readonly number[], framing: Partial<Framing> = {}): Read {
  const events = framing.isEvents ? new EventStreamText() : null;
  const decoder = new JsonValueDecoder({ ...framing.options, isSequence: events !== null });
  const bytes = toBytes(body);
  const values: JsonValue[] = [];
  const rejects: Read["rejects"][number][] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes.length === 0 ? bytes.length : sizes[turn % sizes.length] ?? 1;
    const chunk = bytes.slice(at, at + size);
    const batch = decoder.push(events === null ? chunk : events.push(chunk));
    values.push(...batch.values);
    rejects.push(...batch.rejects);
    chunk.fill(0x7b);
    at += size;
  }
  const last = decoder.end();
  values.push(...last.values);
  rejects.push(...last.rejects);
  const { fault, isEndProved } = decoder;
  return { values, rejects, unfinished: last.unfinished !== null, isEndProved, fault };
}

const lines = (records: readonly JsonObject[], mark: string, end: string) =>
  records.map((record) => mark + stringifyJson(record) + end).join("");
const array = (records: readonly JsonObject[], between = ",") =>
  `[${records.map((record) => stringifyJson(record)).join(between)}]`;
const wide = (value: JsonValue) =>
  stringifyJson(value).replaceAll(/(?<=[{[])(?=[^"]*$)|(?=[}\]][}\]]*$)/g, " \r\n\t");

const BESIDE = '{"a":[{"id":1}],"data":[2]},"t":"]}\\"[{\\\\","n":-1.5e3,"l":[[],{}],"z":null';

const FRAMINGS: Readonly<Record<string, Framing>> = {
  "lines": { write: (records) => lines(records, "", "\n"), isProved: false },
  "objects with nothing between": { write: (records) => lines(records, "", ""), isProved: false },
  "an array on one line": { write: (records) => array(records), isProved: true },
  "an array, an element a line": {
    write: (records) => array(records, ",\n").replace("[", "[\n") + "\n",
    isProved: true,
  },
  "an array with commas in front": { write: (records) => array(records, "\n, "), isProved: true },
  "an array that a printer spread out": {
    write: (records) => ` \n${wide(records as JsonValue[])}\n\n`,
    isProved: true,
  },
  "an envelope": {
    write: (records) => `{"data":${array(records)}}`,
    options: { records: "data" },
    isProved: true,
  },
  "an envelope with much beside the records": {
    write: (records) => `{"x":${BESIDE},"data":${array(records, " ,\n ")},"y":${BESIDE}}\n`,
    options: { records: "data" },
    isProved: true,
  },
  "a nested envelope": {
    write: (records) =>
      `{"result":{"items2":[1],"items":${array(records)},"next":{"items":[9]}},"items":[8]}`,
    options: { records: "/result/items" },
    isProved: true,
  },
  "an envelope that is an array, names with escapes": {
    write: (records) => `[{"pages":[1,2]},{"a\\u002fb":${array(records)}}, 7]`,
    options: { records: "/1/a~1b" },
    isProved: true,
  },
  "envelopes of one record each": {
    write: (records) =>
      records.map((record) => `{"type":"ADDED","object":${stringifyJson(record)}}\n`).join(""),
    options: { records: "object" },
    isProved: false,
  },
  "a text sequence": { write: (records) => lines(records, "\x1e", "\n"), isProved: false },
  "a text sequence of arrays": {
    write: (records) => `\x1e${array(records)}\n\x1e[]\n`,
    isProved: false,
  },
  "events": {
    write: (records) => lines(records, "data: ", "\n\n"),
    isEvents: true,
    isProved: false,
  },
  "events with all that events may have": {
    write: (records) =>
      ": hello\r\nretry: 10\r\n\r\n" +
      lines(records, "event: put\r\nid: 1\r\ndata:", "\r\n\r\n: ping\r\n\r\n"),
    isEvents: true,
    isProved: false,
  },
  "an event with a record on several data lines": {
    write: (records) =>
      records.map((record) =>
        `data: {\ndata:  "wrapped":\ndata: ${stringifyJson(record)}\ndata: }\n\n`
      ).join(""),
    options: { records: "wrapped" },
    isEvents: true,
    isProved: false,
  },
  "events of envelopes with arrays": {
    write: (records) => `data: {"rows":${array(records)}}\n\ndata: {"rows":null}\n\n`,
    options: { records: "rows" },
    isEvents: true,
    isProved: false,
  },
};

const objects = () =>
  fc.array(
    fc.dictionary(fc.string(), jsonValue(), { maxKeys: 4, noNullPrototype: true }),
    { maxLength: 6 },
  );

for (const [name, framing] of Object.entries(FRAMINGS)) {
  Deno.test(`${name}: the same records in any chunks, numbers exact`, () => {
    fc.assert(
      fc.property(objects(), chunkSizes(), fc.boolean(), (records, sizes, hasMark) => {
        const body = (hasMark ? "\ufeff" : "") + framing.write(records);
        const result = read(body, sizes, framing);
        assert.deepStrictEqual(result.values, records);
        assert.deepStrictEqual([result.rejects, result.fault, result.unfinished], [
          [],
          null,
          false,
        ]);
        assert.equal(result.isEndProved, framing.isProved && body.trim() !== "");
      }),
      { numRuns: 300 },
    );
  });

  if (!framing.isProved) continue;
  Deno.test(`${name}: wherever it is cut, the body is unfinished, and no record is half`, () => {
    const records = [{ id: 1, t: "}],\\" }, { id: 2, deep: [{ id: 3 }] }, { id: 4 }];
    const body = framing.write(records).trimEnd();
    for (let at = body.trimStart().length === body.length ? 1 : 3; at < body.length; at++) {
      const result = read(body.slice(0, at), [7], framing);
      assert.deepEqual(result.values, records.slice(0, result.values.length));
      assert.deepEqual([result.rejects, result.unfinished, result.isEndProved], [[], true, false]);
    }
  });

  Deno.test(`${name}: more behind its end is a fault, blanks are none`, () => {
    const body = framing.write([{ id: 1 }]);
    assert.equal(read(`${body} \r\n\t\n`, [3], framing).isEndProved, true);
    for (const more of ["x", "{}", "[]", "]", ",", "\0"]) {
      const result = read(`${body}\n ${more}`, [5], framing);
      assert.deepEqual(result.values, [{ id: 1 }]);
      assert.equal(result.fault?.kind, "broken-body");
      assert.equal(result.isEndProved, false);
    }
  });
}

Deno.test("whatever the bytes, what comes out of an envelope doesn't depend on where chunks end", () => {
  const scraps = fc.constantFrom<Bytes>(
    ...'{}[]",:\\\n 1e',
    '"data":[',
    '{"data":',
    '{"id":1}',
    "null",
    "\x1e",
    "x".repeat(70),
    "[".repeat(9),
    Uint8Array.of(0xff),
  );
  fc.assert(
    fc.property(
      fc.array(scraps, { maxLength: 24 }),
      chunkSizes(),
      fc.constantFrom(undefined, "data", "/data/0", "/0"),
      fc.constantFrom(undefined, 30),
      (parts, sizes, records, maxLength) => {
        const options: JsonValueOptions = {
          records,
          ...(maxLength === undefined ? {} : { maxLength }),
        };
        const body = toBytes(...parts);
        const { fault, ...whole } = read(body, [], { options });
        const { fault: other, ...cut } = read(body, sizes, { options });
        assert.deepStrictEqual(cut, whole);
        assert.equal(other?.kind, fault?.kind);
      },
    ),
    { numRuns: 3000 },
  );
});

Deno.test("an element that isn't JSON costs itself alone; in an array newlines end nothing", () => {
  const body = '[{"id":1},{"id":oops},\n{"id":2,"t":"a\nb"},NaN,{"id":3}\n]';
  for (const sizes of [[], [1], [3]]) {
    const result = read(body, sizes);
    assert.deepEqual(result.values, [{ id: 1 }, { id: 3 }]);
    assert.deepEqual(result.rejects.map(({ text }) => text), [
      '{"id":oops}',
      '{"id":2,"t":"a\nb"}',
      "NaN",
    ]);
    assert.equal(result.isEndProved, true);
  }
});

Deno.test("a text that a sequence cut costs itself alone", () => {
  const body = '\x1e{"id":1}\n\x1e{"id":2,"t":"cu\x1e{"id":3}\n\x1e[{"id":4},\x1e{"id":5}\n';
  for (const sizes of [[], [1], [3]]) {
    const result = read(body, sizes);
    assert.deepEqual(result.values, [{ id: 1 }, { id: 3 }, { id: 4 }, { id: 5 }]);
    assert.deepEqual(result.rejects.map(({ text }) => text), ['{"id":2,"t":"cu', "["]);
    assert.equal(result.fault, null);
  }
});

Deno.test("what is no envelope with such a place is one fault, which says what was seen", () => {
  const CASES: readonly (readonly [body: string, records: string, seen: RegExp, hint: RegExp])[] = [
    [
      '{"data":[{"id":1}],"next":null}',
      "items",
      /fields data, next, and nothing at items/,
      /in `data`: give --records data/,
    ],
    [
      '{"data":[1],"rows":[]}',
      "items",
      /fields data, rows/,
      /in one of data, rows: give --records data/,
    ],
    ['{"error":"no"}\n', "items", /the field error, and nothing at items/, /check --url/],
    ["{}", "items", /an empty object/, /check --url/],
    ['[{"id":1}]', "data", /an array, which has no field data/, /leave --records out/],
    ["not json", "data", /no object with a field data/, /check --url/],
    ['{"data":"text"}', "data", /no records at data/, /the field data/],
    ['{"data":7}', "data", /no records at data/, /--records/],
  ];
  for (const [body, records, seen, hint] of CASES) {
    for (const sizes of [[], [1]]) {
      const { values, rejects, fault } = read(body, sizes, { options: { records } });
      assert.deepEqual([values, rejects], [[], []]);
      assert.equal(fault?.kind, "not-records");
      assert.match(fault.seen, seen);
      assert.match(fault.hint, hint);
    }
  }
});

Deno.test("brackets that don't match on the way to the records are a fault", () => {
  for (const body of ['{"data":}', '{"data":[{"id":1}}', "{]", '{"x":1]', '{"data":,']) {
    const { fault } = read(body, [1], { options: { records: "data" } });
    assert.equal(fault?.kind, "broken-body", body);
  }
  for (const body of ["[}", "[1}", "[:"]) {
    const { fault } = read(body, [1], { options: { records: "/1/a" } });
    assert.equal(fault?.kind, "broken-body", body);
  }
});

Deno.test("among envelopes of one record each, one without it is a reject", () => {
  const body = '{"object":{"id":1}}\n{"type":"BOOKMARK"}\n{"object":{"id":2}}\n';
  const result = read(body, [4], { options: { records: "object" } });
  assert.deepEqual(result.values, [{ id: 1 }, { id: 2 }]);
  assert.deepEqual(result.rejects, [{ text: '{"type":"BOOKMARK"}', reason: "no records" }]);
  const late = read('{"type":"hello"}\n{"object":{"id":1}}', [4], {
    options: { records: "object" },
  });
  assert.deepEqual([late.values, late.fault], [[{ id: 1 }], null]);
});

Deno.test("64 MiB beside the records, and names of 1 MiB, are passed over without being held", () => {
  const decoder = new JsonValueDecoder({ records: "data" });
  const encoder = new TextEncoder();
  const before = Deno.memoryUsage().external;
  decoder.push(encoder.encode('{"a":"'));
  const chunk = encoder.encode("x".repeat(65_536));
  for (let turn = 0; turn < 512; turn++) decoder.push(chunk);
  decoder.push(encoder.encode('","'));
  for (let turn = 0; turn < 512; turn++) decoder.push(chunk);
  assert.ok(Deno.memoryUsage().external - before < 16 << 20);
  assert.deepEqual(decoder.push(encoder.encode('":1,"data":[{"id":1}]}')).values, [{ id: 1 }]);
});
