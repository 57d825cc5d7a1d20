/**
 * Random histories of an origin, a replica of it and a replica of its feed: both end equal to the
 * origin, wherever they are cut.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { compareOrder, type Order } from "../../src/protocol/cursor.ts";
import { parseJson, stringifyJson } from "../../src/protocol/json_text.ts";
import { DEFAULT_SHAPE, type JsonObject, readRow } from "../../src/protocol/record.ts";
import { orderAt, type OrderStyle } from "../../scripts/origin/orders.ts";
import { OriginTable } from "../../scripts/origin/table.ts";
import { CommitHook } from "../support/commit_hook.ts";
import { FastClock } from "../support/fast_clock.ts";
import { byName, differences, keyName, rowsIn } from "../support/oracle.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { startReplica, type TestReplica } from "../support/replicas.ts";
import { StaleCache } from "../support/stale_cache.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";
import { serveFeed } from "./feed_replica.ts";

type Step =
  | { readonly do: "put"; readonly id: number; readonly size: number }
  | { readonly do: "burst"; readonly rows: number }
  | { readonly do: "remove" | "forget"; readonly id: number }
  | { readonly do: "late"; readonly by: number }
  | { readonly do: "wait"; readonly ms: number }
  | {
    readonly do:
      | "tick"
      | "cut"
      | "cutFeed"
      | "restart"
      | "restartFollower"
      | "newFollower"
      | "fail"
      | "resync";
  }
  | { readonly do: "backup" | "restore" | "follow" | "live" };

const id = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 100, max: 103 }));
const plain = (name: Extract<Step["do"], string>, weight = 1) => ({
  weight,
  arbitrary: fc.constant({ do: name } as Step),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("put" as const),
      id,
      size: fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, fc.constant(100_000)),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("burst" as const), rows: fc.nat(2500) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("remove" as const), id }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("forget" as const), id }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("late" as const), by: fc.integer({ min: 1, max: 40 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(8) }) },
  plain("tick", 3),
  plain("live", 2),
  plain("follow", 2),
  plain("cut"),
  plain("cutFeed", 2),
  plain("restart"),
  plain("restartFollower"),
  plain("newFollower"),
  plain("fail"),
  plain("resync"),
  plain("backup"),
  plain("restore"),
);

const OVERLAP = 1_000_000;

/** Follows a feed with nothing but fetch: from a cursor, to the end of the backlog. */
async function readFeed(url: string, since: string): Promise<JsonObject[] | number> {
  // A connection of the server that was cut may be taken once more.
  const answer = await fetch(`${url}/${since}?finite=1`).catch(() => null);
  if (answer === null) return 503;
  const text = await answer.text();
  if (!answer.ok) return answer.status;
  return text.split("\n").filter((line) => line !== "").map((line) =>
    parseJson(line) as JsonObject
  );
}

/** What a third party keeps: rows, and the greatest order it has seen. */
class Copy {
  readonly rows = new Map<string, JsonObject>();
  readonly orders = new Map<string, Order>();
  since: Order | null = null;

  add(records: readonly JsonObject[]): void {
    let last: Order | null = null;
    for (const record of records) {
      const row = readRow(record, 0, DEFAULT_SHAPE);
      assert.ok(typeof row !== "string", `a record: ${stringifyJson(record)}`);
      assert.ok(last === null || compareOrder(row.order, last) >= 0, "sorted by order");
      assert.ok(this.since === null || compareOrder(row.order, this.since) >= 0, "from since on");
      last = row.order;
      const name = keyName(row.key);
      if (row.deletedAt === null) this.rows.set(name, record);
      else this.rows.delete(name);
    }
    if (last !== null) this.since = last;
  }
}

/** A public feed, its cache between, and what the cache answers by chance. */
const CACHES = { shared: true, beside: null, tombstoneTtlMs: 7 * 86_400_000 };

