import assert from "node:assert/strict";
import type { JsonObject } from "../../src/protocol/record.ts";
import { citiesTable } from "../../scripts/origin/cities.ts";
import { startChanges } from "../../scripts/origin/changes.ts";
import { startTestOrigin, testTable } from "../support/reference_origin.ts";

const THREE = [{ id: 1, ip: "a" }, { id: 2, ip: "b" }, { id: 3, ip: "c" }];

/** Reads records from an endless answer, one at a time. */
async function* lines(response: Response): AsyncGenerator<JsonObject> {
  assert.ok(response.body);
  let rest = "";
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) yield JSON.parse(part);
  }
}

async function take(records: AsyncGenerator<JsonObject>, count: number): Promise<JsonObject[]> {
  const taken: JsonObject[] = [];
  while (taken.length < count) {
    const { value, done } = await records.next();
    if (done) break;
    taken.push(value);
  }
  return taken;
}

async function finite(url: string): Promise<JsonObject[]> {
  const response = await fetch(url);
  assert.equal(response.headers.get("content-type"), "application/x-ndjson");
  const text = await response.text();
  return text.split("\n").slice(0, -1).map((line) => JSON.parse(line));
}

const ids = (records: JsonObject[]) => records.map(({ id }) => id);

Deno.test("the origin sends what changed at or after the cursor, sorted, in both forms of the URL", async () => {
  await using origin = startTestOrigin({ finite: true, rows: THREE });
  origin.table.put({ id: 1, ip: "new" }); // 1003
  assert.deepEqual(ids(await finite(`${origin.url}/0`)), [2, 3, 1]);
  assert.deepEqual(ids(await finite(origin.url)), [2, 3, 1]);
  assert.deepEqual(ids(await finite(`${origin.url}/1002`)), [3, 1], "inclusive");
  assert.deepEqual(ids(await finite(`${origin.url}?x=1&since=1003`)), [1]);
  assert.deepEqual(ids(await finite(`${origin.url}/1003.5`)), []);
  assert.equal(origin.rowsSent, 9);
  assert.deepEqual(origin.requests.map(({ since, rows }) => [since, rows]), [
    ["0", 3],
    ["", 3],
    ["1002", 2],
    ["1003", 1],
    ["1003.5", 0],
  ]);
});

Deno.test("the origin leaves tombstones out at 0 and sends them from any other cursor", async () => {
  await using origin = startTestOrigin({ finite: true, rows: THREE });
  origin.table.remove(2); // 1003
  assert.deepEqual(ids(await finite(`${origin.url}/0`)), [1, 3]);
  const [, , tombstone] = await finite(`${origin.url}/1000`);
  assert.deepEqual(tombstone, { id: 2, ip: "b", updated_at: 1003, deleted_at: 1003 });
  assert.equal(origin.table.size, 2);
});

Deno.test("an endless answer from 0 goes on with changes, deletions of what it sent included", async () => {
  await using origin = startTestOrigin({ rows: THREE });
  origin.table.remove(3);
  const response = await fetch(`${origin.url}/0`);
  const records = lines(response);
  assert.deepEqual(ids(await take(records, 2)), [1, 2]);
  const next = take(records, 2);
  origin.table.put({ id: 4 });
  origin.table.remove(1);
  assert.deepEqual((await next).map(({ id, deleted_at }) => [id, deleted_at]), [
    [4, null],
    [1, 1005],
  ]);
  await records.return(undefined);
});

Deno.test("finite=0 and finite=1 in the query win over the origin's own choice", async () => {
  await using origin = startTestOrigin({ rows: THREE });
  assert.equal((await finite(`${origin.url}?finite=1`)).length, 3);
  const records = lines(await fetch(`${origin.url}/1002?finite=0`));
  assert.deepEqual(ids(await take(records, 1)), [3]);
  assert.equal(origin.server.finishConnections(), 1);
  assert.deepEqual(await take(records, 1), [], "a finished answer ends cleanly");
});

Deno.test("dropConnections breaks open answers in the middle", async () => {
  await using origin = startTestOrigin({ rows: THREE });
  const records = lines(await fetch(origin.url));
  await take(records, 3);
  assert.equal(origin.dropConnections(), 1);
  await assert.rejects(take(records, 1), TypeError);
});

Deno.test("a quiet endless answer has its headers at once and a blank line as heartbeat", async () => {
  await using origin = startTestOrigin({ heartbeatMs: 5 });
  const response = await fetch(`${origin.url}/0`);
  assert.ok(response.body);
  const reader = response.body.getReader();
  assert.match(new TextDecoder().decode((await reader.read()).value), /^\n+$/);
  await reader.cancel();
});

Deno.test("gzip hands live changes out at once", async () => {
  await using origin = startTestOrigin({ gzip: true, rows: THREE });
  const response = await fetch(origin.url);
  assert.equal(response.headers.get("content-encoding"), "gzip");
  const records = lines(response);
  assert.equal((await take(records, 3)).length, 3);
  origin.table.put({ id: 4 });
  assert.deepEqual(ids(await take(records, 1)), [4]);
  await records.return(undefined);
  assert.equal((await finite(`${origin.url}?finite=1`)).length, 4);
});

