import assert from "node:assert/strict";
import fc from "fast-check";
import { Signal } from "../../src/base/signal.ts";

Deno.test("every waiter wakes, also those who came second", async () => {
  const signal = new Signal();
  let isSo = false;
  const woken: number[] = [];
  const all = Promise.all([1, 2, 3].map(async (number) => {
    await signal.until(() => isSo);
    woken.push(number);
  }));
  signal.notify();
  await Promise.resolve();
  assert.deepEqual(woken, [], "a wake without the condition is no end");
  isSo = true;
  signal.notify();
  await all;
  assert.deepEqual(woken, [1, 2, 3]);
});

Deno.test("a wake before the wait isn't lost", async () => {
  const signal = new Signal();
  let isSo = false;
  isSo = true;
  signal.notify();
  await signal.until(() => isSo);
});

Deno.test("whatever the order of waits and wakes, nobody waits for what is so", async () => {
  const steps = fc.array(fc.oneof(fc.constant("wait" as const), fc.constant("take" as const)), {
    maxLength: 30,
  });
  await fc.assert(fc.asyncProperty(steps, async (given) => {
    const signal = new Signal();
    let places = 2;
    let served = 0;
    const waiting: Promise<void>[] = [];
    for (const step of given) {
      if (step === "wait") {
        waiting.push((async () => {
          while (places === 0) await signal.until(() => places > 0);
          places--;
          served++;
          assert.ok(places >= 0);
        })());
      } else {
        places++;
        signal.notify();
      }
      await Promise.resolve();
    }
    places += waiting.length;
    signal.notify();
    await Promise.all(waiting);
    assert.equal(served, waiting.length);
  }));
});
