/**
 * Origins whose answers are the whole table, without any order: lists, dumps, catalogs.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import type { JsonObject } from "../../src/protocol/record.ts";
import { MisbehavingOrigin, raw, records, status } from "../support/misbehaving_origin.ts";
import { rowsIn } from "../support/oracle.ts";
import { replicateOnce, startReplica } from "../support/replicas.ts";
import { Nginx } from "../support/nginx.ts";
import { TempStore } from "../support/temp_store.ts";
import { testWith } from "../support/tools.ts";

const JSON_TYPE = { "content-type": "application/json" };
const list = (rows: readonly JsonObject[], headers = JSON_TYPE) =>
  records(JSON.stringify(rows), headers);
const SETTINGS = { whole: true, orderBy: "seq" } as const;

/** The table without the orders that it has given itself; and those. */
async function stored(store: TempStore) {
  using kv = await Deno.openKv(store.path);
  const rows = [...(await rowsIn(kv, "servers")).values()];
  return {
    rows: rows.map(({ seq: _, ...row }) => row),
    orders: rows.map(({ seq }) => Number(seq)),
  };
}

Deno.test("a list without times is copied, and what changes in it", async () => {
  await using store = await TempStore.create();
  const first = [{ id: 1, ip: "a" }, { id: 2, ip: "b" }, { id: 3, ip: "c" }, { id: 4, ip: "d" }];
  await using origin = await MisbehavingOrigin.start(list(first));
  const url = `${origin.url}/list.json?v=1`;
  {
    await using replica = await startReplica(url, { kv: store.path, ...SETTINGS });
    await replica.until(({ live, rows }) => live && rows === 4, "filled");
    assert.equal(origin.requests[0]?.path, "/list.json?v=1", "it is asked for as it is");
    const changes: unknown[] = [];
    const controller = new AbortController();
    const reading = (async () => {
      for await (const change of replica.replica.changes({ signal: controller.signal })) {
        changes.push([change.key[0], change.value?.ip ?? null]);
      }
    })();
    await replica.until(() => changes.length === 4, "the rows are told");
    origin.next(
      list([{ ip: "a", id: 1 }, { id: 2, ip: "B" }, { id: 3, ip: "c" }, { id: 5, ip: "e" }]),
    );
    await replica.until(() => changes.length >= 7, "what changed is told");
    const requests = origin.requests.length;
    await origin.whenRequests(requests + 3);
    assert.deepEqual(changes.slice(4).toSorted(), [[2, "B"], [4, null], [5, "e"]]);
    controller.abort();
    await reading.catch(() => {});
  }
  const { rows, orders } = await stored(store);
  assert.deepEqual(rows, [{ ip: "a", id: 1 }, { id: 2, ip: "B" }, { id: 3, ip: "c" }, {
    id: 5,
    ip: "e",
  }]);
  assert.deepEqual(orders, [1, 5, 3, 6], "one more for every row that an answer changes");
});

Deno.test("answers that are the same write nothing, whatever their order", async () => {
  await using store = await TempStore.create();
  const rows = Array.from({ length: 300 }, (_, id) => ({ id, deep: { n: [id, null] } }));
  await using origin = await MisbehavingOrigin.start(list(rows));
  await using replica = await startReplica(`${origin.url}/x`, { kv: store.path, ...SETTINGS });
  await replica.until(({ live, rows }) => live && rows === 300, "filled");
  origin.next(list(rows.toReversed()));
  await origin.whenRequests(origin.requests.length + 2);
  const { commits } = replica.status;
  await origin.whenRequests(origin.requests.length + 3);
  assert.equal(replica.status.commits, commits);
});

