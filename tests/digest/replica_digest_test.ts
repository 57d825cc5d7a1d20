import assert from "node:assert/strict";
import { createApp } from "../../src/http/app.ts";
import { TableDigest } from "../../src/digest/table_digest.ts";
import { replicate, type Replicator } from "../../src/mod.ts";
import { seededRandom } from "../../scripts/origin/random.ts";
import { startTestOrigin, type TestOrigin } from "../support/reference_origin.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

function expected(origin: TestOrigin): string {
  const digest = new TableDigest();
  for (const row of origin.table.liveRows()) digest.add([row["id"] as number], row);
  return digest.text;
}

async function settledDigest(replicator: Replicator, origin: TestOrigin): Promise<string> {
  const head = String(origin.table.head);
  const table = replicator.table();
  const status = await waitFor(() => {
    const digest = table.digest();
    return digest?.cursor === head ? digest : null;
  }, "the digest at the head");
  return status.digest;
}

const BIG = "x".repeat(90_000);

Deno.test("a running copy's digest is the origin's, whatever changes while it is made and after", async () => {
  await using store = await TempStore.create();
  await using origin = startTestOrigin({
    rows: Array.from({ length: 3_500 }, (_, id) => ({ id, ip: `192.0.2.${id % 250}` })),
  });
  await using replicator = await replicate({ url: origin.url, kv: store.path });
  const table = replicator.table();
  assert.equal(table.digest(), null, "nothing is said before it is known");
  await waitFor(() => table.status().live, "live");
  table.digest();
  const random = seededRandom(5);
  for (let round = 0; round < 8; round++) {
    for (let change = 0; change < 25; change++) {
      const id = Math.floor(random() * 4_000);
      if (random() < 0.3) origin.table.remove(id);
      else if (random() < 0.1) origin.table.put({ id, text: BIG });
      else origin.table.put({ id, ip: `203.0.113.${change}` });
    }
    assert.equal(await settledDigest(replicator, origin), expected(origin), `round ${round}`);
  }
});

Deno.test("what another program changes in the store shows in a digest that is made anew", async () => {
  await using store = await TempStore.create();
  await using origin = startTestOrigin({ rows: [{ id: 1, ip: "a" }, { id: 2, ip: "b" }] });
  {
    await using replicator = await replicate({ url: origin.url, kv: store.path, once: true });
    await replicator.done;
  }
  {
    using kv = await Deno.openKv(store.path);
    const { value } = await kv.get<Record<string, unknown>>(["servers", 1]);
    await kv.set(["servers", 1], { ...value, ip: "tampered" });
  }
  await using replicator = await replicate({ url: origin.url, kv: store.path });
  assert.notEqual(await settledDigest(replicator, origin), expected(origin));
});

Deno.test("the digest, its buckets and their records are served, and nothing before they are known", async () => {
  await using store = await TempStore.create();
  await using origin = startTestOrigin({ rows: [{ id: 1, ip: "a" }, { id: 2, ip: "b" }] });
  await using replicator = await replicate({ url: origin.url, kv: store.path });
  const app = createApp(replicator);
  const ask = (path: string) =>
    app.fetch(
      new Request(`http://127.0.0.1/tables/servers/digest${path}`, {
        headers: { host: "127.0.0.1" },
      }),
    );
  const early = await ask("");
  assert.equal(early.status, 503);
  await early.body?.cancel();
  const digest = await settledDigest(replicator, origin);
  const answer = await (await ask("")).json();
  assert.deepEqual([answer.digest, answer.rows], [digest, 2]);
  const buckets = new Uint8Array(await (await ask("/buckets")).arrayBuffer());
  assert.equal(TableDigest.from(buckets, 2).text, digest);
  const bucket = new TableDigest().bucketOf([2]);
  const records = await (await ask(`/records?bucket=${bucket}`)).text();
  assert.equal(JSON.parse(records).ip, "b");
  const wrong = await ask("/records?bucket=70000");
  assert.equal(wrong.status, 400);
  await wrong.body?.cancel();
  app.close();
});
