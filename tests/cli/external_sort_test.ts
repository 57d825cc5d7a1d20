import assert from "node:assert/strict";
import fc from "fast-check";
import { ExternalSort } from "../../src/cli/external_sort.ts";
import { compareOrder } from "../../src/protocol/cursor.ts";

const order = fc.oneof(
  fc.array(fc.oneof(fc.integer(), fc.integer({ min: 0, max: 3 }), fc.bigInt({ min: 2n ** 60n }))),
  fc.array(fc.string({ unit: "grapheme" })),
);

Deno.test("lines come back sorted, ties in their order of arrival, with and without files", async () => {
  await fc.assert(
    fc.asyncProperty(order, fc.integer({ min: 1, max: 200 }), async (orders, runChars) => {
      const lines = orders.map((order, index) => ({ order, text: `${index}\t{"é":"🙂"}` }));
      using sorter = new ExternalSort(runChars);
      for (const { order, text } of lines) await sorter.add(order, text);
      const sorted: string[] = [];
      for await (const text of sorter.sorted()) sorted.push(text);
      const expected = lines.toSorted((a, b) => compareOrder(a.order, b.order));
      assert.deepEqual(sorted, expected.map(({ text }) => text));
    }),
    { numRuns: 60 },
  );
});

Deno.test("an export that is broken off leaves no file open and none behind", async () => {
  const before = Deno.env.get("TMPDIR");
  const folder = await Deno.makeTempDir();
  Deno.env.set("TMPDIR", folder);
  try {
    using sorter = new ExternalSort(10);
    for (let i = 0; i < 50; i++) await sorter.add(50 - i, `line ${i}`);
    for await (const text of sorter.sorted()) {
      assert.equal(text, "line 49");
      // Nor would one be left if the process was killed here.
      if (Deno.build.os !== "windows") assert.deepEqual([...Deno.readDirSync(folder)], []);
      break;
    }
  } finally {
    if (before === undefined) Deno.env.delete("TMPDIR");
    else Deno.env.set("TMPDIR", before);
  }
  assert.deepEqual([...Deno.readDirSync(folder)], []);
  await Deno.remove(folder);
});
