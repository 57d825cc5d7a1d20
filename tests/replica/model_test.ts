/**
 * Random histories of an origin and a replica against the simplest model there is: the origin's
 * own live rows. Over real sockets and a real store; time runs faster.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { Hono } from "hono";
import { Feeds } from "../../src/feed/routes.ts";
import { parseJson } from "../../src/protocol/json_text.ts";
import type { JsonObject } from "../../src/protocol/record.ts";
import { OriginTable } from "../../scripts/origin/table.ts";
import { ORDER_STYLES, orderAt, type OrderStyle } from "../../scripts/origin/orders.ts";
import type { Separator } from "../../scripts/origin/source.ts";
import { CommitHook } from "../support/commit_hook.ts";
import { FastClock } from "../support/fast_clock.ts";
import { assertTable, byName, differences, rowsIn } from "../support/oracle.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { startReplica, type TestReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

type Step =
  | { readonly do: "put"; readonly id: number; readonly size: number }
  | { readonly do: "burst"; readonly rows: number }
  | { readonly do: "remove"; readonly id: number }
  | { readonly do: "forget"; readonly id: number }
  | { readonly do: "late"; readonly by: number }
  | { readonly do: "wait"; readonly ms: number }
  | {
    readonly do:
      | "tick"
      | "cut"
      | "end"
      | "restart"
      | "resync"
      | "fail"
      | "live"
      | "back up"
      | "restore";
  };

/** Few ids, so that they meet; some of them are those of a burst's first rows. */
const id = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 100, max: 103 }));
const plain = (
  name: "tick" | "cut" | "end" | "restart" | "resync" | "fail" | "live" | "back up" | "restore",
) => fc.constant<Step>({ do: name });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("put" as const),
      id,
      // Now and then a row that is kept in parts.
      size: fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, fc.constant(100_000)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("burst" as const), rows: fc.nat(1500) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("remove" as const), id }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("forget" as const), id }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("late" as const), by: fc.integer({ min: 1, max: 40 }) }),
  },
  { weight: 3, arbitrary: plain("tick") },
  { weight: 2, arbitrary: plain("live") },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(8) }) },
  { weight: 1, arbitrary: plain("cut") },
  { weight: 1, arbitrary: plain("end") },
  { weight: 1, arbitrary: plain("restart") },
  { weight: 1, arbitrary: plain("resync") },
  { weight: 1, arbitrary: plain("back up") },
  { weight: 1, arbitrary: plain("restore") },
  { weight: 1, arbitrary: plain("fail") },
);

/** How an origin may cut its answers: a page holds more than the rows of one order, and than one. */
const PAGES = {
  none: {},
  rows: { pageRows: 400 },
  bytes: { pageBytes: 150_000 },
  filter: { pageRows: 400, filter: (record: string) => !isHidden(JSON.parse(record)) },
} as const;

/** Records that the origin has, and keeps to itself. */
function isHidden({ id }: JsonObject): boolean {
  return typeof id === "number" && id >= 100 && id % 4 !== 0;
}

/** How long to go on with more histories. */
const SOAK_MS = Number(Deno.env.get("LOCKSTEP_SOAK_SECONDS") ?? 0) * 1000;

/** An overlap in each style of orders that covers all lateness: 1,000 seconds. */
const OVERLAPS: Readonly<Record<OrderStyle, string>> = {
  number: "1000000",
  nanos: "1000000000000",
  iso: "1000s",
  trimmed: "1000s",
  seconds: "1000",
  digits: "1000000",
};

