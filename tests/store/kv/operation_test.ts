import assert from "node:assert/strict";
import fc from "fast-check";
import { parseJson, stringifyJson } from "../../../src/protocol/json_text.ts";
import { DEFAULT_SHAPE, type JsonObject, readRow, type Row } from "../../../src/protocol/record.ts";
import { TableReader } from "../../../src/store/read/table_reader.ts";
import { MisbehavingOrigin, records } from "../../support/misbehaving_origin.ts";
import { assertTable } from "../../support/oracle.ts";
import { replicateOnce } from "../../support/replicas.ts";
import { TempStore } from "../../support/temp_store.ts";

/** A part of a record's text, and how often it stands there: rows near and over every limit. */
const piece = fc.constantFrom<readonly [string, number]>(
  ['"x"', 1],
  ["[0.5" + ",1".repeat(12_900) + "]", 1],
  ["[" + "-0,".repeat(9_000) + "1]", 1],
  ["[" + "5e9,".repeat(7_200) + "1]", 1],
  [`"${"ж".repeat(32_600)}"`, 1],
  [`"ж${"x".repeat(29_000)}"`, 1],
  [`"${"x".repeat(65_300)}"`, 1],
  [`"${"x".repeat(66_000)}"`, 1],
  [`"${"x".repeat(200_000)}"`, 1],
  // As many as fill an operation by their bytes, or by those of their keys.
  [`"${"x".repeat(900)}"`, 1_100],
  [`"${"ж".repeat(3_000)}"`, 200],
  ['"x"', 100],
  ['{"a":[[],[],{}]}', 200],
);

const key = fc.oneof(
  fc.integer({ min: 1, max: 1000 }).map(String),
  fc.nat(1000).map((n) => `"${String(n).padStart(4, "k")}${"k".repeat(1_990)}"`),
  fc.nat(1000).map((n) => `"${n}${"ж".repeat(950)}"`),
);

interface Shape {
  readonly text: string;
  readonly times: number;
  readonly key: string;
  readonly deleted: boolean;
}

const shape: fc.Arbitrary<Shape> = fc.record({
  piece,
  key,
  deleted: fc.boolean(),
}).map(({ piece: [text, times], key, deleted }) => ({ text, times, key, deleted }));

/** The record texts of a history, each with an order of its own. */
function lines(shapes: readonly Shape[]): string[] {
  const made: string[] = [];
  for (const { text, times, key, deleted } of shapes) {
    for (let i = 0; i < times; i++) {
      const id = times === 1
        ? key
        : key.startsWith('"')
        ? `${key.slice(0, -1)}${i}"`
        : `${key}${i}`;
      const mark = deleted ? ',"deleted_at":1' : "";
      made.push(`{"id":${id},"updated_at":${made.length},"v":${text}${mark}}`);
    }
  }
  return made;
}

function rowOf(text: string): Row {
  const row = readRow(parseJson(text), text.length, DEFAULT_SHAPE);
  if (typeof row === "string") throw new Error(row);
  return row;
}

Deno.test("no commit is ever refused: rows, keys and tombstones of every size go through", async () => {
  const property = fc.asyncProperty(
    fc.array(shape, { minLength: 1, maxLength: 20 }),
    async (shapes) => {
      const texts = lines(shapes);
      const live = new Map<string, JsonObject>();
      for (const text of texts) {
        const { key, deletedAt, value } = rowOf(text);
        const name = stringifyJson([...key]);
        if (deletedAt === null) live.set(name, value);
        else live.delete(name);
      }
      await using origin = await MisbehavingOrigin.start(records(texts.join("\n") + "\n"));
      await using store = await TempStore.create();
      const options = { kv: store.path, attempts: 1 };
      const replica = await replicateOnce(`${origin.url}/servers`, options);
      assert.deepEqual(replica.status.errors, []);
      const kv = await store.open();
      await assertTable(kv, [...live.values()]);
      const reader = new TableReader(kv, "servers");
      assert.equal((await reader.meta())?.quarantined, 0);
      // And once more over what is there: every row is compared, nothing is written.
      const again = await replicateOnce(`${origin.url}/servers`, { ...options, adopt: true });
      assert.equal(again.status.records.updated + again.status.records.inserted, 0);
    },
  );
  await fc.assert(property, { numRuns: 20 });
});
