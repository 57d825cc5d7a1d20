import assert from "node:assert/strict";
import fc from "fast-check";
import { compareOrder } from "../../../src/protocol/cursor.ts";
import type { Key, Row } from "../../../src/protocol/record.ts";
import { compareKeys } from "../../../src/store/kv/key_order.ts";
import { WindowLimits } from "../../../src/store/write/window_limits.ts";
import { Window } from "../../../src/store/write/window.ts";
import { seededRandom } from "../../../scripts/origin/random.ts";
import {
  batchOf,
  keyArbitrary,
  keyPartArbitrary,
  makeRow,
  shapeOf,
} from "../../support/arbitraries.ts";
import { TempFolder } from "../../support/temp_store.ts";

/** The simplest window: sorts, and keeps the winner of each key. */
function naive(rows: readonly Row[]): Row[] {
  const newestPerKey: Row[] = [];
  for (const row of rows) {
    const at = newestPerKey.findIndex((other) => compareKeys(other.key, row.key) === 0);
    const other = newestPerKey[at];
    if (other === undefined) newestPerKey.push(row);
    else if (compareOrder(row.order, other.order) >= 0) newestPerKey[at] = row;
  }
  return newestPerKey.toSorted((a, b) => compareKeys(a.key, b.key));
}

function numbers(rows: Iterable<Row>): unknown[] {
  return [...rows].map(({ value }) => value["n"]);
}

/** A disk that takes so many writes to open files, and no more. */
class FullDisk implements Disposable {
  readonly #write = Deno.FsFile.prototype.write;
  #file: Deno.FsFile | null = null;
  writesLeft = Infinity;

  constructor() {
    // deno-lint-ignore no-this-alias
    const disk = this;
    const write = this.#write;
    Deno.FsFile.prototype.write = function (bytes: Uint8Array): Promise<number> {
      disk.#file = this;
      if (disk.writesLeft-- <= 0) throw new Error("No space left on device (os error 28)");
      return write.call(this, bytes);
    };
  }

  /** Bytes of the file that was written to last. */
  get size(): number {
    return this.#file?.statSync().size ?? 0;
  }

  [Symbol.dispose](): void {
    Deno.FsFile.prototype.write = this.#write;
  }
}

const someKeys: fc.Arbitrary<Key[]> = fc.oneof(
  // Few keys, so that they meet; of one kind, or mixed; single or composite.
  fc.array(fc.nat(9).map((n) => [n]), { maxLength: 60 }),
  fc.array(fc.tuple(keyPartArbitrary), { maxLength: 30 }),
  fc.array(fc.tuple(fc.constantFrom<string | number | bigint>("a", 1, 2n ** 53n, "b")), {
    maxLength: 40,
  }),
  fc.array(fc.tuple(fc.constantFrom("a", "b"), fc.nat(3)), { maxLength: 40 }),
  fc.array(fc.constantFrom([2 ** 32], [2 ** 32 - 1], [-1], [0.5], [0]), { maxLength: 20 }),
);

Deno.test("a window hands out the winner of each key in key order, whatever the keys", async () => {
  const property = fc.asyncProperty(
    someKeys,
    fc.infiniteStream(fc.nat(3)),
    fc.integer({ min: 1, max: 7 }),
    async (keys, orders, size) => {
      const rows = keys.map((key, n) => makeRow(key, Number(orders.next().value), n));
      const window = new Window({
        shape: shapeOf(keys[0]?.length ?? 1),
        packFrom: 5_000,
        spillBeside: null,
      });
      for (let at = 0; at < rows.length; at += 5) window.add(batchOf(rows.slice(at, at + 5)));
      assert.equal(window.left, rows.length);
      const slices = await Array.fromAsync(window.slices(size));
      assert.ok(slices.every((slice) => slice.length <= size));
      const expected = naive(rows);
      assert.deepEqual(numbers(slices.flat()), numbers(expected));
      assert.equal(window.superseded, rows.length - expected.length);
      assert.equal(window.left, 0);
    },
  );
  await fc.assert(property, { numRuns: 500 });
});

const kinds: Record<string, (n: number) => Key> = {
  numbers: (n) => [n],
  texts: (n) => [`é${n}`],
  "numbers and texts": (n) => n % 2 === 0 ? [n] : [`${n}`],
  "numbers and a bigint": (n) => n === 3_000 ? [2n ** 60n] : [n],
  "composite keys": (n) => [`a${n % 10}`, n],
};

