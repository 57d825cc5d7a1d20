import assert from "node:assert/strict";
import { systemClock } from "../../../src/base/clock.ts";
import type { Row } from "../../../src/protocol/record.ts";
import { WindowLimits } from "../../../src/store/write/window_limits.ts";
import { AnswerWriter } from "../../../src/store/write/answer_writer.ts";
import { openStore, type Store } from "../../../src/store/kv/open_store.ts";
import { TableReader } from "../../../src/store/read/table_reader.ts";
import { Table } from "../../../src/store/table/table.ts";
import type { Window } from "../../../src/store/write/window.ts";
import { seededRandom } from "../../../scripts/origin/random.ts";
import { batchOf, makeRow, shapeOf } from "../../support/arbitraries.ts";
import { CommitHook } from "../../support/commit_hook.ts";
import { keyName, rowsIn } from "../../support/oracle.ts";
import { TempStore } from "../../support/temp_store.ts";
import { waitFor } from "../../support/wait_for.ts";

/** WindowLimits for so little that a thousand rows need a file. */
class SmallRoom extends WindowLimits {
  override readonly rows: number;
  override readonly packFrom = 20;
  override readonly runs = 6;
  override readonly spillFrom = 0;
  /** How often a window was allowed to make room by writing to a file. */
  spills = 0;

  constructor(rows: number) {
    super();
    this.rows = rows;
  }

  override maySpill(window: Window, rows: number): boolean {
    const may = super.maySpill(window, rows);
    if (may) this.spills++;
    return may;
  }
}

interface FillingOptions {
  /** Where the sink believes the store to be; by default where it is. */
  readonly beside?: string;
  /** Rows that there is room for. */
  readonly rows?: number;
  readonly isTransformed?: boolean;
  /** With a change index. */
  readonly feed?: boolean;
}

/** A table, a sink into it, and what it tells. */
class Filling implements AsyncDisposable {
  readonly room: SmallRoom;
  readonly outcomes = new Map<string, number>();
  readonly table: Table;
  readonly sink: AnswerWriter;
  readonly #store: Store;

  private constructor(store: Store, table: Table, room: SmallRoom, isTransformed: boolean) {
    this.#store = store;
    this.table = table;
    this.room = room;
    this.sink = new AnswerWriter(table, true, {
      tombstoneTtlMs: 60_000,
      count: false,
      isTransformed,
      following: false,
      limits: room,
      observer: {
        counted: (outcome, records) => {
          this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + records);
        },
        committed: () => {},
        wantsEvents: () => false,
        awaitsEvents: false,
        quarantined: () => {},
        behind: () => {},
      },
    });
  }

  static async begin(path: string, options: FillingOptions = {}): Promise<Filling> {
    const { beside = path, rows = 100, isTransformed = false, feed = false } = options;
    const store = await openStore(path);
    const shape = shapeOf(1);
    const table = await Table.open({ ...store, path: beside }, {
      table: "servers",
      shape,
      origin: { url: "http://origin/servers", key: shape.key, orderBy: shape.orderBy },
      since: null,
      orderType: null,
      adopt: false,
      resync: false,
      statusUrl: null,
      feed,
      clock: systemClock,
      onCommit: () => {},
    });
    return new Filling(store, table, new SmallRoom(rows), isTransformed);
  }

  /** Writes rows, ten at a time. */
  async write(rows: readonly Row[]): Promise<void> {
    const writer = this.sink.writable().getWriter();
    for (let at = 0; at < rows.length; at += 10) {
      await writer.write(batchOf(rows.slice(at, at + 10)));
    }
    await writer.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sink.abandon();
    await this.table.close(null);
    this.#store.close();
  }
}

/** Commits wait until they are let through. */
class HeldCommits implements Disposable {
  readonly #held = Promise.withResolvers<void>();
  readonly #hook: CommitHook;
  isFailing = false;

  constructor() {
    this.#hook = new CommitHook(async () => {
      await this.#held.promise;
      if (this.isFailing) throw new Error("disk I/O error");
    });
  }

  release(): void {
    this.#held.resolve();
  }

  [Symbol.dispose](): void {
    this.release();
    this.#hook[Symbol.dispose]();
  }
}

