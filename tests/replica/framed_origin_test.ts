/**
 * The reference origin in every framing, with pages and without: first fill, live changes, broken
 * connections and a resync end equal to its table.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Framing, FRAMINGS } from "../../scripts/origin/framing.ts";
import { assertTable } from "../support/oracle.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";

const ROWS = 120;

/** Records with what framings might stumble over. */
function row(id: number, n: number) {
  return { id, n, text: `a "quoted" [${n}], {\n} line\u2028 and \\`, big: 2n ** 60n + BigInt(n) };
}

for (const framing of Object.keys(FRAMINGS) as Framing[]) {
  for (
    const [how, options] of [
      ["finite", { finite: true }],
      ["pages of 50", { finite: true, pageRows: 50 }],
      ["endless", { finite: false, heartbeatMs: 100 }],
      ["finite, gzip", { finite: true, gzip: true }],
    ] as const
  ) {
    // An array that stays open has not said that it is complete.
    if (!options.finite && (framing === "array" || framing === "envelope")) continue;
    Deno.test(`${framing}, ${how}: fill, changes, cuts and a resync end equal to the origin`, async () => {
      await using store = await TempStore.create();
      const rows = Array.from({ length: ROWS }, (_, id) => row(id, 0));
      await using origin = startTestOrigin({ ...options, framing, rows });
      const settings = {
        kv: store.path,
        shrinkLimit: 1,
        idleTimeoutMs: 5_000,
        ...(framing === "envelope" ? { records: "data" } : {}),
      };
      {
        await using replica = await startReplica(origin.url, settings);
        await replica.until(({ live, rows }) => live && rows === ROWS, "filled");
        for (let id = 0; id < 10; id++) origin.table.put(row(id, 1));
        origin.dropConnections();
        for (let id = 10; id < 20; id++) origin.table.remove(id);
        await replica.until(({ live, rows }) => live && rows === ROWS - 10, "changed");
        await replica.reached(String(origin.table.head));
        assert.equal(replica.status.quarantined, 0);
      }
      await assertTable(await store.open(), origin.table.liveRows());
      for (let id = 20; id < 30; id++) origin.table.forget(id);
      await using replica = await startReplica(origin.url, { ...settings, resync: true });
      // Of an answer that stays open nothing proves that it has brought everything.
      if (!options.finite) return;
      await replica.until(
        ({ live, rows, sweep }) => live && sweep === null && rows === ROWS - 20,
        "resynced",
      );
      await replica.stop();
      await assertTable(await store.open(), origin.table.liveRows());
    });
  }
}
