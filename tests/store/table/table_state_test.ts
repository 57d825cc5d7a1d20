import assert from "node:assert/strict";
import fc from "fast-check";
import { compareOrder, maxOrder } from "../../../src/protocol/cursor.ts";
import type { ResyncMark, TableMeta } from "../../../src/store/kv/stored_values.ts";
import { TableOrders } from "../../../src/protocol/orders.ts";
import * as states from "../../../src/store/table/table_state.ts";

const origin = { url: "http://origin.example/servers", key: ["id"], orderBy: "updated_at" };

function fresh(): TableMeta {
  const admission = {
    table: "servers",
    origin,
    since: null,
    orderType: null,
    adopt: false,
    resync: false,
  };
  return states.admitted(null, admission, "store");
}

const NUMBERS = new TableOrders(null, "number");

const CHAIN = { reason: "asked for", cuts: 0, chain: 1, allowed: null } as const;
const WANTED: ResyncMark = { ...CHAIN, phase: "wanted" };
const READING: ResyncMark = { ...CHAIN, phase: "reading", began: "stamp", before: 1 };
const HELD: ResyncMark = {
  phase: "held",
  reason: "asked for",
  began: "stamp",
  why: "large",
  wouldRemove: 1,
  of: 1,
  greatest: null,
};

/** Every transition, with what is drawn for it. */
const transitions: Record<
  Exclude<
    keyof typeof states,
    | "admitted"
    | "typed"
    | "migrated"
    | "replaced"
    | "sameIdentity"
    | "isSound"
    | "withCursor"
    | "countingCursor"
  >,
  (state: TableMeta, order: number, flag: boolean) => TableMeta
> = {
  aboutToWrite: (state, order, flag) => states.aboutToWrite(state, order, order - 1, flag),
  // The writer covers what it has written, and nothing else.
  covered: (state, order) =>
    states.covered(state, state.high === null ? null : Math.min(order, Number(state.high))),
  heldBack: (state) => states.heldBack(state, null),
  caughtUp: (state, _order, flag) => states.caughtUp(state, state.high, flag),
  changed: (state, order) => states.changed(state, order - 5, order),
  settled: (state) => states.settled(state),
  onHold: (state) => states.onHold(state, null),
  guessed: (state) => states.guessed(state),
  counted: (state, order) => states.counted(state, order),
  quarantinedOne: (state) => states.quarantinedOne(state),
  contacted: (state, order) => states.contacted(state, order),
  completed: (state) => states.completed(state),
  ofGeneration: (state, _order, flag) => states.ofGeneration(state, flag ? "g" : null),
  dropped: (state) => states.dropped(state),
  resyncMoved: (state, _order, flag) => states.resyncMoved(state, flag ? WANTED : null),
  resyncBegan: (state) =>
    states.resyncBegan(state, { ...READING, before: state.cursor }, "generation"),
  resyncSized: (state, order, flag) =>
    states.resyncSized(state, { ...HELD, why: flag ? "empty" : "large" }, order),
  resyncEnded: (state, order, flag) => states.resyncEnded(state, flag ? order : undefined),
  recovered: (state, _order, flag) =>
    states.recovered(state, flag ? null : { ...state, cursor: null }, null),
};

/** What may take the cursor back. */
const BACK = ["dropped", "heldBack", "resyncMoved", "resyncBegan", "resyncSized", "recovered"];

Deno.test("no transition takes the cursor above what was written, and few take it back", () => {
  const names = Object.keys(transitions) as (keyof typeof transitions)[];
  const steps = fc.array(
    fc.tuple(fc.constantFrom(...names), fc.integer({ min: 1, max: 100 }), fc.boolean()),
  );
  fc.assert(
    fc.property(steps, (given) => {
      let state = fresh();
      for (const [name, order, flag] of given) {
        const next = transitions[name](state, order, flag);
        assert.ok(states.isSound(next, null), `${name}: ${next.cursor} above ${next.high}`);
        if (!BACK.includes(name)) {
          assert.equal(maxOrder(state.cursor, next.cursor), next.cursor, name);
        }
        if (name !== "resyncEnded" && state.high !== null && next.high !== null) {
          assert.ok(compareOrder(state.high, next.high) <= 0, `${name} forgets what was written`);
        }
        assert.ok(next.rows >= 0);
        state = next;
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("until a resync brings something, the cursor of before it counts", () => {
  const live = states.caughtUp(states.aboutToWrite(fresh(), 9, 5, true), 9, false);
  const reading = states.resyncBegan(live, { ...READING, before: 9 }, null);
  assert.equal(reading.cursor, null);
  assert.equal(states.withCursor(reading, null, NUMBERS).cursor, 9);
  assert.equal(states.resyncMoved(reading, WANTED).cursor, 9);
  assert.equal(states.resyncSized(reading, { ...HELD, why: "empty" }, 3).cursor, 9);
  const brought = states.aboutToWrite(reading, 3, 3, true);
  assert.equal(states.withCursor(brought, null, NUMBERS).cursor, null);
});

Deno.test("a cut first answer is resumed from its least order, unless it was out of order", () => {
  const begun = states.aboutToWrite(fresh(), 9, 5, true);
  assert.deepEqual([begun.high, begun.floor], [9, 5]);
  assert.equal(states.aboutToWrite(begun, 12, null, true).floor, 5);
  assert.equal(states.aboutToWrite(begun, 12, 3, false).floor, null);
  const caught = states.caughtUp(begun, 9, false);
  assert.equal(states.aboutToWrite(caught, 12, 1, true).floor, 5);
});

Deno.test("a table of another origin is refused, adopted, or taken for a resync", () => {
  const stored = states.caughtUp(states.aboutToWrite(fresh(), 9, 5, true), 9, false);
  const moved = { ...origin, url: "http://other.example/servers" };
  const other = { ...moved, orderBy: "changed" };
  const admission = {
    table: "servers",
    since: null,
    orderType: null,
    adopt: false,
    resync: false,
  };
  const admit = (to: typeof origin, how: { adopt?: boolean; resync?: boolean }) =>
    states.admitted(stored, { ...admission, ...how, origin: to }, "store");
  assert.throws(() => admit(moved, {}), /is a copy of/);
  assert.throws(() => admit(other, { adopt: true }), /is a copy of/);
  assert.equal(admit(moved, { adopt: true }).cursor, 9);
  assert.equal(admit(moved, { resync: true }).cursor, 9);
  assert.deepEqual([admit(other, { resync: true }).cursor, admit(other, { resync: true }).high], [
    null,
    null,
  ]);
});
