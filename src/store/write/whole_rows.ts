/**
 * Rows of an origin whose answers are the whole table, without an order of its own: the table gives
 * them one.
 *
 * A row that is stored as it comes passes no further; one that is new or has changed gets the next
 * number of the table's own counter, which begins above the greatest order ever written. All keys
 * are noted: what an answer lacks of the table is gone.
 *
 * @module
 */

import { compareOrder, type Order } from "../../protocol/cursor.ts";
import type { Row } from "../../protocol/record.ts";
import type { RowBatch } from "../../stream/row_reader.ts";
import { sortableKey } from "../kv/key_order.ts";
import { equalJson, type Stored } from "../read/last_writer_wins.ts";
import { lookUp } from "../read/lookup.ts";
import type { Table } from "../table/table.ts";
import { SeenKeys } from "./seen_keys.ts";

/** What an order adds to a row's length: a name, 16 digits, and marks. */
const ORDER_LENGTH = 24;

/** The rows of one complete answer, page by page. */
export class WholeRows implements Disposable {
  /** The keys that have come. */
  readonly seen: SeenKeys;
  readonly #table: Table;
  #last: number;
  #rows = 0;
  #repeats = 0;

  /** @param beside the store beside which a file of keys may be made; null for none */
  constructor(table: Table, beside: string | null) {
    const { high, cursor } = table.meta;
    this.#table = table;
    this.seen = new SeenKeys(beside);
    this.#last = [high, cursor].reduce<number>(
      (last, order: Order | null) => typeof order === "number" ? Math.max(last, order) : last,
      0,
    );
  }

  /** Rows that came twice: the last of them counts. */
  get repeats(): number {
    return this.#repeats;
  }

  /** Different keys that have come. */
  get keys(): number {
    return this.#rows - this.#repeats;
  }

  /** Gives rows their orders, on their way to the writer. */
  stream(): TransformStream<RowBatch, RowBatch> {
    return new TransformStream<RowBatch, RowBatch>(
      {
        transform: async (batch, controller) => {
          controller.enqueue(batch.rows.length === 0 ? batch : await this.#ordered(batch));
        },
      },
      undefined,
      { highWaterMark: 1 },
    );
  }

  [Symbol.dispose](): void {
    this.seen[Symbol.dispose]();
  }

  async #ordered(batch: RowBatch): Promise<RowBatch> {
    const { name: table, shape, store } = this.#table;
    const stored = await lookUp(store.reader, batch.rows, {
      table,
      shape,
      isConfirmed: () => true,
      isRemote: store.kind === "remote",
    });
    const rows: Row[] = [];
    /** Names of the keys of this batch. */
    const here = new Set<string>();
    for (const [i, row] of batch.rows.entries()) {
      const name = sortableKey(row.key);
      const isRepeated = here.has(name) ||
        (this.seen.mayHave(name) && await this.seen.hasName(name));
      here.add(name);
      this.#rows++;
      if (isRepeated) this.#repeats++;
      // What an earlier one of the same key has changed may not be stored yet.
      if (!isRepeated && this.#isStored(row, stored[i] ?? null)) continue;
      rows.push(this.#next(row));
    }
    await this.seen.addNames(here);
    await this.#table.seen?.add(batch.rows.map(({ key }) => key));
    const orders = rows.map(({ order }) => order);
    return {
      ...batch,
      rows,
      minOrder: orders[0] ?? null,
      maxOrder: orders.at(-1) ?? null,
      sorted: true,
    };
  }

  /** Whether a row is stored with this content; its order then is what is stored. */
  #isStored(row: Row, stored: Stored | null): boolean {
    const isLive = row.deletedAt === null;
    // A deletion of what isn't there, or not any more, changes nothing.
    if (!isLive) return stored === null || !stored.isRow;
    if (stored === null || !stored.isRow || compareOrder(stored.order, 0) <= 0) return false;
    row.value[this.#table.shape.orderBy] = stored.order;
    return equalJson(row.value, stored.value);
  }

  #next(row: Row): Row {
    const order = ++this.#last;
    row.value[this.#table.shape.orderBy] = order;
    return { ...row, order, length: row.length + ORDER_LENGTH };
  }
}