async function play(
  finite: boolean,
  separator: Separator,
  pages: keyof typeof PAGES,
  feed: boolean,
  orders: OrderStyle,
  steps: readonly Step[],
): Promise<void> {
  let time = 995;
  const isPaged = pages !== "none";
  const table = new OriginTable({ clock: () => time, orders, ...(isPaged ? {} : { separator }) });
  await using origin = startTestOrigin({ table, finite, heartbeatMs: 20, ...PAGES[pages] });
  const shown = () => table.liveRows().filter((record) => pages !== "filter" || !isHidden(record));
  await using store = await TempStore.create();
  const options = {
    kv: store.path,
    clock: new FastClock(),
    overlap: OVERLAPS[orders],
    ...(orders === "digits" ? { orderType: "number" as const } : {}),
    shrinkLimit: 1,
    feed,
  };
  let fail = false;
  using _hook = new CommitHook(() => {
    if (!fail) return;
    fail = false;
    throw new Error("disk I/O error");
  });
  let replica: TestReplica | null = await startReplica(origin.url, options);
  let made = 0;
  let mustResync = false;
  let backup = table.snapshot();
  try {
    for (const step of steps) {
      switch (step.do) {
        case "put":
          // A page of few bytes holds few large records of one order.
          if (isPaged) time++;
          table.put({ id: step.id, n: made++, text: "x".repeat(step.size) });
          break;
        case "burst":
          // Keys in no order, some of one time: a window of several operations.
          for (let i = 0; i < step.rows; i++) {
            if (i % 5 === 0) time++;
            table.put({ id: 100 + (i * 739) % 2000, n: made++ });
          }
          break;
        case "remove":
          table.remove(step.id);
          break;
        case "forget":
          table.forget(step.id);
          mustResync = true;
          break;
        case "late":
          table.putAs({
            id: `late ${made++}`,
            updated_at: orderAt(time - step.by, orders),
            deleted_at: null,
          });
          break;
        case "wait":
          // Chance, not patience: what the replica gets done meanwhile is another history.
          await new Promise((resolve) => setTimeout(resolve, step.ms));
          break;
        case "tick":
          time++;
          break;
        case "cut":
          origin.dropConnections();
          break;
        case "end":
          origin.server.finishConnections();
          break;
        case "restart":
          await replica.stop();
          replica = null;
          // A commit that fails while a table is opened is an error of the start: not meant here.
          fail = false;
          replica = await startReplica(origin.url, options);
          break;
        case "resync":
          replica.replica.requestResync("the model wants it");
          break;
        case "back up":
          backup = table.snapshot();
          break;
        case "restore":
          // Of no backup at all it is wiped; in mid-resync or not.
          table.restore(backup);
          mustResync = true;
          break;
        case "fail":
          fail = true;
          break;
        case "live":
          await replica.live();
          break;
      }
    }
    fail = false;
    const before = origin.requests.length;
    if (mustResync) replica.replica.requestResync("records were forgotten");
    // A table that is still empty may equal an origin that was emptied, before it is compared.
    const isBegun = () =>
      !mustResync || origin.requests.slice(before).some(({ since }) => since === "0");
    await settle(replica, store, () => {
      origin.server.finishConnections();
      return shown();
    }, isBegun);
    if (feed) await assertFeed(replica, shown());
    await replica.stop();
    using kv = await Deno.openKv(store.path);
    await assertTable(kv, shown());
  } finally {
    await replica?.stop();
  }
}

/** The change index is complete, and what the feed reads from it is the table. */
async function assertFeed({ replica, replicator }: TestReplica, live: readonly JsonObject[]) {
  await replica.index?.idle();
  assert.ok(replica.index?.complete, "the index is complete");
  const app = new Hono({ getPath: (request) => new URL(request.url).pathname });
  new Feeds(replicator).mount(app);
  let last: string[] = [];
  await waitFor(async () => {
    const answer = await app.fetch(new Request("http://localhost/feed/servers/0?finite=1"));
    const body = await answer.text();
    // Between two answers of a finite origin it says for a moment that it doesn't know.
    if (!answer.ok) return false;
    const read = body.split("\n").filter((line) => line !== "")
      .map((line) => parseJson(line) as JsonObject);
    // The latest change of all is told also where it is a deletion.
    const rows = read.filter((record) => (record["deleted_at"] ?? null) === null);
    last = differences(byName(rows), byName(live));
    // What others see in the store already is told as soon as the process knows that it is there.
    return last.length === 0;
  }, "the feed, read from 0, is the table").catch((error) => {
    throw new Error(`${error.message}: ${last.join("; ")}`);
  });
}

/** Waits until the table is what it must be and says so. */
async function settle(
  replica: TestReplica,
  store: TempStore,
  live: () => JsonObject[],
  isBegun: () => boolean,
) {
  using kv = await Deno.openKv(store.path);
  let last: string[] = [];
  await waitFor(
    async () => {
      const { status } = replica;
      if (status.state === "held") replica.replica.approveSweep();
      const rows = live();
      if (!status.live || status.sweep !== null || !status.rowsExact) return false;
      if (!isBegun()) return false;
      last = differences(await rowsIn(kv, "servers"), byName(rows));
      return last.length === 0 && status.rows === rows.length;
    },
    "equal to the origin",
    15_000,
  ).catch((error) => {
    const { state, rows, rowsExact, cursor, sweep, errors } = replica.status;
    const said = JSON.stringify({ state, rows, rowsExact, cursor, sweep, errors });
    throw new Error(`${error.message}: ${last.join("; ")}; ${said}`);
  });
}

Deno.test("whatever happens to origin, connection, store and process, the table ends equal to the origin", async () => {
  const histories = fc.asyncProperty(
    fc.boolean(),
    fc.constantFrom<Separator>("newline", "crlf", "none"),
    fc.constantFrom<keyof typeof PAGES>("none", "rows", "bytes", "filter"),
    fc.boolean(),
    // Time begins at 995 ms, so that orders soon differ in width.
    fc.constantFrom(...ORDER_STYLES),
    fc.array(step, { minLength: 1, maxLength: 60 }),
    play,
  );
  const end = performance.now() + SOAK_MS;
  let played = 0;
  do {
    await fc.assert(histories, { numRuns: 150 });
    played += 150;
  } while (performance.now() < end);
  if (SOAK_MS > 0) console.log(`${played} histories`);
});
