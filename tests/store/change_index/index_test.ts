import assert from "node:assert/strict";
import fc from "fast-check";
import { compareOrder } from "../../../src/protocol/cursor.ts";
import type { Row } from "../../../src/protocol/record.ts";
import {
  type ChangeEntry,
  type ChangePlace,
  compareEntries,
} from "../../../src/store/change_index/entry.ts";
import type { ChangeIndex } from "../../../src/store/change_index/index.ts";
import { lookUpChanges } from "../../../src/store/change_index/resolve_rows.ts";
import { TableReader } from "../../../src/store/read/table_reader.ts";
import { makeRow, shapeOf } from "../../support/arbitraries.ts";
import { CommitHook } from "../../support/commit_hook.ts";
import { TempStore } from "../../support/temp_store.ts";
import { textOf } from "./entries.ts";
import { IndexedTable } from "./indexed_table.ts";

type Step =
  | { readonly kind: "few" | "many"; readonly seed: number; readonly isFollowed: boolean }
  | { readonly kind: "fail"; readonly seed: number; readonly at: number }
  | { readonly kind: "restart" | "idle" };

const seed = fc.nat(10_000);
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("few" as const), seed, isFollowed: fc.boolean() }),
  fc.record({ kind: fc.constant("few" as const), seed, isFollowed: fc.boolean() }),
  fc.record({ kind: fc.constant("many" as const), seed, isFollowed: fc.boolean() }),
  fc.record({ kind: fc.constant("fail" as const), seed, at: fc.integer({ min: 1, max: 6 }) }),
  fc.constantFrom<Step>({ kind: "restart" }, { kind: "idle" }),
);

/** Rows at orders from somewhat below the head on. */
function rowsOf(count: number, seed: number, head: number): Row[] {
  return Array.from({ length: count }, (_, i) => {
    const order = Math.max(1, head - 5 + ((seed + i * 7) % 40));
    const id = (seed * 31 + i * 17) % 3_000;
    return makeRow([id], order, seed + i, (seed + i) % 5 === 0);
  }).toSorted((a, b) => compareOrder(a.order, b.order));
}

async function readAll(index: ChangeIndex, upTo: number): Promise<ChangeEntry[]> {
  const found: ChangeEntry[] = [];
  const hints = new Map<number, number>();
  for (let place: ChangePlace | null = null;;) {
    const { entries, done }: Awaited<ReturnType<ChangeIndex["read"]>> = await index.read(
      place,
      upTo,
      hints,
    );
    found.push(...entries);
    place = entries.at(-1) ?? place;
    if (done) return found;
  }
}

/** Rows and deletions up to an order, as they are stored. */
async function storedUpTo(kv: Deno.Kv, order: number): Promise<ChangeEntry[]> {
  const reader = new TableReader(kv, "servers");
  const newest = new Map<unknown, ChangeEntry>();
  // A row that is there is newer than its tombstone.
  for await (const { key, tombstone } of reader.tombstones()) {
    newest.set(key[0], { order: tombstone.order, key });
  }
  for await (const { key, value } of reader.list()) {
    newest.set(key[0], { order: Number(value["updated_at"]), key });
  }
  return [...newest.values()].filter((entry) => Number(entry.order) <= order)
    .toSorted(compareEntries);
}

Deno.test("whatever was written, failed, merged or restarted, all up to the cursor has its entry", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(stepArbitrary, { minLength: 1, maxLength: 12 }), async (steps) => {
      await using store = await TempStore.create();
      await using indexed = await IndexedTable.open(store.path);
      let head = 10;
      for (const step of steps) {
        switch (step.kind) {
          case "few":
          case "many": {
            const rows = rowsOf(step.kind === "few" ? 20 : 1_500, step.seed, head);
            head = Math.max(head, ...rows.map(({ order }) => Number(order)));
            await indexed.write(rows, step.isFollowed);
            break;
          }
          case "fail": {
            using _hook = new CommitHook((number) => {
              if (number === step.at) throw new Error("disk I/O error");
            });
            const rows = rowsOf(1_200, step.seed, head + 5);
            head = Math.max(head, ...rows.map(({ order }) => Number(order)));
            try {
              await indexed.write(rows);
            } catch {
              await indexed.table.recover();
              // The origin is asked again from the cursor, above which all of them lie.
              await indexed.write(rows);
            }
            break;
          }
          case "restart":
            await indexed.restart();
            break;
          case "idle":
            await indexed.table.index?.idle();
        }
        const { index, cursor, store: { reader } } = indexed.table;
        if (index === null || cursor === null || !index.complete) continue;
        const found = await readAll(index, Number(cursor));
        assert.deepEqual(found.map(textOf), found.toSorted(compareEntries).map(textOf));
        assert.equal(new Set(found.map(textOf)).size, found.length, "none comes twice");
        const changes = await lookUpChanges(
          { kv: reader, table: "servers", shape: shapeOf(1) },
          found,
        );
        const counting = found.filter((_, i) => changes[i] !== null);
        const expected = await storedUpTo(reader, Number(cursor));
        assert.deepEqual(counting.map(textOf), expected.map(textOf));
      }
    }),
    { numRuns: 20 },
  );
});