Deno.test("a late commit is not sent to who has passed it, but to who asks again", async () => {
  await using origin = startTestOrigin({ rows: THREE });
  const records = lines(await fetch(origin.url));
  await take(records, 3);
  origin.table.putAs({ id: 9, updated_at: 1001, deleted_at: null });
  origin.table.put({ id: 4 });
  assert.deepEqual(ids(await take(records, 1)), [4]);
  await records.return(undefined);
  assert.deepEqual(ids(await finite(`${origin.url}/1001?finite=1`)), [2, 9, 3, 4]);
});

Deno.test("a restored snapshot is the table as it was", () => {
  const table = testTable();
  for (const row of THREE) table.put(row);
  const snapshot = table.snapshot();
  const before = table.liveRows();
  table.put({ id: 1, ip: "new" });
  table.remove(2);
  table.forget(3);
  assert.deepEqual(ids(table.liveRows()), [1]);
  table.restore(snapshot);
  assert.deepEqual(table.liveRows(), before);
  assert.equal(table.head, 1002);
  assert.equal(table.size, 3);
});

Deno.test("orders can be ISO-8601 times or integers beyond 2^53", async () => {
  await using iso = startTestOrigin({ finite: true, orders: "iso", rows: THREE });
  const since = encodeURIComponent("1970-01-01T00:00:01.001Z");
  assert.deepEqual(ids(await finite(`${iso.url}/${since}`)), [2, 3]);
  assert.deepEqual(ids(await finite(`${iso.url}/0`)), [1, 2, 3]);
  await using nanos = startTestOrigin({ finite: true, orders: "nanos" });
  nanos.table.putAs({ id: 1n << 60n, updated_at: 9_007_199_254_740_993n, deleted_at: null });
  const text = await (await fetch(`${nanos.url}/9007199254740993`)).text();
  assert.equal(
    text,
    '{"id":1152921504606846976,"updated_at":9007199254740993,"deleted_at":null}\n',
  );
  assert.equal(await (await fetch(`${nanos.url}/9007199254740994`)).text(), "");
});

Deno.test("what is no table, no cursor or no GET is refused", async () => {
  await using origin = startTestOrigin();
  const status = async (path: string, init?: RequestInit) => {
    const response = await fetch(new URL(path, origin.url), init);
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await status("/"), 404);
  assert.equal(await status("/constructor/0"), 404);
  assert.equal(await status("/servers/0/1"), 404);
  assert.equal(await status("/servers/yesterday"), 400);
  assert.equal(await status("/servers/%ff"), 400);
  assert.equal(await status("/servers/0", { method: "POST" }), 405);
  assert.equal(origin.requests.length, 0);
});

Deno.test("a table changed again and again keeps each record once and stays small to read", async () => {
  await using origin = startTestOrigin({ finite: true, rows: THREE });
  for (let n = 0; n < 5000; n++) origin.table.put({ id: 1 + n % 3, n });
  const records = await finite(`${origin.url}/1`);
  assert.deepEqual(records.map(({ n }) => n), [4997, 4998, 4999]);
  assert.deepEqual(records, origin.table.liveRows());
});

Deno.test("an origin with a reader that doesn't read still stops", async () => {
  const table = await citiesTable();
  const origin = startTestOrigin({ table });
  const response = await fetch(origin.url);
  const reader = response.body?.getReader();
  await reader?.read();
  await origin.stop();
  assert.ok(origin.rowsSent < table.size, "backpressure: not everything was sent");
  // Whether what is left ends or breaks is up to the buffers in between.
  await reader?.cancel().catch(() => {});
});

Deno.test("the cities are real, sorted, with ids of their own and ties as imports leave them", async () => {
  const table = await citiesTable({ limit: 20_000 });
  const rows = table.liveRows();
  assert.equal(rows.length, 20_000);
  assert.equal(new Set(ids(rows)).size, 20_000);
  const orders = rows.map(({ updated_at }) => Number(updated_at));
  assert.deepEqual(orders, orders.toSorted((a, b) => a - b));
  const different = new Set(orders).size;
  assert.ok(different > 1000 && different < 10_000, `${different} different times`);
  assert.deepEqual(await citiesTable({ limit: 20_000 }).then((again) => again.liveRows()), rows);
});

Deno.test("live changes update, insert and delete, and always move the head on", async () => {
  await using origin = startTestOrigin({ rows: THREE });
  const { table } = origin;
  const changes = startChanges(table, 2000);
  while (changes.made < 300) {
    const before = changes.made;
    await table.changed();
    assert.ok(changes.made >= before);
  }
  changes.stop();
  const records = await finite(`${origin.url}/1?finite=1`);
  assert.ok(records.some(({ deleted_at }) => deleted_at !== null), "some were deleted");
  assert.ok(records.some(({ id }) => Number(id) > 1_000_000_000), "some were inserted");
  assert.ok(records.some(({ revision }) => Number(revision) > 1), "some were updated");
  assert.equal(table.head, 1000 + 3 + changes.made - 1);
});