for (const [kind, keyOf] of Object.entries(kinds)) {
  Deno.test(`packed in memory, or in a file, a window hands out the same rows: ${kind}`, async () => {
    await using folder = await TempFolder.create();
    const random = seededRandom(7);
    const rows = Array.from({ length: 7_000 }, (_, n) => {
      const order = Math.floor(random() * 5);
      const row = makeRow(keyOf(Math.floor(random() * 5_000)), order, n, random() < 0.2);
      // Now and then a text that fills a good part of a block, or more than one.
      if (n % 500 === 250) row.value["text"] = "é".repeat(n * 50);
      return row;
    });
    const shape = shapeOf(keyOf(0).length);
    const plain = new Window({ shape, packFrom: Infinity, spillBeside: null });
    const packed = new Window({ shape, packFrom: 5_000, spillBeside: null });
    const filed = new Window({ shape, packFrom: 5_000, spillBeside: folder.file("replica.kv") });
    for (let at = 0; at < rows.length; at += 1_000) {
      for (const window of [plain, packed, filed]) window.add(batchOf(rows.slice(at, at + 1_000)));
      // The last thousand stay in memory.
      if (at % 2_000 !== 0) await filed.spill();
    }
    assert.deepEqual([plain, packed, filed].map(({ isPacked }) => isPacked), [false, true, true]);
    assert.deepEqual([plain, packed, filed].map(({ runs }) => runs), [0, 0, 3]);
    assert.equal(filed.held, 1_000);
    const handOut = async (window: Window) => {
      const slices = await Array.fromAsync(window.slices(998));
      assert.ok(slices.slice(0, -1).every((slice) => slice.length === 998));
      return slices.flat().map((row) => ({ ...row, length: 0 }));
    };
    const expected = await handOut(plain);
    assert.deepEqual(await handOut(packed), expected);
    assert.deepEqual(await handOut(filed), expected);
    for (const { superseded, left, held } of [plain, packed, filed]) {
      assert.deepEqual([superseded, left, held], [rows.length - expected.length, 0, 0]);
    }
    await filed.close();
    assert.deepEqual([...Deno.readDirSync(folder.path)], []);
  });
}

Deno.test("a window that can't make its file keeps its rows in memory", async () => {
  await using folder = await TempFolder.create();
  const spillBeside = folder.file("missing/replica.kv");
  const window = new Window({ shape: shapeOf(1), packFrom: 2, spillBeside });
  window.add(batchOf([3, 2, 1].map((key) => makeRow([key], 1))));
  assert.ok(window.canSpill);
  await window.spill();
  assert.deepEqual([window.canSpill, window.runs, window.held], [false, 0, 3]);
  const slices = await Array.fromAsync(window.slices(2));
  assert.deepEqual(slices.flat().map(({ key }) => key), [[1], [2], [3]]);
});

Deno.test("what a full disk keeps out of a window's file stays in memory, and takes no space", async () => {
  await using folder = await TempFolder.create();
  const spillBeside = folder.file("replica.kv");
  const random = seededRandom(3);
  const rows = Array.from({ length: 9_000 }, (_, n) => {
    const row = makeRow([Math.floor(random() * 6_000)], Math.floor(random() * 5), n);
    return { ...row, value: { ...row.value, text: "x".repeat(100) } };
  });
  const window = new Window({ shape: shapeOf(1), packFrom: 2, spillBeside });
  const parts = [rows.slice(0, 2_000), rows.slice(2_000, 8_000), rows.slice(8_000)];
  const sizes: number[] = [];
  {
    using disk = new FullDisk();
    for (const [run, part] of parts.entries()) {
      window.add(batchOf(part));
      // The second run is longer than what is written at once: the disk is full in its middle.
      disk.writesLeft = run === 1 ? 1 : Infinity;
      if (window.canSpill) await window.spill();
      sizes.push(disk.size);
    }
  }
  assert.deepEqual([window.canSpill, window.runs, window.held], [false, 1, 7_000]);
  const [first = 0, ...later] = sizes;
  assert.ok(first > 0);
  assert.deepEqual(later, [first, first]);
  const slices = await Array.fromAsync(window.slices(998));
  const expected = naive(rows);
  assert.deepEqual(numbers(slices.flat()), numbers(expected));
  assert.deepEqual([window.superseded, window.left], [rows.length - expected.length, 0]);
  await window.close();
});

