import assert from "node:assert/strict";
import fc from "fast-check";
import { TableOrders } from "../../src/protocol/orders.ts";
import { DEFAULT_SHAPE, type JsonObject, type Row } from "../../src/protocol/record.ts";
import { RowReader, type RowReaderOptions } from "../../src/stream/row_reader.ts";
import { rowStream } from "../../src/stream/row_stream.ts";
import { TrackedBody } from "../../src/stream/tracked_body.ts";
import type { RowBatch } from "../../src/stream/row_reader.ts";

const reader = (options: Partial<RowReaderOptions> = {}) =>
  new RowReader({ shape: DEFAULT_SHAPE, orders: new TableOrders(), ...options });

/** A body of these chunks, that ends cleanly or breaks. */
function bodyOf(chunks: readonly Uint8Array[], error?: Error): ReadableStream<Uint8Array> {
  const left = [...chunks];
  return new ReadableStream({
    pull(controller) {
      const chunk = left.shift();
      if (chunk !== undefined) controller.enqueue(chunk);
      else if (error === undefined) controller.close();
      else controller.error(error);
    },
  });
}

interface Read {
  readonly batches: RowBatch[];
  readonly rows: readonly Row[];
  readonly ending: TrackedBody;
}

async function read(body: ReadableStream<Uint8Array>, rows = reader()): Promise<Read> {
  const ending = new TrackedBody(body);
  const told: RowBatch[] = [];
  const stream = ending.readable.pipeThrough(rowStream({
    reader: rows,
    ending,
    maxLength: 1_000_000,
    onBatch: (batch) => told.push(batch),
  }));
  const batches = await Array.fromAsync(stream);
  assert.deepEqual(batches, told, "every batch is told before it is passed on");
  return { batches, rows: batches.flatMap(({ rows }) => rows), ending };
}

const bytes = (text: string) => new TextEncoder().encode(text);

/** Values as JSON.stringify writes them, so that what comes out can be compared. */
const values = fc.array(
  fc.record({
    id: fc.oneof(fc.nat(), fc.string({ unit: "binary", maxLength: 4 })),
    updated_at: fc.nat(),
    text: fc.string({ unit: "grapheme" }),
    deleted_at: fc.option(fc.nat()),
  }, { noNullPrototype: true }),
  { maxLength: 12 },
);

Deno.test("any cut of the bytes and any separator make the same rows", async () => {
  const property = fc.asyncProperty(
    values,
    fc.constantFrom("\n", "\r\n", "", " ", "\n\n", "\t\n "),
    fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 }),
    async (values, separator, sizes) => {
      const body = bytes(values.map((value) => JSON.stringify(value)).join(separator));
      const chunks: Uint8Array[] = [];
      for (let at = 0, i = 0; at < body.length; i++) {
        const size = sizes[i % sizes.length] ?? 1;
        chunks.push(body.subarray(at, at + size));
        at += size;
      }
      const { rows, batches, ending } = await read(bodyOf(chunks));
      assert.deepEqual(rows.map(({ value }) => value), values);
      assert.equal(batches.reduce((sum, batch) => sum + batch.bytes, 0), body.length);
      assert.deepEqual(batches.flatMap(({ rejects }) => rejects), []);
      ending.check("url");
    },
  );
  await fc.assert(property, { numRuns: 300 });
});

Deno.test("one batch a chunk, with its greatest and least order, and whether all came in order", async () => {
  const row = (updated_at: number) => `{"id":1,"updated_at":${updated_at}}\n`;
  const chunks = [row(3) + row(5), row(5), row(4) + row(9), row(10), "\n"].map(bytes);
  const { batches } = await read(bodyOf(chunks));
  assert.deepEqual(
    batches.map((
      { rows, minOrder, maxOrder, sorted },
    ) => [rows.length, minOrder, maxOrder, sorted]),
    [
      [2, 3, 5, true],
      [1, 5, 5, true],
      [2, 4, 9, false],
      [1, 10, 10, true],
      [0, null, null, true],
      [0, null, null, true],
    ],
  );
});

Deno.test("what is complete when a body breaks is passed on, and the break is remembered", async () => {
  const broken = new Error("connection reset");
  const { rows, ending, batches } = await read(
    bodyOf([bytes('{"id":1,"updated_at":1}\n{"id":2,"upda')], broken),
  );
  assert.deepEqual(rows.map(({ key }) => key), [[1]]);
  assert.deepEqual(batches.flatMap(({ rejects }) => rejects), [], "half a record is no bad record");
  assert.throws(() => ending.check("url"), broken);
});

Deno.test("a clean end in the middle of a record is a broken body", async () => {
  const { ending } = await read(bodyOf([bytes('{"id":1,"updated_at":1}\n{"id":2')]));
  assert.throws(() => ending.check("https://origin/servers"), {
    kind: "broken-body",
    retry: "soon",
    message: /https:\/\/origin\/servers ended its answer in the middle of a record/,
  });
});

