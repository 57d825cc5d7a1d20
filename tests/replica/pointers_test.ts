import assert from "node:assert/strict";
import { MisbehavingOrigin, records } from "../support/misbehaving_origin.ts";
import { replicateOnce, startReplica } from "../support/replicas.ts";
import { TempStore } from "../support/temp_store.ts";

const SHAPE = { key: ["/attributes/id"], orderBy: "/attributes/at", deletedBy: "/meta/deleted" };

function line(id: number, at: number, deleted: number | null = null): string {
  return JSON.stringify({ attributes: { id, at }, meta: { deleted } }) + "\n";
}

Deno.test("nested keys, orders and deletions: fill, update, deletion and resync", async () => {
  await using store = await TempStore.create();
  await using origin = await MisbehavingOrigin.start(
    records(line(1, 10) + line(2, 20) + line(3, 30)),
    records(line(3, 30) + line(1, 40) + line(2, 50, 50)),
  );
  const url = `${origin.url}/items`;
  await (await replicateOnce(url, { kv: store.path, ...SHAPE })).stop();
  {
    await using second = await startReplica(url, { kv: store.path, ...SHAPE });
    await second.reached(50);
    const ids = (await Array.fromAsync(second.replica.reader.list())).map(({ key }) => key);
    assert.deepEqual(ids, [[1], [3]]);
    assert.equal((await second.replica.reader.tombstone(2))?.order, 50);
  }
  origin.next(records(line(3, 30)));
  await using third = await startReplica(url, {
    kv: store.path,
    resync: true,
    shrinkLimit: 1,
    ...SHAPE,
  });
  await third.until(({ live, rows, sweep }) => live && rows === 1 && sweep === null, "swept");
  const swept = await third.replica.reader.tombstone(1);
  assert.ok(swept !== null);
  assert.deepEqual(swept.value, {
    attributes: { id: 1, at: swept.order },
    meta: { deleted: swept.order },
    "lockstep-swept": true,
  });
});
