import assert from "node:assert/strict";
import { parseJson } from "../../src/protocol/json_text.ts";
import type { JsonObject } from "../../src/protocol/record.ts";
import { TableReader } from "../../src/store/read/table_reader.ts";
import { chunked, MisbehavingOrigin, records } from "../support/misbehaving_origin.ts";
import { assertTable, rowsIn } from "../support/oracle.ts";
import { replicateOnce, startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";

const big = 2n ** 53n + 1n;

/** The fields of most of the records below. */
const BOTH = "the record has: id, updated_at";

/** What an origin sends, and what becomes of it: kept as it is, or refused for a reason. */
const LINES: readonly (readonly [line: string | Uint8Array, reason: string | null])[] = [
  ['{"id":1,"updated_at":1,"__proto__":{"x":1},"constructor":2,"toString":null}', null],
  ['{"id":2,"updated_at":2,"a":1,"a":2}', null],
  ['{"id":3,"updated_at":3,"text":"\\ud800 alone"}', null],
  [`{"id":${big},"updated_at":4,"field":[${big}]}`, null],
  ['{"id":"5","updated_at":5,"nul":"\\u0000"}', null],
  ['{"id":5,"updated_at":5.5,"":{"":[]}}', null],
  ['{"id":true,"updated_at":6}', null],
  ['{"id":7,"updated_at":7,"n":[1e308,-0.5,1e-400]}', null],
  ["null", "not an object"],
  ["[1,2]", "not an object"],
  ['"text"', "not an object"],
  ["12", "not an object"],
  ["{id:1}", "not JSON"],
  ["<html>", "not JSON"],
  ['{"id":8,"updated_at":1e400}', "number out of range"],
  ['{"id":9,"updated_at":9,"deep":' + "[".repeat(5000) + "]".repeat(5000) + "}", "nested too deep"],
  ['{"id":"\\udc00","updated_at":10}', 'bad key: field "id" (--key)'],
  ['{"id":{"a":1},"updated_at":10}', `field "id" (--key) is an object; ${BOTH}`],
  ['{"id":null,"updated_at":10}', `field "id" (--key) is null; ${BOTH}`],
  ['{"updated_at":10}', 'no field "id" (--key); the record has: updated_at'],
  ['{"id":10}', 'no field "updated_at" (--order-by); the record has: id'],
  ['{"id":10,"updated_at":[1]}', `field "updated_at" (--order-by) is a list; ${BOTH}`],
  [
    '{"id":10,"updated_at":"2026-01-01"}',
    'field "updated_at" (--order-by) is a string, and the table\'s orders are compared as number (--order-type)',
  ],
  [`{"id":"${"k".repeat(2100)}","updated_at":10}`, "key too long"],
  [
    Uint8Array.from([
      ...new TextEncoder().encode('{"id":11,"updated_at":11,"t":"'),
      0xff,
      0x22,
      0x7d,
    ]),
    "invalid UTF-8",
  ],
  ['{"id":12,"updated_at":12,"last":true}', null],
];

function body(): Uint8Array {
  const newline = new TextEncoder().encode("\n");
  const parts = LINES.map(([line]) =>
    typeof line === "string" ? new TextEncoder().encode(line) : line
  );
  return Uint8Array.from(parts.flatMap((part) => [...part, ...newline]));
}

const kept = LINES.filter(([, reason]) => reason === null).map(([line]) =>
  parseJson(String(line)) as JsonObject
);
const reasons = LINES.map(([, reason]) => reason).filter((reason) => reason !== null);

Deno.test("hostile JSON is kept exactly, or quarantined with its reason; the stream goes on", async () => {
  const bytes = body();
  const pieces = Array.from({ length: bytes.length }, (_, at) => bytes.subarray(at, at + 7));
  const framings = [
    records(bytes),
    chunked([bytes]),
    chunked(pieces.filter((_, at) => at % 7 === 0)),
  ];
  for (const framing of framings) {
    await using origin = await MisbehavingOrigin.start(framing);
    await using store = await TempStore.create();
    await replicateOnce(`${origin.url}/servers`, { kv: store.path });
    const kv = await store.open();
    await assertTable(kv, kept);
    const reader = new TableReader(kv, "servers");
    const entries = (await Array.fromAsync(reader.quarantine())).toReversed();
    // Within a chunk, what is no JSON comes before what is no record.
    assert.deepEqual(entries.map(({ reason }) => reason).toSorted(), reasons.toSorted());
    assert.deepEqual(entries.map(({ number }) => number), reasons.map((_, i) => i + 1));
    assert.equal((await reader.meta())?.quarantined, reasons.length);
    assert.ok(entries.every(({ text }) => text.length > 0 && text.length <= 16_384));
  }
});

Deno.test("bigints come out exactly, as keys, orders, fields and cursor", async () => {
  const order = 2n ** 60n;
  const lines = [1n, 2n, 3n].map((n) =>
    `{"id":${big + n},"updated_at":${order + n},"n":${-big}}\n`
  );
  await using origin = await MisbehavingOrigin.start(records(lines.join("")), records(""));
  await using store = await TempStore.create();
  const replica = await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  assert.equal(replica.status.cursor, String(order + 3n));
  const rows = await rowsIn(await store.open(), "servers");
  assert.deepEqual([...rows.values()].map(({ n }) => n), [-big, -big, -big]);
  assert.deepEqual([...rows.keys()], [1n, 2n, 3n].map((n) => `[${big + n}]`));
  await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  assert.equal(origin.requests[1]?.path, `/servers/${order + 3n}`);
});

Deno.test("-0 and 0 are one key", async () => {
  await using origin = await MisbehavingOrigin.start(
    records('{"id":-0,"updated_at":1}\n'),
    records('{"id":0,"updated_at":2}\n'),
  );
  await using store = await TempStore.create();
  await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  await assertTable(await store.open(), [{ id: 0, updated_at: 2 }]);
});

Deno.test("a line without an end is refused without being held, and the next one is read", async () => {
  const endless = '{"id":1,"updated_at":1,"text":"' + "x".repeat(100_000);
  await using origin = await MisbehavingOrigin.start(
    chunked([endless, "x".repeat(100_000), '"}\n{"id":2,"updated_at":2}\n']),
  );
  await using store = await TempStore.create();
  await replicateOnce(`${origin.url}/servers`, { kv: store.path, maxLineLength: 50_000 });
  const kv = await store.open();
  await assertTable(kv, [{ id: 2, updated_at: 2 }]);
  const [entry] = await Array.fromAsync(new TableReader(kv, "servers").quarantine());
  assert.equal(entry?.reason, "too long");
  assert.equal(entry?.text.length, 16_384);
});

Deno.test("a bad line that comes again with every poll is kept and counted once", async () => {
  await using origin = await MisbehavingOrigin.start(
    records('{"id":1,"updated_at":1}\nnonsense\n{"id":1}\n'),
  );
  await using store = await TempStore.create();
  for (let starts = 0; starts < 2; starts++) {
    await using replica = await startReplica(`${origin.url}/servers`, { kv: store.path });
    await replica.until(({ connections }) => connections >= 3, "asked three times");
    assert.equal(replica.status.quarantined, 2);
  }
  assert.equal(
    (await Array.fromAsync(new TableReader(await store.open(), "servers").quarantine())).length,
    2,
  );
});

Deno.test("strict stops at the first record that can't be used", async () => {
  await using origin = await MisbehavingOrigin.start(
    records('{"id":1,"updated_at":1}\nnonsense\n'),
  );
  await using replica = await startReplica(`${origin.url}/servers`, {
    kv: ":memory:",
    strict: true,
  });
  await assert.rejects(replica.replicator.done, { kind: "bad-record", retry: "never" });
});

Deno.test("an order or a tombstone of monstrous size stops nothing", async () => {
  const long = "9".repeat(70_000);
  const lines = [
    `{"id":1,"updated_at":"a"}`,
    `{"id":2,"updated_at":"${long}"}`,
    `{"id":3,"updated_at":"\\ud800"}`,
    `{"id":1,"updated_at":"b","deleted_at":"${long}"}`,
    `{"id":4,"updated_at":"c"}`,
  ];
  await using origin = await MisbehavingOrigin.start(records(lines.join("\n") + "\n"));
  await using store = await TempStore.create();
  await replicateOnce(`${origin.url}/servers`, { kv: store.path });
  const kv = await store.open();
  await assertTable(kv, [{ id: 4, updated_at: "c" }]);
  const reader = new TableReader(kv, "servers");
  const entries = await Array.fromAsync(reader.quarantine());
  assert.deepEqual(
    entries.map(({ reason }) => reason),
    ['bad order: field "updated_at" (--order-by)', 'bad order: field "updated_at" (--order-by)'],
  );
  assert.equal((await reader.tombstone([1]))?.order, "b");
});
