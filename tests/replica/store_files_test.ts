import assert from "node:assert/strict";
import { join } from "node:path";
import { startTestOrigin } from "../support/reference_origin.ts";
import { replicateOnce, startReplica } from "../support/replicas.ts";
import { FastClock } from "../support/fast_clock.ts";
import { TempFolder } from "../support/temp_store.ts";
import { waitFor } from "../support/wait_for.ts";

/** Copies a folder's files: other files with the same content. */
async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name } of Deno.readDir(from)) {
    await Deno.copyFile(join(from, name), join(to, name));
  }
}

/** What may befall the files of a store while it is written, and what is said of it. */
const MISHAPS: Record<
  string,
  { readonly says: RegExp; readonly befall: (state: string) => unknown }
> = {
  "whose files are deleted": {
    says: /replica\.kv was deleted or moved away/,
    befall: async (state) => {
      for (const suffix of ["", "-wal", "-shm"]) await Deno.remove(`${state}/replica.kv${suffix}`);
    },
  },
  "whose folder is deleted": {
    says: /replica\.kv was deleted or moved away/,
    befall: (state) => Deno.remove(state, { recursive: true }),
  },
  "whose folder is moved away": {
    says: /replica\.kv was deleted or moved away/,
    befall: (state) => Deno.rename(state, `${state}-moved`),
  },
  "whose folder is swapped for a copy": {
    says: /replica\.kv was replaced by another file/,
    befall: async (state) => {
      await copy(state, `${state}-copy`);
      await Deno.rename(state, `${state}-moved`);
      await Deno.rename(`${state}-copy`, state);
    },
  },
  "whose log alone is deleted": {
    says: /replica\.kv-wal was deleted or moved away/,
    befall: (state) => Deno.remove(`${state}/replica.kv-wal`),
  },
  "whose log's index alone is deleted": {
    says: /replica\.kv-shm was deleted or moved away/,
    befall: (state) => Deno.remove(`${state}/replica.kv-shm`),
  },
};

for (const [name, { says, befall }] of Object.entries(MISHAPS)) {
  Deno.test(`a store ${name} is noticed at the next beat: failing, and no watchdog is fed`, async () => {
    await using origin = startTestOrigin({ rows: [{ id: 1 }] });
    await using folder = await TempFolder.create();
    const kv = folder.file("state/replica.kv");
    await using replica = await startReplica(origin.url, { kv, clock: new FastClock(20) });
    await replica.live();
    assert.equal(replica.replicator.isTurning(), true);
    await befall(folder.file("state"));
    const { reason, hint, live } = await replica.until(
      ({ state }) => state === "failing",
      "it is noticed",
      5_000,
    );
    assert.match(reason ?? "", says);
    assert.match(hint ?? "", /put the files back .* or restart this process/);
    assert.equal(live, false);
    assert.equal(replica.replicator.isTurning(), false);
    // It stays so, whatever the origin sends.
    origin.table.put({ id: 2 });
    await new FastClock(20).sleep(10_000);
    assert.equal(replica.status.state, "failing");
  });
}

Deno.test("a store that comes back to its place is written on, and nothing is missing", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await using folder = await TempFolder.create();
  const kv = folder.file("state/replica.kv");
  await using replica = await startReplica(origin.url, { kv, clock: new FastClock(20) });
  await replica.live();
  await Deno.rename(folder.file("state"), folder.file("moved"));
  await replica.until(({ state }) => state === "failing", "it is noticed", 5_000);
  origin.table.put({ id: 2 });
  await Deno.rename(folder.file("moved"), folder.file("state"));
  await replica.reached(1001);
  await waitFor(() => replica.replicator.isTurning(), "the next beat");
  using other = await Deno.openKv(kv);
  assert.notEqual((await other.get(["servers", 2])).value, null);
});

Deno.test("a run is no success where its store was swapped before it was live", async () => {
  await using folder = await TempFolder.create();
  const state = folder.file("state");
  await using origin = startTestOrigin({
    finite: true,
    rows: [{ id: 1 }],
  });
  // A first run, so that there is something to swap for.
  await replicateOnce(origin.url, { kv: `${state}/replica.kv` });
  await copy(state, `${state}-copy`);
  origin.table.put({ id: 2 });
  const run = await startReplica(origin.url, {
    kv: `${state}/replica.kv`,
    once: true,
    onCommit: async () => {
      await Deno.rename(state, `${state}-moved`).then(() => Deno.rename(`${state}-copy`, state));
    },
  });
  await assert.rejects(run.replicator.done, { kind: "store", message: /was replaced by another/ });
});