/** Rows of few keys, some deleted, with growing orders or in none. */
function someRows(seed: number, count: number, sorted: boolean): Row[] {
  const random = seededRandom(seed);
  const below = (n: number) => Math.floor(random() * n);
  return Array.from({ length: count }, (_, n) => {
    const order = sorted ? 1000 + Math.floor(n / 3) : 1000 + below(count);
    return makeRow([below(count / 2)], order, n, random() < 0.2);
  });
}

/** What a table is to hold after these rows: of each key the last of the greatest order. */
function expected(rows: readonly Row[]): Map<string, unknown> {
  const newestPerKey = new Map<string, Row>();
  for (const row of rows) {
    const other = newestPerKey.get(keyName(row.key));
    if (other === undefined || Number(row.order) >= Number(other.order)) {
      newestPerKey.set(keyName(row.key), row);
    }
  }
  const live = [...newestPerKey].filter(([, { deletedAt }]) => deletedAt === null);
  return new Map(live.map(([name, { value }]) => [name, value]));
}

function sum(outcomes: ReadonlyMap<string, number>): number {
  return [...outcomes.values()].reduce((all, some) => all + some, 0);
}

/** The window's files that have a name. */
function files(store: TempStore): string[] {
  return [...Deno.readDirSync(store.folder.path)].map(({ name }) => name)
    .filter((name) => name.includes("-window-"));
}

for (const sorted of [true, false]) {
  const how = sorted ? "in order" : "in no order";
  Deno.test(`what waits in a file behind a slow commit is stored like the rest (${how})`, async () => {
    for (let seed = 1; seed <= 5; seed++) {
      await using store = await TempStore.create();
      const rows = someRows(seed, 2_000, sorted);
      {
        await using filling = await Filling.begin(store.path);
        using held = new HeldCommits();
        const writing = filling.write(rows);
        // Until the file holds as many runs as it may, and the origin has to wait.
        const { room, sink } = filling;
        await waitFor(() => room.spills === room.runs && sink.isBlocking, "the origin waits");
        assert.deepEqual(files(store), []);
        held.release();
        await writing;
        assert.equal(filling.sink.isBlocking, false);
        const greatest = Math.max(...rows.map(({ order }) => Number(order)));
        await filling.sink.caughtUp();
        assert.equal(filling.table.cursor, greatest);
        assert.equal(sum(filling.outcomes), rows.length);
      }
      const stored = await rowsIn(await store.open(), "servers");
      assert.deepEqual(
        new Map([...stored].toSorted()),
        new Map([...expected(rows)].toSorted()),
        `seed ${seed}`,
      );
    }
  });
}

Deno.test("where no file can be made, the origin waits, and all is stored", async () => {
  await using store = await TempStore.create();
  const rows = someRows(1, 2_000, true);
  {
    await using filling = await Filling.begin(store.path, {
      beside: store.folder.file("missing/replica.kv"),
    });
    using held = new HeldCommits();
    const writing = filling.write(rows);
    const { room, sink } = filling;
    await waitFor(() => room.spills === 1 && sink.isBlocking, "the origin waits");
    held.release();
    await writing;
  }
  assert.equal((await rowsIn(await store.open(), "servers")).size, expected(rows).size);
});

for (
  const [why, options] of Object.entries({
    "with a change index": { feed: true },
    "of a store in memory": { beside: ":memory:" },
  })
) {
  Deno.test(`windows ${why} get no file`, async () => {
    await using store = await TempStore.create();
    await using filling = await Filling.begin(store.path, options);
    using held = new HeldCommits();
    const writing = filling.write(someRows(1, 2_000, false));
    const { room, sink } = filling;
    await waitFor(() => sink.isBlocking, "the origin waits");
    held.release();
    await writing;
    assert.equal(room.spills, 0);
  });
}

