import assert from "node:assert/strict";
import { replicate } from "../../src/replica/replicator.ts";
import { TableReader } from "../../src/store/read/table_reader.ts";
import { chunked, lengthy, MisbehavingOrigin, records } from "../support/misbehaving_origin.ts";
import type { Behaviour, End } from "../support/misbehaving_origin.ts";
import { HastyClock } from "../support/fast_clock.ts";
import { assertTable } from "../support/oracle.ts";
import { TempStore } from "../support/temp_store.ts";

/** A body with everything that a cut may hit: wide characters, escapes, exact integers, a tombstone. */
const BODY = '{"id":1,"updated_at":1}\n{"id":"é😀","updated_at":2,"a":[1.5,"\\ud83d\\ude00"]}\r\n' +
  '{"id":9007199254740993,"updated_at":3}{"id":1,"updated_at":4,"deleted_at":4}\n\n' +
  '{"id":2,"updated_at":4}';
const BYTES = new TextEncoder().encode(BODY);
const LIVE = [
  { id: "é😀", updated_at: 2, a: [1.5, "😀"] },
  { id: 9007199254740993n, updated_at: 3 },
  { id: 2, updated_at: 4 },
];

const FRAMINGS: Record<string, (at: number, end: End) => Behaviour> = {
  chunked: (at, end) => chunked([BYTES], { at, end }),
  "with a length": (at, end) => lengthy(BYTES, { at, end }),
};

/** The table of the cut at a byte, and the byte from a request's path. */
const tableOf = (at: number) => `cut${at}`;
const byteOf = (path: string) => Number(/cut(\d+)/.exec(path)?.[1]);

for (const [framing, cut] of Object.entries(FRAMINGS)) {
  for (const end of ["close", "reset"] as const) {
    Deno.test(`an answer ${framing} that is cut at any byte by a ${end} costs nothing`, async () => {
      const asked = new Set<number>();
      await using origin = await MisbehavingOrigin.start((conversation) => {
        const at = byteOf(conversation.request.path);
        if (asked.has(at)) return records(BYTES)(conversation);
        asked.add(at);
        return cut(at, end)(conversation);
      });
      const cuts = Array.from(BYTES, (_, at) => at);
      await using store = await TempStore.create();
      await using replicator = await replicate({
        sources: cuts.map((at) => ({ url: `${origin.url}/${tableOf(at)}` })),
        kv: store.path,
        clock: new HastyClock(500),
        idleTimeoutMs: 3_600_000,
        connectTimeoutMs: 3_600_000,
        once: true,
        attempts: 50,
      });
      await replicator.done;
      assert.ok(origin.requests.length >= 2 * cuts.length, "every answer was cut, and asked again");
      const kv = await store.open();
      for (const at of cuts) {
        const table = tableOf(at);
        assert.equal((await new TableReader(kv, table).meta())?.cursor, 4, table);
        await assertTable(kv, LIVE, { table });
      }
    });
  }
}
