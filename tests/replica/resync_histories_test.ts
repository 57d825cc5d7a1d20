/**
 * Random histories of resyncs over an origin that is cut, wiped, rewound and swapped meanwhile,
 * over real sockets and a real store; time runs faster.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { FastClock } from "../support/fast_clock.ts";
import { assertTable, rowsIn } from "../support/oracle.ts";
import { startReplica, type TestReplica } from "../support/replicas.ts";
import { SortedOrigin, type SortedRow } from "../support/sorted_origin.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

const KEYS = 40;

/** Rows that the origin always has while it has anything; others come and go. */
const STEADY = 10;

/** One state of the origin: an order for each key, 0 where it has none. */
type Orders = readonly number[];

function rowsOf(orders: Orders, version: number): SortedRow[] {
  return orders.flatMap((order, i) =>
    order === 0 ? [] : [{ id: i, updated_at: order, deleted_at: null, version }]
  );
}

/** Few orders, so that they meet. */
const orders: fc.Arbitrary<Orders> = fc.array(fc.integer({ min: 0, max: 30 }), {
  minLength: KEYS,
  maxLength: KEYS,
}).map((list) => list.map((order, i) => i < STEADY ? Math.max(1, order) : order));

type Step =
  | { readonly do: "become"; readonly orders: Orders }
  | { readonly do: "cut"; readonly at: number }
  | { readonly do: "resync" | "approve" | "restart" | "wipe" | "settle" };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("become" as const), orders }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("cut" as const), at: fc.nat(KEYS) }),
  },
  { weight: 4, arbitrary: fc.constant<Step>({ do: "resync" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: "approve" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: "restart" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: "wipe" }) },
  { weight: 4, arbitrary: fc.constant<Step>({ do: "settle" }) },
);

/** Waits until the origin was asked again and again, and nothing more comes of it. */
async function settle(replica: TestReplica, origin: SortedOrigin): Promise<void> {
  const asked = origin.asked.length;
  await waitFor(() => origin.asked.length > asked + 3, "asked again");
  await replica.until(({ live, sweep }) => live && sweep?.state !== "removing", "at rest");
}

async function play(first: Orders, steps: readonly Step[]): Promise<void> {
  await using origin = await SortedOrigin.start(rowsOf(first, 0));
  await using store = await TempStore.create();
  const options = { kv: store.path, clock: new FastClock(), shrinkLimit: 0.5 };
  let replica = await startReplica(origin.url, options);
  await replica.until(({ live }) => live, "filled");
  let isApproved = false;
  let version = 1;
  let watched = true;
  const kv = await store.open();
  const assertSteady = async () => {
    // An approval may have been given while the origin was wiped.
    if (isApproved || !watched) return;
    const rows = await rowsIn(kv, "servers");
    for (let id = 0; id < STEADY; id++) assert.ok(rows.has(`[${id}]`), `${id} is gone`);
  };
  try {
    for (const step of steps) {
      switch (step.do) {
        case "become":
          origin.rows = rowsOf(step.orders, version++);
          break;
        case "cut":
          origin.cuts.push(step.at);
          break;
        case "wipe":
          origin.rows = [];
          break;
        case "resync":
          replica.replica.requestResync("the history wants it");
          break;
        case "approve":
          if (replica.replica.approveSweep()) isApproved = true;
          break;
        case "restart":
          await replica.stop();
          replica = await startReplica(origin.url, options);
          break;
        case "settle":
          await settle(replica, origin);
          break;
      }
      await assertSteady();
    }
    origin.cuts = [];
    if (origin.rows.length === 0) origin.rows = rowsOf(first, version++);
    watched = false;
    replica.replica.requestResync("the end");
    let last: unknown = null;
    await waitFor(
      async () => {
        if (replica.status.state === "held") replica.replica.approveSweep();
        if (replica.status.hold !== null) replica.replica.approveSweep();
        const { live, sweep } = replica.status;
        if (!live || sweep !== null) return false;
        return await assertTable(kv, [...origin.rows]).then(() => true, (error) => {
          last = error;
          return false;
        });
      },
      "equal to the origin",
      15_000,
    ).catch((error) => {
      throw new Error(`${error.message}: ${last}; ${JSON.stringify(replica.status)}`);
    });
  } finally {
    await replica.stop();
  }
}

Deno.test("no resync hides a row that the origin has all along, and the last one ends equal to it", async () => {
  const histories = fc.asyncProperty(orders, fc.array(step, { minLength: 1, maxLength: 20 }), play);
  await fc.assert(histories, { numRuns: Number(Deno.env.get("LOCKSTEP_RUNS") ?? 60) });
});
