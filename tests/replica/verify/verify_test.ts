import assert from "node:assert/strict";
import { systemClock } from "../../../src/base/clock.ts";
import { main } from "../../../src/cli/main.ts";
import { replicate } from "../../../src/mod.ts";
import { Endpoint } from "../../../src/origin/endpoint.ts";
import { TableOrders } from "../../../src/protocol/orders.ts";
import { DEFAULT_SHAPE } from "../../../src/protocol/record.ts";
import { startStatusServer } from "../../../src/http/server.ts";
import { DIFFERENCES } from "../../../src/replica/verify/compare.ts";
import { type Verification, verify } from "../../../src/replica/verify/verify.ts";
import { openStore } from "../../../src/store/kv/open_store.ts";
import { TableReader } from "../../../src/store/read/table_reader.ts";
import { seededRandom } from "../../../scripts/origin/random.ts";
import { startTestOrigin, type TestOrigin } from "../../support/reference_origin.ts";
import { TempStore } from "../../support/temp_store.ts";
import { waitFor } from "../../support/wait_for.ts";

async function verified(origin: TestOrigin, path: string): Promise<Verification> {
  const store = await openStore(path, { readOnly: true });
  try {
    const reader = new TableReader(store.reader, "servers");
    const meta = await reader.meta();
    assert.ok(meta !== null && meta.cursor !== null);
    return await verify({
      source: {
        endpoint: new Endpoint(origin.url),
        table: "servers",
        shape: { ...DEFAULT_SHAPE, orderType: meta.order?.type ?? null },
        orders: new TableOrders(meta.order ?? null),
        records: undefined,
        maxLineLength: 2 ** 24,
        connect: {},
        clock: systemClock,
        pollMs: 10,
      },
      kv: store.reader,
      reader,
      beside: path,
      from: meta.startText ?? "0",
      settled: meta.cursor,
      isRemote: false,
      rowsPerSecond: null,
      signal: new AbortController().signal,
    });
  } finally {
    store.close();
  }
}

function found(result: Verification): Record<string, unknown> {
  return Object.fromEntries(
    DIFFERENCES.flatMap((difference) => {
      const { count, keys } = result.differences[difference];
      return count === 0 ? [] : [[difference, keys.map((key) => key[0])]];
    }),
  );
}

/** What another program does behind the replica's back. */
async function tamper(path: string, work: (kv: Deno.Kv) => Promise<unknown>): Promise<void> {
  using kv = await Deno.openKv(path);
  await work(kv);
}

for (const finite of [true, false]) {
  const manner = finite ? "answers that end" : "an answer that stays open";
  Deno.test(`what was altered, removed and invented is found, and nothing else (${manner})`, async () => {
    await using store = await TempStore.create();
    await using origin = startTestOrigin({
      finite,
      rows: [
        ...Array.from({ length: 2_500 }, (_, id) => ({ id, ip: `192.0.2.${id % 250}` })),
        { id: 9_000, text: "y".repeat(150_000) },
      ],
    });
    origin.table.remove(5);
    {
      await using replicator = await replicate({ url: origin.url, kv: store.path, once: true });
      await replicator.done;
    }
    assert.deepEqual([(await verified(origin, store.path)).verdict], ["equal"]);
    await tamper(store.path, async (kv) => {
      const row = async (id: number) =>
        (await kv.get<Record<string, unknown>>(["servers", id])).value;
      await kv.set(["servers", 17], { ...await row(17), ip: "tampered" });
      await kv.set(["servers", 18], { ...await row(18), updated_at: 1 });
      await kv.delete(["servers", 900]);
      await kv.set(["servers", 7_777], { id: 7_777, updated_at: 1_500, deleted_at: null });
      for await (
        const part of kv.list<Uint8Array>({ prefix: ["lockstep", "servers", "part", "bytes"] })
      ) {
        await kv.set(part.key, part.value.map((byte) => byte === 0x79 ? 0x7a : byte));
        break;
      }
    });
    const result = await verified(origin, store.path);
    assert.equal(result.verdict, "different");
    assert.deepEqual(found(result), {
      missing: [900],
      stale: [18],
      different: [17, 9_000],
      ghost: [7_777],
    });
    // An answer that stays open proves no end: its sweep would wait for approval.
    if (!finite) return;
    {
      await using replicator = await replicate({
        url: origin.url,
        kv: store.path,
        once: true,
        resync: true,
      });
      await replicator.done;
    }
    assert.equal((await verified(origin, store.path)).verdict, "equal", "a resync has mended it");
  });
}

