/**
 * From layout 2 to layout 3: what a table's orders are, where an older program didn't say.
 *
 * Numbers stay numbers. Texts that read as times become times, which are compared as instants from
 * then on; others stay texts. An older program compared times as text: where they are not all
 * written alike, it may have dropped the newer of two, and everything is read again. So it is where
 * it took for a deletion what means that a record lives.
 *
 * @module
 */

import { type Order, plainType, readOrder } from "../../protocol/cursor.ts";
import { type OrderState, otherTypeError, TableOrders } from "../../protocol/orders.ts";
import { isDeletion, type RecordShape, valueAt } from "../../protocol/record.ts";
import type { TableMeta } from "../kv/stored_values.ts";
import { TableReader } from "../read/table_reader.ts";
import { type Admission, migrated, replaced } from "./table_state.ts";

/** What one look at all rows and tombstones has found. */
interface Scan {
  /** Null where not all orders read as times. */
  readonly times: OrderState | null;
  /** Whether zoned and naive times are mixed. */
  readonly isMixed: boolean;
  /** Whether a deletion is remembered that means none. */
  readonly hasLiveTombstone: boolean;
}

async function scan(reader: TableReader, shape: RecordShape, isText: boolean): Promise<Scan> {
  const orders = new TableOrders(null, "time");
  let areTimes = isText;
  let isMixed = false;
  let hasLiveTombstone = false;
  const look = (order: unknown) => {
    if (!areTimes) return;
    const read = orders.read(order);
    if (typeof read === "object" && read.refusal === "zoned and naive times") isMixed = true;
    else if (readOrder(order, "time") === null) areTimes = false;
  };
  for await (const { tombstone } of reader.tombstones()) {
    // What a sweep writes is a mark of our own.
    const isOurs = tombstone.deletedAt === tombstone.order;
    if (!isOurs && !isDeletion(tombstone.deletedAt, shape.deletedValue)) hasLiveTombstone = true;
    const sent = valueAt(tombstone.value, shape.orderBy);
    if (!isOurs || sent !== tombstone.order) look(sent ?? tombstone.order);
  }
  if (isText) { for await (const { value } of reader.list()) look(valueAt(value, shape.orderBy)); }
  const { state } = orders;
  return { times: areTimes && state !== null ? state : null, isMixed, hasLiveTombstone };
}

/** A migrated table. */
export interface Migration {
  readonly state: TableMeta;
  /** Whether orders compare in another way than before: an index of them is of no use. */
  readonly isReordered: boolean;
}

/**
 * The state of a table of layout 2 as layout 3 has it. Reads the table once where its orders are
 * texts; its tombstones in any case.
 *
 * @throws {LockstepError} where another type is asked for, and no resync
 */
export async function migrate(
  kv: Deno.Kv,
  state: TableMeta,
  { table, orderType, resync, shape }: Admission & { readonly shape: RecordShape },
): Promise<Migration> {
  const known = state.cursor ?? state.high ?? state.floor;
  if (known === null) return { state, isReordered: false };
  const plain = plainType(known);
  const mayBeTimes = plain === "text" && orderType !== "text";
  const found = await scan(new TableReader(kv, table), shape, mayBeTimes);
  const type = found.times === null ? plain : "time";
  if (orderType !== null && orderType !== type) {
    if (!resync) throw otherTypeError(table, type, orderType);
    return { state: replaced(state), isReordered: true };
  }
  const base = new TableOrders();
  base.decideAs(type);
  const order = found.times === null ? base.state : { ...found.times, isChosen: false };
  const compared = (value: Order) => readOrder(value, order?.type ?? null) ?? value;
  const isUneven = order !== null && (order.slackSeconds !== null || found.isMixed);
  const reason = isUneven
    ? "its times are written in several forms, which an earlier version compared as text"
    : found.hasLiveTombstone
    ? `an earlier version took for deletions what ${shape.deletedBy} says of living records`
    : null;
  const isReordered = order?.type === "time";
  return { state: migrated(state, order, compared, reason), isReordered };
}