Deno.test("any lists after each other, restarts between: the table is the last, orders only grow", async () => {
  const lists = fc.array(
    fc.uniqueArray(fc.record({ id: fc.nat(7), v: fc.nat(2) }, { noNullPrototype: true }), {
      selector: ({ id }) => id,
      minLength: 1,
    }),
    { minLength: 1, maxLength: 5 },
  );
  await fc.assert(
    fc.asyncProperty(lists, async (answers) => {
      await using store = await TempStore.create();
      await using origin = await MisbehavingOrigin.start();
      let before = new Map<number, { v: number; seq: number }>();
      for (const answer of answers) {
        origin.next(list(answer));
        const options = { kv: store.path, shrinkLimit: 1, ...SETTINGS };
        const isDisjoint = before.size > 0 && answer.every(({ id }) => !before.has(id));
        // All rows gone at once is for a person to approve, whatever the limit.
        if (isDisjoint) continue;
        await (await replicateOnce(`${origin.url}/x`, options)).stop();
        using kv = await Deno.openKv(store.path);
        const rows = [...(await rowsIn(kv, "servers")).values()];
        const now = new Map(
          rows.map((row) => [Number(row.id), { v: Number(row.v), seq: Number(row.seq) }]),
        );
        assert.deepEqual(
          rows.map(({ id, v }) => ({ id, v })),
          answer.toSorted((a, b) => a.id - b.id),
        );
        const greatest = Math.max(0, ...[...before.values()].map(({ seq }) => seq));
        for (const [id, { v, seq }] of now) {
          const was = before.get(id);
          if (was?.v === v) assert.equal(seq, was.seq);
          else assert.ok(seq > greatest, `${seq} after ${greatest}`);
        }
        before = now;
      }
    }),
    { numRuns: 15 },
  );
});

Deno.test("an answer that lacks too much, or nothing proves whole, removes nothing unasked", async () => {
  const rows = [1, 2, 3, 4].map((id) => ({ id }));
  const broken =
    "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n";
  for (
    const [next, why] of [
      [list([{ id: 1 }]), /lacks 3 of 4 rows/],
      [records("[]", JSON_TYPE), /it is empty/],
      [raw(`${broken}{"id":1}\n{"id":2}\n{"id":3}\n`), /isn't proved/],
    ] as const
  ) {
    await using store = await TempStore.create();
    await using origin = await MisbehavingOrigin.start(list(rows));
    await using replica = await startReplica(`${origin.url}/x`, { kv: store.path, ...SETTINGS });
    await replica.until(({ live, rows }) => live && rows === 4, "filled");
    origin.next(next);
    await replica.until(
      ({ sweep, history }) => sweep?.state === "held" && history.length > 0,
      "held",
    );
    assert.match(JSON.stringify(replica.status.history), why);
    assert.equal(replica.status.rows, 4);
    origin.next(list(rows.slice(0, 3)));
    if (why.source.includes("empty")) continue;
    replica.replica.approveSweep();
    await replica.until(({ rows, sweep, live }) => live && rows === 3 && sweep === null, "removed");
  }
});

Deno.test("of one key twice the last counts", async () => {
  await using store = await TempStore.create();
  await using origin = await MisbehavingOrigin.start(
    list([{ id: 1, v: 1 }, { id: 2, v: 1 }, { id: 1, v: 2 }]),
  );
  const once = await replicateOnce(`${origin.url}/x`, { kv: store.path, ...SETTINGS });
  await once.stop();
  assert.deepEqual((await stored(store)).rows, [{ id: 1, v: 2 }, { id: 2, v: 1 }]);
  origin.next(list([{ id: 1, v: 3 }, { id: 2, v: 1 }, { id: 1, v: 2 }]));
  await (await replicateOnce(`${origin.url}/x`, { kv: store.path, ...SETTINGS })).stop();
  assert.deepEqual((await stored(store)).rows, [{ id: 1, v: 2 }, { id: 2, v: 1 }]);
});

Deno.test("records that have the order's field are refused, with the option that names another", async () => {
  await using store = await TempStore.create();
  await using origin = await MisbehavingOrigin.start(list([{ id: 1, updated_at: 5 }]));
  await assert.rejects(replicateOnce(`${origin.url}/x`, { kv: store.path, whole: true }), {
    message: /has records with a field "updated_at"/,
    hint: /--order-by NAME/,
  });
});

Deno.test("a broken answer removes nothing, and a file that is the same costs a 304", async () => {
  await using store = await TempStore.create();
  const rows = [1, 2, 3, 4].map((id) => ({ id }));
  const validated = {
    ...JSON_TYPE,
    etag: '"one"',
    date: new Date().toUTCString(),
    "last-modified": new Date(Date.now() - 3_600_000).toUTCString(),
  };
  await using origin = await MisbehavingOrigin.start(list(rows, validated), status(304));
  await using replica = await startReplica(`${origin.url}/x`, { kv: store.path, ...SETTINGS });
  await replica.until(({ live, rows }) => live && rows === 4, "filled");
  await origin.whenRequests(3);
  assert.equal(origin.requests[1]?.headers["if-none-match"], '"one"');
  assert.equal(replica.status.rows, 4);
  origin.next(records('[{"id":1},{"id":2}', JSON_TYPE));
  await replica.until(({ errors }) => errors.length > 0, "the break is told");
  assert.equal(replica.status.rows, 4);
  origin.next(list(rows.slice(0, 3)));
  await replica.until(({ live, rows }) => live && rows === 3, "removed");
});

Deno.test("a store of the other kind is refused", async () => {
  await using store = await TempStore.create();
  await using origin = await MisbehavingOrigin.start(list([{ id: 1 }]));
  await (await replicateOnce(`${origin.url}/x`, { kv: store.path, ...SETTINGS })).stop();
  await assert.rejects(startReplica(`${origin.url}/x`, { kv: store.path, orderBy: "seq" }), {
    kind: "foreign-store",
    message: /each answer whole\), not of/,
  });
});