Deno.test("a busy table gives no false alarm, whatever changes while it is compared", async () => {
  const random = seededRandom(11);
  for (let history = 0; history < 12; history++) {
    await using store = await TempStore.create();
    await using origin = startTestOrigin({
      finite: history % 2 === 0,
      rows: Array.from({ length: 300 }, (_, id) => ({ id, ip: `192.0.2.${id % 250}` })),
    });
    await using replicator = await replicate({ url: origin.url, kv: store.path, pollMs: 100 });
    await waitFor(() => replicator.table().status().live, "live");
    let isOver = false;
    const changing = (async () => {
      while (!isOver) {
        const id = Math.floor(random() * 320);
        if (random() < 0.3) origin.table.remove(id);
        else origin.table.put({ id, ip: `203.0.113.${Math.floor(random() * 250)}` });
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    try {
      const result = await verified(origin, store.path);
      assert.deepEqual(found(result), {}, `history ${history}`);
      assert.notEqual(result.verdict, "different");
    } finally {
      isOver = true;
      await changing;
    }
  }
});

Deno.test("an origin whose records can't all be read, or that sends none, tells nothing about ghosts", async () => {
  await using store = await TempStore.create();
  await using origin = startTestOrigin({ finite: true, rows: [{ id: 1 }, { id: 2 }] });
  {
    await using replicator = await replicate({ url: origin.url, kv: store.path, once: true });
    await replicator.done;
  }
  await using empty = startTestOrigin({ finite: true });
  const result = await verified(empty, store.path);
  assert.deepEqual([result.verdict, found(result)], ["unknown", {}]);
  assert.match(result.reason ?? "", /no record/);
});

Deno.test("two copies are compared by their digests, and only what differs is fetched", async () => {
  await using here = await TempStore.create();
  await using there = await TempStore.create();
  await using origin = startTestOrigin({
    rows: Array.from({ length: 500 }, (_, id) => ({ id, ip: `192.0.2.${id % 250}` })),
  });
  await using other = await replicate({ url: origin.url, kv: there.path });
  await waitFor(() => other.table().status().live, "live");
  const server = await startStatusServer(other, { address: "127.0.0.1:0", explicit: true });
  await using _closing = { [Symbol.asyncDispose]: () => server.close() };
  {
    await using replicator = await replicate({ url: origin.url, kv: here.path, once: true });
    await replicator.done;
  }
  const args = ["verify", "servers", "--kv", here.path, "--against", server.url];
  assert.equal(await main([...args, "--json"]), 0);
  await tamper(here.path, (kv) => kv.delete(["servers", 3]));
  assert.equal(await main(args), 1);
  origin.table.put({ id: 1, ip: "x" });
  await waitFor(() => other.table().status().cursor === String(origin.table.head), "the change");
  assert.equal(await main(args), 2, "they stand at different cursors");
});

Deno.test("verify tells equal from different by its exit status, and asks for a resync to repair", async () => {
  await using store = await TempStore.create();
  await using origin = startTestOrigin({
    finite: true,
    rows: [{ id: 1, ip: "a" }, { id: 2, ip: "b" }],
  });
  {
    await using replicator = await replicate({ url: origin.url, kv: store.path, once: true });
    await replicator.done;
  }
  const args = ["verify", "servers", "--kv", store.path];
  assert.equal(await main(args), 0);
  await tamper(store.path, (kv) => kv.delete(["servers", 2]));
  assert.equal(await main([...args, "--repair"]), 1);
  {
    await using replicator = await replicate({ url: origin.url, kv: store.path });
    await waitFor(async () => await replicator.table().get(2) !== null, "it is back");
  }
  assert.equal(await main(args), 0);
  assert.equal(await main(["verify", "nothing", "--kv", store.path]), 2);
});

Deno.test("a copy that compares itself shows what came of it, and when, and warns of differences", async () => {
  await using store = await TempStore.create();
  await using origin = startTestOrigin({
    finite: true,
    rows: [{ id: 1, ip: "a" }, { id: 2, ip: "b" }],
  });
  await using replicator = await replicate({
    url: origin.url,
    kv: store.path,
    verifyEveryMs: 50,
  });
  const table = replicator.table();
  await waitFor(() => table.status().verified?.verdict === "equal", "equal");
  await tamper(store.path, (kv) => kv.delete(["servers", 2]));
  const verified = await waitFor(() => {
    const { verified } = table.status();
    return verified?.verdict === "different" ? verified : null;
  }, "different");
  assert.equal(verified.differing, 1);
  await origin.stop();
  await waitFor(() => table.status().verified?.verdict === "failed", "failed");
});