Deno.test("rows that don't follow from their stored values stay in memory as they are", async () => {
  await using store = await TempStore.create();
  const rows = someRows(1, 2_000, false).map((row): Row => {
    const { deleted_at: _, ...value } = row.value;
    return { ...row, value };
  });
  {
    await using filling = await Filling.begin(store.path, { isTransformed: true });
    using held = new HeldCommits();
    const writing = filling.write(rows);
    const { room, sink } = filling;
    await waitFor(() => sink.isBlocking, "the origin waits");
    held.release();
    await writing;
    assert.equal(room.spills, 0);
  }
  const stored = await rowsIn(await store.open(), "servers");
  assert.deepEqual(new Map([...stored].toSorted()), new Map([...expected(rows)].toSorted()));
});

Deno.test("records of a large window are counted as they become durable", async () => {
  await using store = await TempStore.create();
  const rows = someRows(1, 40_000, true);
  const counts: number[] = [];
  {
    await using filling = await Filling.begin(store.path, { rows: 80_000 });
    using _hook = new CommitHook(() => {}, () => void counts.push(sum(filling.outcomes)));
    await filling.write(rows);
    assert.equal(sum(filling.outcomes), rows.length);
  }
  const between = new Set(counts.filter((count) => count > 0 && count < rows.length));
  assert.ok(between.size > 3, `${counts}`);
});

Deno.test("a file is given up with its window, when the sink is abandoned or a commit fails", async () => {
  for (const isFailing of [true, false]) {
    await using store = await TempStore.create();
    await using filling = await Filling.begin(store.path);
    using held = new HeldCommits();
    held.isFailing = isFailing;
    const writing = filling.write(someRows(1, 2_000, true)).catch((error: unknown) => error);
    const { room, sink } = filling;
    await waitFor(() => room.spills === room.runs && sink.isBlocking, "the origin waits");
    const abandoned = isFailing ? Promise.resolve() : filling.sink.abandon();
    held.release();
    await abandoned;
    assert.match(String(await writing), isFailing ? /disk I\/O error/ : /abandoned/);
    // That of the first window, which was on its way.
    assert.equal(filling.table.cursor, isFailing ? null : 1033);
    // The test's own resource check sees that no file stays open.
  }
});

Deno.test("what is cut off while it is said to be complete moves no cursor", async () => {
  for (const sorted of [true, false]) {
    await using store = await TempStore.create();
    const rows = someRows(1, 1_000, sorted);
    {
      await using filling = await Filling.begin(store.path);
      using held = new HeldCommits();
      const writing = filling.write(rows).catch((error: unknown) => error);
      const { sink, table } = filling;
      await waitFor(() => sink.isBlocking, "the origin waits");
      const caughtUp = assert.rejects(sink.caughtUp(), /connection reset/);
      const abandoned = sink.abandon(new Error("connection reset"));
      held.release();
      await Promise.all([abandoned, caughtUp]);
      assert.match(String(await writing), /connection reset/);
      await assert.rejects(sink.caughtUp(), /connection reset/);
      assert.equal(table.cursor, table.meta.cursor);
    }
    const kv = await store.open();
    const { cursor } = await new TableReader(kv, "servers").meta() ?? {};
    const stored = await rowsIn(kv, "servers");
    // What has the cursor's own order comes again.
    const covered = rows.filter(({ order }) => Number(order) < Number(cursor ?? 0));
    for (const [name, row] of expected(covered)) {
      assert.deepEqual(stored.get(name), row, `the cursor ${cursor} is ahead of ${name}`);
    }
  }
});

Deno.test("a commit that fails behind a cut-off answer lets no cursor pass", async () => {
  await using store = await TempStore.create();
  await using filling = await Filling.begin(store.path, { rows: 10_000 });
  using held = new HeldCommits();
  held.isFailing = true;
  const { sink, table } = filling;
  const writer = sink.writable().getWriter();
  await writer.write(batchOf(someRows(1, 500, true)));
  const flushed = assert.rejects(sink.flush());
  await waitFor(() => !table.committer.isIdle, "a commit to be on its way");
  const caughtUp = assert.rejects(sink.caughtUp());
  const abandoned = sink.abandon();
  held.release();
  await Promise.all([abandoned, flushed, caughtUp]);
  await writer.closed.catch(() => {});
  assert.equal(table.cursor, null);
});