Deno.test("a table has one type of order: that of most of its first rows", async () => {
  const mixed = '{"id":1,"updated_at":1}\n{"id":2,"updated_at":"2"}\n{"id":3,"updated_at":3}\n';
  const first = await read(bodyOf([bytes(mixed)]));
  assert.deepEqual(first.rows.map(({ key }) => key), [[1], [3]]);
  const second = await read(
    bodyOf([bytes(mixed)]),
    reader({ orders: new TableOrders(null, "text") }),
  );
  assert.deepEqual(second.rows.map(({ key }) => key), [[2]]);
  const [reject] = second.batches.flatMap(({ rejects }) => rejects);
  assert.equal(reject?.reason, "order of another kind");
});

Deno.test("an answer without any record is one error, not a flood", () => {
  const rows = reader();
  const bad = (count: number) => ({
    values: Array.from({ length: count }, (_, n) => ({ n })),
    lengths: Array.from({ length: count }, () => 9),
    rejects: [],
    bytes: 1,
  });
  assert.equal(rows.read(bad(99)).rejects.length, 99);
  assert.throws(() => rows.read(bad(20)), {
    kind: "not-records",
    retry: "slow",
    message: /no field "id" \(--key\)/,
  });
  const good = reader();
  good.read({ values: [{ id: 1, updated_at: 1 }], lengths: [9], rejects: [], bytes: 1 });
  assert.equal(
    good.read(bad(500)).rejects.length,
    500,
    "where there are records, the rest is kept",
  );
});

Deno.test("a transform changes what is stored, and what it leaves out is deleted", () => {
  const transform = (record: JsonObject) =>
    record["secret"] === true ? undefined : { ...record, extra: 1 };
  const { rows } = reader({ transform }).read({
    values: [
      { id: 1, updated_at: 1 },
      { id: 2, updated_at: 2, secret: true, ip: "hidden" },
      { id: 3, updated_at: 3, deleted_at: 3, ip: "hidden" },
    ],
    lengths: [9, 9, 9],
    rejects: [],
    bytes: 1,
  });
  assert.deepEqual(rows.map(({ deletedAt }) => deletedAt), [null, 2, 3]);
  assert.deepEqual(rows[0]?.value, { id: 1, updated_at: 1, extra: 1 });
  assert.ok(!JSON.stringify(rows).includes("hidden"), "what it takes out doesn't come back");
});

Deno.test("a transform that throws costs the record, one that changes the key stops", () => {
  const batch = { values: [{ id: 1, updated_at: 1 }], lengths: [9], rejects: [], bytes: 1 };
  const throwing = () => {
    throw new Error("no");
  };
  assert.equal(reader({ transform: throwing }).read(batch).rejects[0]?.reason, "transform failed");
  const changing = (record: JsonObject) => ({ ...record, id: 2 });
  assert.throws(() => reader({ transform: changing }).read(batch), { kind: "usage" });
});

Deno.test("an object with neither key nor order is kept once as a kind, until an answer's end tells", () => {
  const foreignKinds = new Set<string>();
  const rows = reader({ foreignKinds });
  const chunk = (...values: JsonObject[]) =>
    rows.read({ values, lengths: values.map(() => 9), rejects: [], bytes: 1 });
  assert.equal(chunk({ type: "heartbeat", time: 1 }).rejects.length, 1);
  assert.deepEqual(chunk({ type: "heartbeat", time: 2 }).rejects, []);
  assert.equal(chunk({ other: 1 }).rejects.length, 1, "another kind");
  assert.equal(chunk({ id: 1, type: "heartbeat" }).foreign?.length, 0, "meant to be a record");
  assert.deepEqual(rows.takeHeld(), [], "of an answer without records one of each is enough");
  chunk({ id: 1, updated_at: 1 });
  assert.deepEqual(rows.takeHeld().map(({ text }) => text), ['{"type":"heartbeat","time":2}']);
  const next = reader({ foreignKinds });
  const again = { values: [{ type: "heartbeat", time: 3 }], lengths: [9], rejects: [], bytes: 1 };
  assert.deepEqual(next.read(again).rejects, [], "also in the next answer");
});

Deno.test("blanks of any kind are a blank line, and no line end that came in a packet of its own is one", async () => {
  const marks = async (...chunks: string[]) => {
    const ending = new TrackedBody(bodyOf(chunks.map((text) => new TextEncoder().encode(text))));
    const found: boolean[] = [];
    const onBatch = ({ endsBlank }: RowBatch) => {
      if (endsBlank !== undefined) found.push(endsBlank);
    };
    const rows = rowStream({ reader: reader(), maxLength: 1000, ending, onBatch });
    for await (const _ of ending.readable.pipeThrough(rows)) { /* told already */ }
    return found;
  };
  const record = '{"id":1,"updated_at":1}';
  for (const blank of ["\n", "\r\n", " ", "\t", " \r\n", "\r\n\r\n"]) {
    assert.deepEqual(await marks(`${record}\n`, blank), [false, true], JSON.stringify(blank));
  }
  assert.deepEqual(await marks(`${record}\r\n\r\n`), [true]);
  assert.deepEqual(await marks(record, "\r", "\n", "\r\n"), [false, false, false, true]);
  assert.deepEqual(await marks(record, "\n", "\n"), [false, false, true]);
  assert.deepEqual(await marks("\r\n"), [true], "at the start");
});
