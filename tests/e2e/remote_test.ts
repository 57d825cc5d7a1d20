import assert from "node:assert/strict";
import { openReplica, replicate } from "../../src/mod.ts";
import { type Fault, kvConnectMissing, startKvConnect } from "../support/kv_connect.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { seededRandom } from "../../scripts/origin/random.ts";
import { waitFor } from "../support/wait_for.ts";

const ignore = kvConnectMissing !== null;
if (ignore) console.log(kvConnectMissing);

Deno.env.set("DENO_KV_ACCESS_TOKEN", "secret");

function rows(count: number) {
  return Array.from({ length: count }, (_, id) => ({ id, ip: `192.0.2.${id % 250}` }));
}

Deno.test({
  name: "a copy in a remote store is filled, resumed and followed, and read by others",
  ignore,
  fn: async () => {
    await using server = startKvConnect();
    await using origin = startTestOrigin({ rows: rows(5_000) });
    const kv = server.url;
    {
      await using replicator = await replicate({ url: origin.url, kv, once: true });
      await replicator.done;
    }
    using reader = await openReplica({ kv, table: "servers" });
    const status = await reader.status();
    assert.deepEqual([status.rows, status.writer], [5_000, null]);
    {
      await using replicator = await replicate({ url: origin.url, kv });
      const servers = replicator.table();
      await waitFor(() => servers.status().live, "live");
      const changed = origin.table.put({ id: 7, ip: "198.51.100.7" });
      await waitFor(
        async () => (await reader.get(7))?.value.ip === "198.51.100.7",
        "the change is stored",
      );
      await waitFor(
        () => String(servers.status().cursor) === String(changed.updated_at),
        "the cursor has moved",
      );
      await assert.rejects(replicate({ url: `${origin.url}?other`, kv }), /is a copy of/);
    }
  },
});

Deno.test({
  name: "whatever becomes of requests to the store, the copy ends equal to the origin",
  ignore,
  // Deno's client never gives up a request that isn't answered.
  sanitizeOps: false,
  fn: async () => {
    await using server = startKvConnect();
    await using origin = startTestOrigin({ rows: rows(3_000) });
    const random = seededRandom(7);
    const faults: [number, Fault][] = [
      [0.05, { kind: "status", status: 503 }],
      [0.05, { kind: "lost" }],
      [0.03, { kind: "cut" }],
      [0.04, { kind: "late", delayMs: 150 }],
    ];
    server.behaviour.fault = ({ method }) => {
      if (method !== "atomic_write") return null;
      let drawn = random();
      for (const [share, fault] of faults) if ((drawn -= share) < 0) return fault;
      return null;
    };
    await using replicator = await replicate({ url: origin.url, kv: server.url });
    const servers = replicator.table();
    await waitFor(() => servers.status().live, "live", 60_000);
    for (let change = 0; change < 40; change++) {
      origin.table.put({ id: Math.floor(random() * 50), ip: `203.0.113.${change}` });
    }
    const last = origin.table.put({ id: 99_999, ip: "203.0.113.99" });
    await waitFor(
      () => String(servers.status().cursor) === String(last.updated_at),
      "all is stored",
      60_000,
    );
    delete server.behaviour.fault;
    await server.settled();
    const stored = await Array.fromAsync(servers.list(), ({ value }) => value);
    const expected = origin.table.liveRows().toSorted((a, b) => Number(a.id) - Number(b.id));
    assert.deepEqual(stored, expected);
  },
});

Deno.test({
  name: "a renewed access token is read from its file as soon as the old one is refused",
  ignore,
  fn: async () => {
    await using server = startKvConnect();
    await using origin = startTestOrigin({ rows: rows(10) });
    const kvTokenFile = await Deno.makeTempFile();
    await Deno.writeTextFile(kvTokenFile, "secret\n");
    try {
      await using replicator = await replicate({ url: origin.url, kv: server.url, kvTokenFile });
      const servers = replicator.table();
      await waitFor(() => servers.status().live, "live");
      await Deno.writeTextFile(kvTokenFile, "renewed\n");
      server.behaviour.token = "renewed";
      const last = origin.table.put({ id: 11, ip: "203.0.113.1" });
      await waitFor(
        () => String(servers.status().cursor) === String(last.updated_at),
        "it goes on",
        30_000,
      );
    } finally {
      await Deno.remove(kvTokenFile);
      Deno.env.set("DENO_KV_ACCESS_TOKEN", "secret");
    }
  },
});

Deno.test({
  name: "a store that refuses, or needs a token that isn't there, is told in plain words",
  ignore,
  fn: async () => {
    await using server = startKvConnect({ token: "another" });
    const url = "http://127.0.0.1:9/servers";
    await assert.rejects(
      replicate({ url, kv: server.url, once: true }),
      /refuses the access token/,
    );
    Deno.env.delete("DENO_KV_ACCESS_TOKEN");
    try {
      await assert.rejects(replicate({ url, kv: server.url }), /there is no access token/);
    } finally {
      Deno.env.set("DENO_KV_ACCESS_TOKEN", "secret");
    }
  },
});
