import assert from "node:assert/strict";
import {
  decide,
  equalJson,
  type Stored,
  SWEPT_FIELD,
} from "../../../src/store/read/last_writer_wins.ts";
import type { JsonValue, Row } from "../../../src/protocol/record.ts";

/** How the stored entry's order compares with the row's, which is 10. */
const ORDERS = { older: 9, same: 10, newer: 11 } as const;

function row(isRow: boolean, content: string): Row {
  return {
    key: [1],
    order: 10,
    deletedAt: isRow ? null : 10,
    value: { id: 1, updated_at: 10, content },
    length: 40,
  };
}

type Kind = "row" | "tombstone";
type Age = keyof typeof ORDERS;
type Content = "same content" | "other content";

/** Outcome, written, changed, rows: every case of last writer wins. */
type Cell = readonly [string, boolean, boolean, number];

const STALE: Cell = ["stale", false, false, 0];
const IDENTICAL: Cell = ["identical", false, false, 0];
const UPDATED: Cell = ["updated", true, true, 0];
const INSERTED: Cell = ["inserted", true, true, 1];
const DELETED: Cell = ["deleted", true, true, -1];
const BURIED: Cell = ["deleted", true, false, 0];

/** What is stored → how old it is → its content → what an arriving row, or tombstone, does. */
const TABLE: Record<Kind, Record<Age, Record<Content, Record<Kind, Cell>>>> = {
  row: {
    older: {
      "same content": { row: UPDATED, tombstone: DELETED },
      "other content": { row: UPDATED, tombstone: DELETED },
    },
    same: {
      "same content": { row: IDENTICAL, tombstone: DELETED },
      "other content": { row: UPDATED, tombstone: DELETED },
    },
    newer: {
      "same content": { row: STALE, tombstone: STALE },
      "other content": { row: STALE, tombstone: STALE },
    },
  },
  tombstone: {
    older: {
      "same content": { row: INSERTED, tombstone: BURIED },
      "other content": { row: INSERTED, tombstone: BURIED },
    },
    same: {
      "same content": { row: INSERTED, tombstone: IDENTICAL },
      "other content": { row: INSERTED, tombstone: BURIED },
    },
    newer: {
      "same content": { row: STALE, tombstone: STALE },
      "other content": { row: STALE, tombstone: STALE },
    },
  },
};

function cell(arriving: Kind, stored: Stored | null): Cell {
  const decision = decide(row(arriving === "row", "a"), stored);
  return [decision.outcome, decision.write, decision.changed, decision.rows];
}

function stored(kind: Kind, age: Age, content: Content, confirmed: boolean): Stored {
  const order = ORDERS[age];
  const text = content === "same content" ? "a" : "b";
  const value = { id: 1, updated_at: 10, content: text };
  return { order, value, isRow: kind === "row", confirmed };
}

Deno.test("the last writer wins by order, in every case", () => {
  for (const [kind, ages] of Object.entries(TABLE) as [Kind, (typeof TABLE)[Kind]][]) {
    for (const [age, contents] of Object.entries(ages) as [Age, (typeof ages)[Age]][]) {
      for (const [content, arrivals] of Object.entries(contents)) {
        for (const [arriving, expected] of Object.entries(arrivals)) {
          const was = stored(kind, age, content as Content, true);
          const what = `${arriving} over ${age} ${kind} of ${content}`;
          assert.deepEqual(cell(arriving as Kind, was), expected, what);
        }
      }
    }
  }
  assert.deepEqual(cell("row", null), INSERTED);
  assert.deepEqual(cell("tombstone", null), BURIED);
});

Deno.test("in a resync the origin's word replaces what it has not confirmed, whatever its order", () => {
  for (const age of Object.keys(ORDERS) as Age[]) {
    const isSame = age === "same";
    const row = stored("row", age, "same content", false);
    assert.deepEqual(cell("row", row), isSame ? IDENTICAL : UPDATED, age);
    assert.deepEqual(cell("tombstone", row), DELETED, age);
    const tombstone = stored("tombstone", age, "same content", false);
    assert.deepEqual(cell("row", tombstone), INSERTED, age);
    assert.deepEqual(cell("tombstone", tombstone), isSame ? IDENTICAL : BURIED, age);
  }
});

Deno.test("a row that a sweep removed is alive again when the origin sends it, whatever its order", () => {
  for (const age of Object.keys(ORDERS) as Age[]) {
    for (const confirmed of [true, false]) {
      const value = { id: 1, updated_at: ORDERS[age], [SWEPT_FIELD]: true };
      const swept: Stored = { order: ORDERS[age], value, isRow: false, confirmed };
      assert.deepEqual(cell("row", swept), INSERTED, age);
    }
  }
});

Deno.test("content is the same whatever the order of its fields, and exact in its numbers", () => {
  const pairs: [JsonValue, JsonValue, boolean][] = [
    [{ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 }, true],
    [{ a: 1 }, { a: 1, b: 2 }, false],
    [{ a: 1 }, { b: 1 }, false],
    [{ a: null }, { b: null }, false],
    [[1, 2], [2, 1], false],
    [[], {}, false],
    [[1], { 0: 1 }, false],
    [1, "1", false],
    [null, false, false],
    [null, 0, false],
    [9007199254740993n, 9007199254740993n, true],
    [9007199254740993n, 9007199254740992n, false],
    [JSON.parse('{"__proto__":1}'), {}, false],
    [JSON.parse('{"__proto__":1}'), JSON.parse('{"__proto__":1}'), true],
    [JSON.parse('{"toString":1}'), { valueOf: 1 }, false],
  ];
  for (const [a, b, expected] of pairs) {
    assert.equal(equalJson(a, b), expected);
    assert.equal(equalJson(b, a), expected);
  }
});
