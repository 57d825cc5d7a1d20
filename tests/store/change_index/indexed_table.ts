/**
 * A table with a change index, written without an origin.
 *
 * @module
 */

import { systemClock } from "../../../src/base/clock.ts";
import type { Row } from "../../../src/protocol/record.ts";
import { openStore, type Store } from "../../../src/store/kv/open_store.ts";
import { Table } from "../../../src/store/table/table.ts";
import { AnswerWriter } from "../../../src/store/write/answer_writer.ts";
import { batchOf, shapeOf } from "../../support/arbitraries.ts";

export class IndexedTable implements AsyncDisposable {
  readonly #path: string;
  #store: Store;
  table: Table;

  private constructor(path: string, store: Store, table: Table) {
    this.#path = path;
    this.#store = store;
    this.table = table;
  }

  static async open(path: string): Promise<IndexedTable> {
    const store = await openStore(path);
    return new IndexedTable(path, store, await openTable(store));
  }

  /** Writes rows as one answer of the origin; rejects where a commit fails. */
  async write(rows: readonly Row[], following = false): Promise<void> {
    const sink = new AnswerWriter(this.table, false, {
      tombstoneTtlMs: 600_000,
      count: false,
      isTransformed: false,
      following,
      observer: {
        counted: () => {},
        committed: () => {},
        wantsEvents: () => false,
        awaitsEvents: false,
        quarantined: () => {},
        behind: () => {},
      },
    });
    try {
      const writer = sink.writable().getWriter();
      writer.closed.catch(() => {});
      await writer.write(batchOf(rows));
      await writer.close();
      await sink.caughtUp();
    } finally {
      await sink.abandon();
    }
  }

  /** Stops and starts again. */
  async restart(): Promise<void> {
    await this.#close();
    this.#store = await openStore(this.#path);
    this.table = await openTable(this.#store);
  }

  async #close(): Promise<void> {
    await this.table.close(null);
    this.#store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

function openTable(store: Store): Promise<Table> {
  const shape = shapeOf(1);
  return Table.open(store, {
    table: "servers",
    shape,
    origin: { url: "http://origin/servers", key: shape.key, orderBy: shape.orderBy },
    since: null,
    adopt: false,
    resync: false,
    statusUrl: null,
    orderType: "number",
    feed: true,
    clock: systemClock,
    onCommit: () => {},
  });
}