async function play(
  orders: OrderStyle,
  steps: readonly Step[],
  chance: number | null = null,
): Promise<void> {
  let time = Date.UTC(2026, 0, 1);
  const table = new OriginTable({ clock: () => time, orders });
  await using origin = startTestOrigin({ table, heartbeatMs: 20 });
  await using store = await TempStore.create();
  await using farStore = await TempStore.create();
  // Without late rows nothing may hide behind an overlap.
  const isLate = steps.some((step) => step.do === "late");
  const overlap = orders === "iso"
    ? "1000s"
    : orders === "nanos"
    ? `${OVERLAP}000000`
    : `${OVERLAP}`;
  const shared = {
    clock: new FastClock(),
    shrinkLimit: 1,
    ...(isLate ? { overlap } : {}),
  };
  const caches = chance === null ? undefined : CACHES;
  let fail = false;
  using _hook = new CommitHook(() => {
    if (!fail) return;
    fail = false;
    throw new Error("disk I/O error");
  });
  const start = async (port: number) => {
    const replica = await startReplica(origin.url, { kv: store.path, feed: true, ...shared });
    return { replica, server: serveFeed(replica, port, shared.clock, caches) };
  };
  let near = await start(0);
  const { port } = near.server;
  const url = `http://127.0.0.1:${port}/feed/servers`;
  await using cache = chance === null
    ? null
    : new StaleCache(`http://127.0.0.1:${port}`, new FastClock(1), seeded(chance));
  const from = cache === null ? url : `${cache.url}/feed/servers`;
  let farPath = farStore.path;
  const follow = () => startReplica(from, { kv: farPath, ...shared });
  let far: TestReplica | null = await follow();
  const stopNear = async () => {
    await near.server.stop();
    await near.replica.stop();
  };
  let copy = new Copy();
  let backup = table.snapshot();
  let made = 0;
  let mustResync = false;
  try {
    for (const step of steps) {
      switch (step.do) {
        case "put":
          table.put({ id: step.id, n: made++, text: "x".repeat(step.size) });
          break;
        case "burst":
          for (let i = 0; i < step.rows; i++) {
            if (i % 5 === 0) time++;
            table.put({ id: 100 + (i * 739) % 4000, n: made++ });
          }
          break;
        case "remove":
          table.remove(step.id);
          break;
        case "forget":
          table.forget(step.id);
          mustResync = true;
          break;
        case "late": {
          const order = orderAt(time - step.by, orders);
          table.putAs({ id: `late ${made++}`, updated_at: order, deleted_at: null });
          break;
        }
        case "wait":
          await new Promise((resolve) => setTimeout(resolve, step.ms));
          break;
        case "tick":
          time++;
          break;
        case "cut":
          origin.dropConnections();
          break;
        case "cutFeed":
          near.server.feeds.close();
          await near.server.stop();
          near.server = serveFeed(near.replica, port, shared.clock, caches);
          break;
        case "restart":
          await stopNear();
          fail = false;
          near = await start(port);
          break;
        case "restartFollower":
          await far.stop();
          far = null;
          fail = false;
          far = await follow();
          break;
        case "newFollower":
          await far.stop();
          far = null;
          fail = false;
          farPath = `${farStore.path}-${made++}`;
          far = await follow();
          break;
        case "fail":
          fail = true;
          break;
        case "resync":
          near.replica.replica.requestResync("the model wants it");
          break;
        case "backup":
          backup = table.snapshot();
          break;
        case "restore":
          table.restore(backup);
          time++;
          origin.dropConnections();
          mustResync = true;
          break;
        case "follow": {
          const got = await readFeed(url, copy.since === null ? "0" : String(copy.since));
          if (got === 410) copy = new Copy();
          else if (typeof got !== "number") copy.add(got);
          break;
        }
        case "live":
          await near.replica.live();
          break;
      }
    }
    fail = false;
    if (mustResync) near.replica.replica.requestResync("records were forgotten");
    // A clean end is what a sweep waits for; the feed gives its own proof.
    await equal(
      "the replica",
      near.replica,
      store.path,
      table,
      () => origin.server.finishConnections(),
    );
    await equal("the follower", far, farPath, table);
    await near.replica.replica.index?.idle();
    const whole = new Copy();
    const got = await waitFor(async () => {
      const answer = await readFeed(url, "0");
      return typeof answer === "number" ? null : answer;
    }, "an answer");
    whole.add(got);
    assert.deepEqual(differences(whole.rows, byName(table.liveRows())), [], "read from 0");
  } finally {
    await far?.stop();
    await stopNear();
  }
}

/** Numbers from 0 to 1, the same for the same seed. */
function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}

async function equal(
  name: string,
  replica: TestReplica,
  path: string,
  table: OriginTable,
  help = () => {},
) {
  using kv = await Deno.openKv(path);
  let last: string[] = [];
  await waitFor(
    async () => {
      const { status } = replica;
      help();
      if (status.state === "held") replica.replica.approveSweep();
      if (!status.live || status.sweep !== null) return false;
      last = differences(await rowsIn(kv, "servers"), byName(table.liveRows()));
      return last.length === 0;
    },
    "equal to the origin",
    20_000,
  ).catch((error) => {
    const { state, rows, cursor, head, sweep, errors } = replica.status;
    const said = JSON.stringify({ state, rows, cursor, head, sweep, errors: errors.slice(0, 3) });
    throw new Error(`${name}: ${error.message}: ${last.join("; ")}; ${said}`);
  });
}

Deno.test("whatever happens, a replica's follower ends equal to the origin", async () => {
  const histories = fc.asyncProperty(
    fc.constantFrom<OrderStyle>("number", "nanos", "iso"),
    fc.array(step, { minLength: 1, maxLength: 50 }),
    (orders, steps) => play(orders, steps),
  );
  // The same histories each time, unless another seed is asked for.
  const seed = Number(Deno.env.get("LOCKSTEP_SEED") ?? 20_111_122);
  await fc.assert(histories, { numRuns: Number(Deno.env.get("RUNS") ?? 40), seed });
});

Deno.test("whatever a cache between answers within its time, a follower ends equal to the origin", async () => {
  const histories = fc.asyncProperty(
    fc.constantFrom<OrderStyle>("number", "nanos", "iso"),
    fc.array(step, { minLength: 1, maxLength: 50 }),
    fc.integer(),
    play,
  );
  const seed = Number(Deno.env.get("LOCKSTEP_SEED") ?? 20_111_122);
  await fc.assert(histories, { numRuns: Number(Deno.env.get("RUNS") ?? 25), seed });
});
