import assert from "node:assert/strict";
import fc from "fast-check";
import { Committer } from "../../../src/store/kv/committer.ts";
import { type Fence, Operation } from "../../../src/store/kv/operation.ts";
import { CommitHook } from "../../support/commit_hook.ts";

const LOCKED = "database is locked";

/** A store in memory with a fence in it, and a committer for its operations. */
class Bench implements Disposable {
  readonly kv: Deno.Kv;
  readonly committer = new Committer({ path: "store", table: "servers", onCommit: () => {} });
  readonly told: number[] = [];
  #fence: Fence;

  private constructor(kv: Deno.Kv, fence: Fence) {
    this.kv = kv;
    this.#fence = fence;
  }

  static async open(): Promise<Bench> {
    const kv = await Deno.openKv(":memory:");
    const { versionstamp } = await kv.set(["lease"], 1);
    return new Bench(kv, { key: ["lease"], versionstamp });
  }

  /** Submits an operation that writes a key of its own, and one that all of them write. */
  submit(number: number): Promise<void> {
    const operation = new Operation(this.kv, this.#fence);
    operation.set(["own", number], number, 8);
    operation.set(["last"], number, 8);
    return this.committer.submit(operation, async () => {
      assert.equal((await this.kv.get(["own", number])).value, number);
      this.told.push(number);
    });
  }

  async last(): Promise<unknown> {
    return (await this.kv.get(["last"])).value;
  }

  [Symbol.dispose](): void {
    this.kv.close();
  }
}

Deno.test("however many submit at once, each is sent, two at a time, and none waits for ever", async () => {
  using bench = await Bench.open();
  let most = 0;
  let inFlight = 0;
  using _hook = new CommitHook(
    () => void (most = Math.max(most, ++inFlight)),
    () => void inFlight--,
  );
  await Promise.all(Array.from({ length: 7 }, (_, number) => bench.submit(number)));
  await bench.committer.idle();
  assert.deepEqual(bench.told, [0, 1, 2, 3, 4, 5, 6]);
  assert.equal(most, 2);
});

Deno.test("operations are sent in the order in which they were submitted, whoever waits", async () => {
  const pauses = fc.array(fc.array(fc.nat(12), { minLength: 1, maxLength: 8 }), { minLength: 2 });
  await fc.assert(
    fc.asyncProperty(pauses, async (submitters) => {
      using bench = await Bench.open();
      let submitted = 0;
      await Promise.all(submitters.map(async (ticks) => {
        for (const tick of ticks) {
          for (let i = 0; i < tick; i++) await Promise.resolve();
          await bench.submit(submitted++);
        }
      }));
      await bench.committer.idle();
      assert.deepEqual(bench.told, Array.from({ length: submitted }, (_, number) => number));
    }),
    { numRuns: 30 },
  );
});

Deno.test("whatever commits of others come between, all is stored and told once, in order", async () => {
  const property = fc.asyncProperty(
    fc.array(fc.boolean(), { maxLength: 20 }),
    fc.array(fc.nat(3), { minLength: 1, maxLength: 12 }),
    async (locks, pauses) => {
      using bench = await Bench.open();
      using _hook = new CommitHook((number) => {
        if (locks[number - 1]) throw new Error(LOCKED);
      });
      for (const [i, pause] of pauses.entries()) {
        await bench.submit(i);
        for (let turns = 0; turns < pause; turns++) await bench.kv.get(["own", 0]);
      }
      await bench.committer.idle();
      assert.deepEqual(bench.told, pauses.map((_, i) => i));
      assert.equal(await bench.last(), pauses.length - 1);
    },
  );
  await fc.assert(property, { numRuns: 150 });
});

Deno.test("what was stored ahead of an operation that met a lock has the last word again", async () => {
  using bench = await Bench.open();
  const stored: unknown[] = [];
  using hook = new CommitHook((number) => {
    if (number === 1) throw new Error(LOCKED);
  }, async () => void stored.push(await bench.last()));
  await bench.submit(1);
  await bench.submit(2);
  await bench.committer.idle();
  assert.deepEqual(stored, [2, 1, 2]);
  assert.equal(hook.commits, 4);
  assert.deepEqual(bench.told, [1, 2]);
});

Deno.test("after a lock operations go one at a time: none can overtake another", async () => {
  using bench = await Bench.open();
  let underWay = 0;
  let most = 0;
  using _hook = new CommitHook((number) => {
    if (number === 1) throw new Error(LOCKED);
    most = Math.max(most, ++underWay);
  }, () => void underWay--);
  await bench.submit(1);
  await bench.committer.idle();
  for (let number = 2; number <= 10; number++) await bench.submit(number);
  await bench.committer.idle();
  assert.equal(most, 1);
  assert.equal(bench.told.length, 10);
});

Deno.test("after a failure nothing counts as committed, also where a lock came first", async () => {
  for (const first of [LOCKED, "disk is full"]) {
    using bench = await Bench.open();
    using _hook = new CommitHook((number) => {
      if (number === 1) throw new Error(first);
      if (number === 2 && first === LOCKED) throw new Error("disk is full");
    });
    await bench.submit(1);
    await bench.submit(2);
    await assert.rejects(bench.committer.idle(), { kind: "store-full" });
    await assert.rejects(bench.submit(3), { kind: "store-full" });
    assert.deepEqual(bench.told, []);
    await bench.committer.reset();
    await bench.submit(4);
    await bench.committer.idle();
    assert.deepEqual([bench.told, await bench.last()], [[4], 4]);
  }
});

Deno.test("a table that is taken over while an operation waits for others is not written over", async () => {
  using bench = await Bench.open();
  using _hook = new CommitHook(async (number) => {
    if (number > 1) return;
    await bench.kv.set(["lease"], 2);
    throw new Error(LOCKED);
  });
  await bench.submit(1);
  await assert.rejects(bench.committer.idle(), { kind: "lease-lost", retry: "never" });
  assert.deepEqual([bench.told, await bench.last()], [[], null]);
});

Deno.test("a lock that doesn't pass is a failure in the end", async () => {
  using bench = await Bench.open();
  using hook = new CommitHook(() => {
    throw new Error(LOCKED);
  });
  await bench.submit(1);
  await assert.rejects(bench.committer.idle(), { kind: "store", retry: "soon", message: /locked/ });
  assert.ok(hook.commits > 10 && hook.commits < 100, `${hook.commits} attempts`);
  assert.deepEqual(bench.told, []);
});
