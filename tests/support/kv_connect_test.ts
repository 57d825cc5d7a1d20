import assert from "node:assert/strict";
import { kvConnectMissing, startKvConnect } from "./kv_connect.ts";
import { testUnless } from "./tools.ts";

testUnless(
  kvConnectMissing,
  "the KV Connect server of the tests serves Deno's own client",
  async () => {
    Deno.env.set("DENO_KV_ACCESS_TOKEN", "secret");
    await using server = startKvConnect();
    using kv = await Deno.openKv(server.url);
    const first = await kv.atomic().check({ key: ["a"], versionstamp: null }).set(["a"], 1)
      .commit();
    assert.ok(first.ok);
    assert.equal((await kv.get(["a"])).value, 1);
    const again = await kv.atomic().check({ key: ["a"], versionstamp: null }).set(["a"], 2)
      .commit();
    assert.equal(again.ok, false);
    assert.deepEqual((await Array.fromAsync(kv.list({ prefix: [] }))).map(({ value }) => value), [
      1,
    ]);

    const reader = kv.watch([["a"]]).getReader();
    assert.equal((await reader.read()).value?.[0].value, 1);
    await kv.set(["a"], 3);
    assert.equal((await reader.read()).value?.[0].value, 3);
    await reader.cancel();

    server.behaviour.fault = ({ method }) => method === "atomic_write" ? { kind: "cut" } : null;
    await assert.rejects(kv.set(["a"], 4));
    delete server.behaviour.fault;
    assert.equal((await kv.get(["a"])).value, 4, "applied all the same");
  },
);
