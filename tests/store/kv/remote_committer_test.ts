import assert from "node:assert/strict";
import { systemClock } from "../../../src/base/clock.ts";
import { LockstepError, messageOf } from "../../../src/protocol/errors.ts";
import type { CommitOutcome } from "../../../src/store/kv/operation.ts";
import {
  RemoteCommitter,
  type RemoteCommitterOptions,
  type RemoteOperation,
} from "../../../src/store/kv/remote_committer.ts";
import { type Fault, kvConnectMissing, startKvConnect } from "../../support/kv_connect.ts";
import { seededRandom } from "../../../scripts/origin/random.ts";

const LEASE: Deno.KvKey = ["lease"];
const ENTRY: Deno.KvKey = ["entry"];
const ignore = kvConnectMissing !== null;
const skipped = ignore ? ` (skipped: ${kvConnectMissing})` : "";

/** The cursor's entry of these tests. */
interface Entry {
  readonly signature: string;
  readonly window: number;
}

class TestOperation implements RemoteOperation {
  readonly signature: string | null;
  readonly #atomic: Deno.AtomicOperation;
  #isChecked = false;

  constructor(kv: Deno.Kv, lease: string, rows: Iterable<[string, number]>, window?: number) {
    this.signature = window === undefined ? null : crypto.randomUUID();
    this.#atomic = kv.atomic().check({ key: LEASE, versionstamp: lease });
    for (const [key, value] of rows) this.#atomic.set(["row", key], value);
    if (window !== undefined) this.#atomic.set(ENTRY, { signature: this.signature, window });
  }

  attemptAt(key: Deno.KvKey, epoch: string | null): Promise<CommitOutcome> {
    if (!this.#isChecked) this.#atomic.check({ key, versionstamp: epoch });
    this.#isChecked = true;
    return this.#atomic.commit();
  }
}

async function takeLease(kv: Deno.Kv): Promise<string> {
  for (;;) {
    try {
      const taken = await kv.set(LEASE, crypto.randomUUID());
      return taken.versionstamp;
    } catch {
      // A fault befell it.
    }
  }
}

function optionsOf(kv: Deno.Kv, deadlineMs: number): RemoteCommitterOptions {
  return {
    path: "http://kv.example",
    table: "items",
    clock: systemClock,
    onCommit: () => {},
    deadlineMs,
    entryKey: ENTRY,
    readEntry: async () => {
      const { value, versionstamp } = await kv.get<Entry>(ENTRY);
      return { versionstamp, signature: value?.signature ?? null };
    },
    fault: (error) =>
      error instanceof LockstepError
        ? error
        : new LockstepError(messageOf(error), { kind: "store", retry: "soon", hint: "" }),
  };
}

async function rowsOf(kv: Deno.Kv): Promise<Map<string, number>> {
  const rows = new Map<string, number>();
  for await (const { key, value } of kv.list<number>({ prefix: ["row"] })) {
    rows.set(String(key[1]), value);
  }
  return rows;
}

async function withServer(
  test: (parts: { server: ReturnType<typeof startKvConnect>; kv: Deno.Kv }) => Promise<void>,
) {
  Deno.env.set("DENO_KV_ACCESS_TOKEN", "secret");
  await using server = startKvConnect();
  using kv = await Deno.openKv(server.url);
  await test({ server, kv });
}

Deno.test({
  name:
    `whatever becomes of requests and answers, no older row wins and no commit is taken for lost${skipped}`,
  ignore,
  // Deno's client never gives up a request that isn't answered.
  sanitizeOps: false,
  fn: async () => {
    for (const seed of [1, 2]) {
      await withServer(async ({ server, kv }) => {
        const random = seededRandom(seed);
        const lease = await takeLease(kv);
        const faults: [number, Fault][] = [
          [0.07, { kind: "status", status: 503 }],
          [0.07, { kind: "lost" }],
          [0.04, { kind: "cut" }],
          [0.02, { kind: "hang" }],
          [0.05, { kind: "late", delayMs: 400 }],
        ];
        server.behaviour.fault = ({ method }) => {
          if (method !== "atomic_write") return null;
          let drawn = random();
          for (const [share, fault] of faults) if ((drawn -= share) < 0) return fault;
          return null;
        };
        const committer = new RemoteCommitter(optionsOf(kv, 250), null);
        const expected = new Map<string, number>();
        const told: number[] = [];
        for (let window = 0; window < 8; window++) {
          const rows = new Map<string, number>();
          for (let row = 0; row < 60; row++) {
            rows.set(`k${Math.floor(random() * 40)}`, 100 * window + row);
          }
          const entries = [...rows];
          for (let at = 0; at < entries.length; at += 8) {
            await committer.submit(new TestOperation(kv, lease, entries.slice(at, at + 8)));
          }
          await committer.submit(new TestOperation(kv, lease, [], window), () => {
            told.push(window);
          });
          for (const [key, value] of rows) expected.set(key, value);
        }
        await committer.idle();
        delete server.behaviour.fault;
        // What was late arrives now.
        await server.settled();
        assert.deepEqual(await rowsOf(kv), new Map([...expected].toSorted()), `seed ${seed}`);
        assert.deepEqual(told, Array.from({ length: 8 }, (_, window) => window));
        assert.equal((await kv.get<Entry>(ENTRY)).value?.window, 7);
      });
    }
  },
});

Deno.test({
  name: `the cursor's entry is written when all of its window is stored, and not before${skipped}`,
  ignore,
  fn: () =>
    withServer(async ({ server, kv }) => {
      const lease = await takeLease(kv);
      const committer = new RemoteCommitter(optionsOf(kv, 10_000), null);
      server.behaviour.latencyMs = 30;
      let isEarly = false;
      for (let row = 0; row < 4; row++) {
        await committer.submit(new TestOperation(kv, lease, [[`r${row}`, row]]), async () => {
          isEarly ||= (await kv.get(ENTRY)).value !== null;
        });
      }
      await committer.submit(new TestOperation(kv, lease, [], 0));
      await committer.idle();
      assert.equal(isEarly, false);
      assert.equal((await rowsOf(kv)).size, 4);
    }),
});

Deno.test({
  name: `who has lost the lease stops, and writes no row${skipped}`,
  ignore,
  fn: () =>
    withServer(async ({ kv }) => {
      const lease = await takeLease(kv);
      const committer = new RemoteCommitter(optionsOf(kv, 10_000), null);
      await committer.submit(new TestOperation(kv, lease, [["a", 1]], 0));
      await takeLease(kv);
      await committer.submit(new TestOperation(kv, lease, [["a", 2]]));
      await assert.rejects(committer.idle(), /taken over by another process/);
      await committer.reset();
      await committer.submit(new TestOperation(kv, lease, [["a", 3]], 1));
      await assert.rejects(committer.idle(), /taken over by another process/);
      assert.deepEqual(await rowsOf(kv), new Map([["a", 1]]));
    }),
});

Deno.test({
  name: `a token that is no longer accepted is told at once${skipped}`,
  ignore,
  fn: () =>
    withServer(async ({ server, kv }) => {
      const lease = await takeLease(kv);
      server.behaviour.token = "another";
      const committer = new RemoteCommitter(optionsOf(kv, 10_000), null);
      await committer.submit(new TestOperation(kv, lease, [["a", 1]]));
      await assert.rejects(committer.idle(), /bad token/);
    }),
});
