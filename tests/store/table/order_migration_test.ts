/**
 * Stores of layout 2 are taken over in place. `layout_2/` has dumps of stores as the program wrote
 * them before there were order types: from an answer of the lines below, with `--feed --once`, by
 * `sqlite3 STORE .dump`, the expiry of tombstones put off.
 *
 * @module
 */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { stringifyJson } from "../../../src/protocol/json_text.ts";
import type { JsonObject } from "../../../src/protocol/record.ts";
import { TableReader } from "../../../src/store/read/table_reader.ts";
import { COMPARISONS, LinesOrigin } from "../../support/lines_origin.ts";
import { rowsIn } from "../../support/oracle.ts";
import { replicateOnce, type TestReplicaOptions } from "../../support/replicas.ts";
import { TempStore } from "../../support/temp_store.ts";

const SENT: Record<string, readonly JsonObject[]> = {
  numbers: [
    { id: 1, updated_at: 5, deleted_at: null },
    { id: 2, updated_at: 7, deleted_at: null },
    { id: 3, updated_at: 8, deleted_at: 8 },
  ],
  iso: [
    { id: 1, updated_at: "2026-01-31T12:00:00.100Z", deleted_at: null },
    { id: 2, updated_at: "2026-01-31T12:00:00.200Z", deleted_at: null },
    {
      id: 3,
      updated_at: "2026-01-31T12:00:00.300Z",
      deleted_at: "2026-01-31T12:00:00.300Z",
    },
  ],
  widths: [
    { id: 1, updated_at: "2026-01-31T12:00:00.1Z", deleted_at: null, n: 1 },
    { id: 1, updated_at: "2026-01-31T12:00:00.125Z", deleted_at: null, n: 2 },
    { id: 2, updated_at: "2026-01-31T12:00:01Z", deleted_at: null },
  ],
  empties: [
    { id: 1, updated_at: 5, deleted_at: "" },
    { id: 2, updated_at: 7, deleted_at: null },
  ],
  texts: [
    { id: 1, updated_at: "v1", deleted_at: null },
    { id: 2, updated_at: "v2", deleted_at: null },
  ],
};

/** Opens the old store on an origin that has the same records still; tells what became of it. */
async function takeOver(name: string, options: Partial<TestReplicaOptions> = {}) {
  await using store = await TempStore.create();
  using database = new DatabaseSync(store.path);
  database.exec(await Deno.readTextFile(new URL(`layout_2/${name}.sql`, import.meta.url)));
  database.exec("PRAGMA journal_mode=wal");
  const sent = SENT[name] ?? [];
  const isNumber = typeof sent[0]?.["updated_at"] === "number";
  await using origin = await LinesOrigin.start(
    isNumber ? COMPARISONS.numbers : COMPARISONS.texts,
    sent.map((record) => ({
      text: stringifyJson(record),
      order: String(record["updated_at"]),
    })),
  );
  const { status } = await replicateOnce(origin.url, { kv: store.path, adopt: true, ...options });
  const kv = await store.open();
  const rows = [...(await rowsIn(kv, "servers")).values()];
  const meta = await new TableReader(kv, "servers").meta();
  return { rows, meta, status, asked: origin.asked };
}

for (const feed of [false, true]) {
  const how = feed ? "with a feed" : "without a feed";
  Deno.test(`numbers of an older store stay numbers, ${how}`, async () => {
    const { rows, meta, asked } = await takeOver("numbers", { feed });
    assert.deepEqual([meta?.order?.type, meta?.cursor, asked], ["number", 8, ["8"]]);
    assert.deepEqual(rows, SENT["numbers"]?.slice(0, 2));
  });

  Deno.test(`times of an older store that are written alike become times, ${how}`, async () => {
    const { rows, meta, asked } = await takeOver("iso", { feed });
    assert.deepEqual(asked, ["2026-01-31T12:00:00.300Z"], "nothing is read again");
    assert.equal(meta?.order?.type, "time");
    assert.deepEqual([meta.cursor, meta.high, meta.cursorText], [
      "2026-01-31T12:00:00.3",
      "2026-01-31T12:00:00.3",
      "2026-01-31T12:00:00.300Z",
    ]);
    assert.deepEqual(rows, SENT["iso"]?.slice(0, 2));
  });

  Deno.test(`times of an older store that are not are read again, ${how}`, async () => {
    const { rows, meta, asked } = await takeOver("widths", { feed });
    assert.deepEqual([asked[0], meta?.order?.type, meta?.resync], ["0", "time", null]);
    assert.deepEqual(rows, SENT["widths"]?.slice(1), "the update that was dropped is there");
  });
}

Deno.test("other texts of an older store stay texts", async () => {
  const { rows, meta, asked } = await takeOver("texts");
  assert.deepEqual([meta?.order?.type, asked], ["text", ["v2"]]);
  assert.deepEqual(rows, SENT["texts"]);
});

Deno.test("where an older version took living records for deleted, everything is read again once", async () => {
  const { rows, asked } = await takeOver("empties");
  assert.deepEqual(asked[0], "0");
  assert.deepEqual(rows, SENT["empties"]);
});

Deno.test("an older store takes a type that fits, and refuses another one with what to do", async () => {
  const text = await takeOver("iso", { orderType: "text" });
  assert.deepEqual([text.meta?.order?.type, text.meta?.cursor], [
    "text",
    "2026-01-31T12:00:00.300Z",
  ]);
  await assert.rejects(takeOver("iso", { orderType: "number" }), {
    kind: "foreign-store",
    hint: /--resync/,
  });
  await assert.rejects(takeOver("texts", { orderType: "time" }), { kind: "foreign-store" });
  const again = await takeOver("numbers", { orderType: "number" });
  assert.deepEqual([again.meta?.order?.isChosen, again.asked], [true, ["8"]]);
});