Deno.test("such a copy is verified by content: equal, and what differs", async () => {
  await using store = await TempStore.create();
  const rows = [1, 2, 3].map((id) => ({ id, v: id }));
  await using origin = await MisbehavingOrigin.start(list(rows));
  await (await replicateOnce(`${origin.url}/x`, { kv: store.path, ...SETTINGS })).stop();
  const verify = async () => {
    const main = new URL("../../main.ts", import.meta.url).pathname;
    const args = ["run", "-A", "--no-check", "--quiet", main, "verify", "servers"];
    const command = new Deno.Command(Deno.execPath(), {
      args: [...args, "--kv", store.path, "--json"],
    });
    const { code, stdout } = await command.output();
    return { code, report: JSON.parse(new TextDecoder().decode(stdout)) };
  };
  assert.equal((await verify()).code, 0);
  origin.next(list([{ id: 1, v: 1 }, { id: 2, v: 7 }, { id: 4, v: 4 }]));
  const { code, report } = await verify();
  assert.notEqual(code, 0);
  assert.match(JSON.stringify(report), /different/);
});

testWith(
  ["nginx"],
  "a file behind nginx: the same costs no byte, another is taken over",
  async () => {
    await using store = await TempStore.create();
    const text = (v: number) =>
      JSON.stringify(Array.from({ length: 500 }, (_, id) => ({ id, v: id === 7 ? v : 0 })));
    await using nginx = await Nginx.start({
      http: "gzip on; gzip_min_length 1; gzip_types application/json;",
      server: "location / { default_type application/json; }",
      files: { "list.json": text(1) },
    });
    const file = `${nginx.root}/list.json`;
    const hourAgo = Date.now() / 1000 - 3_600;
    await Deno.utime(file, hourAgo, hourAgo);
    await using replica = await startReplica(`${nginx.url}/list.json`, {
      kv: store.path,
      pollMs: 20,
      ...SETTINGS,
    });
    await replica.until(({ live, rows }) => live && rows === 500, "filled");
    const { bytes, connections } = replica.status;
    await replica.until((status) => status.connections >= connections + 10, "ten polls");
    assert.equal(replica.status.bytes, bytes, "304 each time");
    await Deno.writeTextFile(`${file}.new`, text(2));
    await Deno.rename(`${file}.new`, file);
    await replica.reached(501);
    assert.equal((await replica.replica.reader.get(7))?.value.v, 2);
    assert.equal(replica.status.rows, 500);
  },
);