Deno.test("large rows come out of a file a few at a time", async () => {
  await using folder = await TempFolder.create();
  const spillBeside = folder.file("replica.kv");
  const window = new Window({ shape: shapeOf(1), packFrom: 2, spillBeside });
  const text = "x".repeat(60_000);
  for (let run = 0; run < 4; run++) {
    const rows = Array.from({ length: 30 }, (_, i) => {
      const row = makeRow([1000 - i * 4 - run], 1);
      return { ...row, value: { ...row.value, text }, length: text.length };
    });
    window.add(batchOf(rows));
    await window.spill();
    assert.equal(window.runs, run + 1);
  }
  const slices = await Array.fromAsync(window.slices(998));
  assert.equal(slices.flat().length, 120);
  for (const slice of slices) assert.ok(slice.length * text.length < 2 ** 21 + text.length);
  await window.close();
});

Deno.test("a window may have a file where the table is long, and its rows are short", () => {
  const room = new WindowLimits();
  for (const length of [100, 1_500, 5_000]) {
    const window = new Window({ shape: shapeOf(1), packFrom: 5_000, spillBeside: "replica.kv" });
    const rows = Math.min(room.rows, Math.ceil(room.length / length));
    const batch = Array.from({ length: rows }, (_, i) => ({ ...makeRow([rows - i], 1), length }));
    window.add(batchOf(batch));
    const least = Math.ceil(room.spillFrom / length);
    assert.equal(room.maySpill(window, least), length <= room.mean);
    assert.equal(room.maySpill(window, least - 1), false);
    window.add(batchOf([{ ...makeRow([0], 1), length: room.longest + 1 }]));
    assert.equal(room.maySpill(window, 2 * least), false);
  }
});

Deno.test("rows in key order go to no file, nor do others where there is none", async () => {
  const windows = [
    new Window({ shape: shapeOf(1), packFrom: 2, spillBeside: "missing/replica.kv" }),
    new Window({ shape: shapeOf(1), packFrom: 2, spillBeside: null }),
  ];
  for (const [i, window] of windows.entries()) {
    window.add(batchOf([[1], i === 0 ? [2] : [0]].map((key) => makeRow(key, 1))));
    assert.equal(window.canSpill, false);
    await window.spill();
    assert.deepEqual([window.runs, window.held], [0, 2]);
  }
});

Deno.test("keys that come in order are told, and those that don't", () => {
  const property = fc.property(fc.array(keyArbitrary, { maxLength: 20 }), (keys) => {
    const window = new Window({ shape: shapeOf(1), packFrom: 5_000, spillBeside: null });
    window.add(batchOf(keys.map((key, n) => makeRow(key, n))));
    const isAscending = keys.every((key, i) => {
      const before = keys[i - 1];
      return before === undefined || compareKeys(before, key) < 0;
    });
    assert.equal(window.ascending, isAscending);
  });
  fc.assert(property);
});

Deno.test("the oldest rows are taken first, and nothing is lost between the two windows", async () => {
  const property = fc.asyncProperty(
    fc.array(fc.nat(20), { maxLength: 30 }),
    fc.nat(35),
    async (orders, take) => {
      const rows = orders.map((order, n) => makeRow([n % 7], order, n));
      const window = new Window({ shape: shapeOf(1), packFrom: 5_000, spillBeside: null });
      window.add(batchOf(rows, [{ text: "x", reason: "not JSON" }]));
      const taken = window.take(take);
      assert.equal(taken.left, Math.min(take, rows.length));
      assert.equal(taken.left + window.left, rows.length);
      assert.equal(taken.rejects.length + window.rejects.length, 1);
      const first = rows.slice(0, take);
      const greatest = first.length === 0
        ? null
        : Math.max(...first.map(({ order }) => Number(order)));
      assert.equal(taken.maxOrder, greatest);
      for (const [part, rowsOf] of [[taken, first], [window, rows.slice(take)]] as const) {
        const slices = await Array.fromAsync(part.slices(99));
        assert.deepEqual(numbers(slices.flat()), numbers(naive(rowsOf)));
      }
    },
  );
  await fc.assert(property);
});
