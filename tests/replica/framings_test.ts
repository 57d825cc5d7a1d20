import assert from "node:assert/strict";
import type { ReplicatorOptions } from "../../src/replica/options.ts";
import {
  MisbehavingOrigin,
  raw,
  records,
  type ResponseHeaders,
} from "../support/misbehaving_origin.ts";
import { assertTable } from "../support/oracle.ts";
import { replicateOnce, startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";

const ROWS = [1, 2, 3].map((id) => ({ id, updated_at: 10 + id, n: { deep: [id] } }));
const JSON_TYPE = { "content-type": "application/json" };

/** What an origin may answer, and with which options it is read. */
const ANSWERS: Readonly<
  Record<
    string,
    readonly [body: string, headers: ResponseHeaders, options?: Partial<ReplicatorOptions>]
  >
> = {
  "an array": [JSON.stringify(ROWS), JSON_TYPE],
  "an array over many lines": [JSON.stringify(ROWS, null, 2), JSON_TYPE],
  "records over many lines": [
    ROWS.map((row) => JSON.stringify(row, null, 2)).join("\n"),
    JSON_TYPE,
  ],
  "an envelope": [JSON.stringify({ data: ROWS, next: null }), JSON_TYPE, { records: "data" }],
  "a nested envelope": [
    JSON.stringify({ result: { items: ROWS } }, null, 4),
    JSON_TYPE,
    { records: "/result/items" },
  ],
  "a text sequence": [
    ROWS.map((row) => `\x1e${JSON.stringify(row)}\n`).join(""),
    { "content-type": "application/json-seq" },
  ],
  "server-sent events": [
    ": hello\n\n" + ROWS.map((row) => `event: put\ndata: ${JSON.stringify(row)}\n\n`).join(""),
    { "content-type": "text/event-stream; charset=utf-8" },
  ],
};

for (const [name, [body, headers, options]] of Object.entries(ANSWERS)) {
  Deno.test(`${name}: a table equal to the origin's`, async () => {
    await using store = await TempStore.create();
    await using origin = await MisbehavingOrigin.start(records(body, headers));
    const once = await replicateOnce(`${origin.url}/items`, { kv: store.path, ...options });
    assert.equal(once.status.quarantined, 0);
    await once.stop();
    await assertTable(await store.open(), ROWS);
  });
}

Deno.test("an array without its closing bracket is a broken body, whatever the transport says", async () => {
  await using store = await TempStore.create();
  const whole = JSON.stringify(ROWS);
  await using origin = await MisbehavingOrigin.start(
    records(whole.slice(0, -1), JSON_TYPE),
    records(whole, JSON_TYPE),
  );
  await using replica = await startReplica(`${origin.url}/items`, { kv: store.path });
  await replica.live();
  assert.match(replica.status.errors[0]?.message ?? "", /ended its answer in the middle/);
  assert.equal(origin.requests[1]?.path, "/items/13", "what was whole is kept");
});

Deno.test("more behind the array's bracket is told, and what was in it is kept", async () => {
  await using store = await TempStore.create();
  await using origin = await MisbehavingOrigin.start(
    records(`${JSON.stringify(ROWS)}\n[]`, JSON_TYPE),
    records(JSON.stringify(ROWS), JSON_TYPE),
  );
  await using replica = await startReplica(`${origin.url}/items`, { kv: store.path });
  await replica.live();
  assert.match(replica.status.errors[0]?.message ?? "", /more behind the end of its array: "\[\]"/);
  await replica.stop();
  await assertTable(await store.open(), ROWS);
});

Deno.test("a body that merely closes proves its end where it ends with its own bracket", async () => {
  for (
    const [body, isSwept] of [[JSON.stringify(ROWS), true], [
      ROWS.map((row) => JSON.stringify(row)).join("\n"),
      false,
    ]] as const
  ) {
    await using store = await TempStore.create();
    const more = { id: 9, updated_at: 9 };
    await using origin = await MisbehavingOrigin.start(
      records(JSON.stringify([more, ...ROWS]), JSON_TYPE),
    );
    await (await replicateOnce(`${origin.url}/items`, { kv: store.path })).stop();
    origin.next(
      raw(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n${body}`),
    );
    await using replica = await startReplica(`${origin.url}/items`, {
      kv: store.path,
      resync: true,
    });
    if (isSwept) {
      await replica.until(({ live, rows, sweep }) => live && rows === 3 && sweep === null, "swept");
    } else await replica.until(({ sweep }) => sweep !== null, "held");
  }
});

const STRANGERS:
  readonly (readonly [body: string, headers: ResponseHeaders, message: RegExp, hint: RegExp])[] = [
    [
      JSON.stringify({ data: ROWS, next: null }),
      JSON_TYPE,
      /fields data, next/,
      /`data`: give --records data/,
    ],
    [
      JSON.stringify({ result: { items: ROWS } }, null, 2),
      JSON_TYPE,
      /the field result/,
      /--records \/result\/items/,
    ],
    [
      JSON.stringify({ items: [{ uuid: "a", updatedAt: 5 }], total: 1 }),
      JSON_TYPE,
      /fields items, total/,
      /`items`: give --records items/,
    ],
    [
      `id,name,updated_at\n1,a,5\n`,
      { "content-type": "text/plain" },
      /CSV\): id, name, updated_at/,
      /JSON/,
    ],
    [
      `data: ${JSON.stringify(ROWS[0])}\n\n`,
      { "content-type": "text/plain" },
      /server-sent events/,
      /event-stream/,
    ],
    ['<?xml version="1.0"?><rows/>', JSON_TYPE, /markup/, /XML/],
  ];

Deno.test("what can't be read is one error that says what was seen and what to give", async () => {
  for (const [body, headers, message, hint] of STRANGERS) {
    await using store = await TempStore.create();
    await using origin = await MisbehavingOrigin.start(records(body, headers));
    await assert.rejects(
      replicateOnce(`${origin.url}/items`, { kv: store.path }),
      (error: Error & { hint?: string; kind?: string }) => {
        assert.match(error.message, message);
        assert.match(error.hint ?? "", hint);
        assert.equal(error.kind, "not-records");
        return true;
      },
    );
    // An object that may have been a heartbeat is set aside, once.
    const aside = await store.entries(["lockstep", "servers", "quarantine"]);
    assert.ok(aside.length <= (message.source.includes("items, total") ? 1 : 0));
  }
});

Deno.test("a store of records from another place in the answer is refused", async () => {
  await using store = await TempStore.create();
  const body = JSON.stringify({ data: ROWS, old: ROWS });
  await using origin = await MisbehavingOrigin.start(records(body, JSON_TYPE));
  const url = `${origin.url}/items`;
  await (await replicateOnce(url, { kv: store.path, records: "data" })).stop();
  await assert.rejects(startReplica(url, { kv: store.path, records: "old" }), {
    kind: "foreign-store",
    message: /records in data\), not of .*records in old/,
  });
  await (await replicateOnce(url, { kv: store.path, records: "data" })).stop();
});
