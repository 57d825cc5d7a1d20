/**
 * The stored state of a table, and everything that may become of it. Pure: the only file that makes
 * one state from another; {@linkcode Table} keeps the present one, and writes it.
 *
 * ```text
 *             high ────────────── aboutToWrite: before the first row above it is written
 *   cursor ≤  high    covered:    everything up to there is durable
 *                     heldBack:   the answer is out of order; the cursor waits at its start
 *                     caughtUp:   all of the answer is durable, in whatever order it came
 *                     recovered:  a commit broke off; what is stored counts
 *   resync    resyncMoved:  from one of its states to another; replica/resync_state.ts decides which
 *             resyncBegan:  the origin answers from the beginning, and the cursor goes back there
 *             resyncBrought, resyncSized, resyncEnded
 *   rows      exact ─guessed→ estimate ─counted→ exact
 * ```
 *
 * The cursor goes back by `resyncBegan` and `heldBack` alone, and stands above `high` in none.
 *
 * @module
 */

import {
  compareOrder,
  maxOrder,
  type Order,
  type OrderType,
  parseOrder,
} from "../../protocol/cursor.ts";
import { LockstepError } from "../../protocol/errors.ts";
import { type OrderState, otherTypeError, type TableOrders } from "../../protocol/orders.ts";
import type { HoldMark, OriginIdentity, ResyncMark, TableMeta } from "../kv/stored_values.ts";

/** The origin that a table is to be a copy of. */
export interface Admission {
  readonly table: string;
  readonly origin: OriginIdentity;
  /** The cursor to start from in a store that has none, as text; null for `0`. */
  readonly since: string | null;
  /** How orders are to compare; null to go by the records. */
  readonly orderType: OrderType | null;
  /** Keep rows and cursor under a new URL. */
  readonly adopt: boolean;
  /** Accept any origin: the table is about to be resynced. */
  readonly resync: boolean;
}

/** True where two origins are one, or at least have the same fields. */
export function sameIdentity(a: OriginIdentity, b: OriginIdentity, alsoUrl: boolean): boolean {
  return a.orderBy === b.orderBy && a.key.join("\0") === b.key.join("\0") &&
    (a.deletedBy ?? b.deletedBy) === (b.deletedBy ?? a.deletedBy) &&
    a.whole === b.whole && (!alsoUrl || (a.url === b.url && a.records === b.records));
}

function describe({ url, key, orderBy, deletedBy, records, whole }: OriginIdentity): string {
  const deletion = deletedBy === undefined ? "" : `, deleted by ${deletedBy}`;
  const place = records === undefined ? "" : `, records in ${records}`;
  const all = whole ? ", each answer whole" : "";
  return `${url} (key ${key.join(",")}, ordered by ${orderBy}${deletion}${place}${all})`;
}

/**
 * The state to begin with.
 *
 * @param found as it is stored; null where nothing is
 * @throws {LockstepError} `foreign-store` where the stored table is a copy of something else
 */
export function admitted(found: TableMeta | null, admission: Admission, path: string): TableMeta {
  const { origin, table } = admission;
  const type = admission.orderType ?? found?.order?.type ?? null;
  const startText = admission.since ?? found?.startText ?? null;
  const start = startText === null || type === null ? null : parseOrder(startText, type);
  const fresh: TableMeta = {
    cursor: start,
    order: null,
    start,
    startText,
    floor: null,
    high: null,
    origin,
    rows: 0,
    exact: true,
    changes: 0,
    quarantined: 0,
    lastContact: null,
    unsorted: false,
    resync: null,
  };
  if (found === null) return fresh;
  // A store of an older layout lacks what came later.
  const stored: TableMeta = {
    ...fresh,
    ...found,
    start: start ?? found.start ?? null,
    startText,
    origin: { ...found.origin, deletedBy: found.origin.deletedBy ?? origin.deletedBy },
  };
  const known = found.order?.type ?? type;
  const isSameType = type === null || known === type;
  const sameFields = sameIdentity(stored.origin, origin, false);
  if (admission.resync) {
    // Until a resync from another origin is through, there are rows of both.
    const isSame = sameIdentity(stored.origin, origin, true);
    const other = { ...stored, origin, ...(isSame ? {} : { everComplete: false }) };
    return sameFields && isSameType ? other : replaced(other);
  }
  const isOurs = sameIdentity(stored.origin, origin, true) || (admission.adopt && sameFields);
  if (isOurs && known !== null && type !== null && !isSameType) {
    throw otherTypeError(table, known, type);
  }
  if (sameIdentity(stored.origin, origin, true)) return stored;
  if (admission.adopt && sameFields) return { ...stored, origin, generation: null };
  throw new LockstepError(
    `table ${table} in ${path} is a copy of ${describe(stored.origin)}, not of ${describe(origin)}`,
    {
      kind: "foreign-store",
      retry: "never",
      hint:
        "use another --table or --kv; or --adopt if the origin has only moved; or --resync to replace the rows by this origin's",
    },
  );
}

/** Orders so far can't be compared with those that come: a resync compares nothing old. */
export function replaced(state: TableMeta): TableMeta {
  return { ...state, high: null, cursor: null, floor: null, order: null };
}

/**
 * A window is about to be written: what a crash leaves of it is compared later.
 *
 * @param greatest its greatest order
 * @param least the least order of the answer so far
 * @param isInOrder whether the answer is in order, so that nothing below that order comes later
 */
export function aboutToWrite(
  before: TableMeta,
  greatest: Order | null,
  least: Order | null,
  isInOrder: boolean,
): TableMeta {
  const state = resyncBrought(before);
  const begun = isInOrder ? state.floor ?? least : null;
  const floor = state.cursor === null ? begun : state.floor;
  return { ...state, high: maxOrder(state.high, greatest), floor };
}

/** Everything up to an order is durable. */
export function covered(state: TableMeta, cursor: Order | null): TableMeta {
  return { ...state, cursor: maxOrder(state.cursor, cursor) };
}

/** The cursor that counts: until a resync has brought something, that of before it. */
export function countingCursor({ resync }: TableMeta, cursor: Order | null): Order | null {
  return resync?.phase === "reading" && resync.before !== undefined ? resync.before : cursor;
}

/** The state as an operation writes it whose cursor is another: that of the rows before it. */
export function withCursor(
  state: TableMeta,
  cursor: Order | null,
  orders: Pick<TableOrders, "state" | "textOf">,
): TableMeta {
  const counting = countingCursor(state, cursor);
  return {
    ...state,
    cursor: counting,
    cursorText: counting === null ? null : orders.textOf(counting),
    floorText: state.floor === null ? null : orders.textOf(state.floor),
    order: orders.state,
  };
}

/** How orders compare is known now: so is where the first fill began. */
export function typed(state: TableMeta, type: OrderType): TableMeta {
  const { startText } = state;
  if (startText === undefined || startText === null) return state;
  return { ...state, start: parseOrder(startText, type) };
}

/**
 * A table of an older layout gets its order type.
 *
 * @param order null where it has no orders yet
 * @param compared makes of an order what the type compares
 * @param reason why everything is to be read again; null where it isn't
 */
export function migrated(
  state: TableMeta,
  order: OrderState | null,
  compared: (order: Order) => Order,
  reason: string | null,
): TableMeta {
  const of = (value: Order | null) => value === null ? null : compared(value);
  const resync: ResyncMark | null = reason === null
    ? state.resync
    : { phase: "wanted", reason, cuts: 0, chain: 1, allowed: null };
  const { cursor, floor, high, start } = state;
  return {
    ...state,
    order,
    cursor: of(cursor),
    floor: of(floor),
    high: of(high),
    start: of(start),
    resync,
  };
}

/** The answer is out of order: what came so far is no prefix of it. */
export function heldBack(state: TableMeta, start: Order | null): TableMeta {
  return { ...state, cursor: start, unsorted: true };
}

/** All of an answer is durable, up to its greatest order. */
export function caughtUp(
  state: TableMeta,
  greatest: Order | null,
  isUnsorted: boolean,
): TableMeta {
  return { ...covered(state, greatest), unsorted: isUnsorted };
}

/** Rows were changed: so many more there are, and so many ever changed. */
export function changed(state: TableMeta, addedRows: number, changedRows: number): TableMeta {
  return {
    ...state,
    rows: Math.max(0, state.rows + addedRows),
    changes: state.changes + changedRows,
  };
}

/** The table is complete: its count is what the guard measures by. */
export function settled(state: TableMeta): TableMeta {
  return { ...state, settled: state.rows };
}

/** Nothing is committed from here on; or everything, where it is null. */
export function onHold(state: TableMeta, hold: HoldMark | null): TableMeta {
  return { ...state, hold };
}

/** Rows are written without looking: from here on their number is an estimate. */
export function guessed(state: TableMeta): TableMeta {
  return state.exact ? { ...state, exact: false } : state;
}

/** The rows were counted. */
export function counted(state: TableMeta, rows: number): TableMeta {
  return { ...state, rows, exact: true };
}

/** One more record was set aside. */
export function quarantinedOne(state: TableMeta): TableMeta {
  return { ...state, quarantined: state.quarantined + 1 };
}

/** The origin gave a sign of life, in milliseconds since the Unix epoch. */
export function contacted(state: TableMeta, lastContact: number): TableMeta {
  return { ...state, lastContact };
}

/** Everything that the origin had is stored, for the first time or again. */
export function completed(state: TableMeta): TableMeta {
  return state.everComplete ? state : { ...state, everComplete: true };
}

/** The rows are of this generation of the origin's feed. */
export function ofGeneration(state: TableMeta, generation: string | null): TableMeta {
  return { ...state, generation };
}

/** The table is being removed: what a crash leaves of it is of use to a resync only. */
export function dropped(state: TableMeta): TableMeta {
  const reason = "the table was being removed";
  const resync: ResyncMark = { phase: "wanted", reason, cuts: 0, chain: 1, allowed: state.rows };
  return { ...state, cursor: null, floor: null, exact: false, resync };
}

/** A resync is in another of its states; a chain that has brought nothing leaves the cursor be. */
export function resyncMoved(state: TableMeta, resync: ResyncMark | null): TableMeta {
  return { ...state, resync, cursor: countingCursor(state, state.cursor) };
}

/** A resync's chain begins: everything is compared from here on. */
export function resyncBegan(
  state: TableMeta,
  resync: ResyncMark | null,
  generation: string | null,
): TableMeta {
  return { ...state, resync, cursor: state.start, floor: null, generation };
}

/** A resync's chain has brought something: the cursor of before it is gone. */
function resyncBrought(state: TableMeta): TableMeta {
  if (state.resync?.phase !== "reading" || state.resync.before === undefined) return state;
  const { before: _, ...resync } = state.resync;
  return { ...state, resync };
}

/** The sweep's extent is known, and all rows were counted for it. */
export function resyncSized(state: TableMeta, resync: ResyncMark | null, rows: number): TableMeta {
  // An origin that has nothing moves no cursor before that is approved.
  const isEmpty = resync?.phase === "held" && resync.why === "empty";
  const kept = isEmpty ? resyncMoved(state, resync) : { ...state, resync };
  return counted(kept, rows);
}

/**
 * A resync has come to its end.
 *
 * @param greatest the greatest order that the origin has, where nothing above it is left; absent
 * where rows may be
 */
export function resyncEnded(state: TableMeta, greatest?: Order | null): TableMeta {
  const high = greatest === undefined ? state.high : maxOrder(state.cursor, greatest);
  return { ...state, resync: null, high };
}

/**
 * A commit broke off: what was on its way may or may not be stored, so that rows are compared, and
 * counted anew.
 *
 * @param stored as it is stored; null where nothing ever was: then nothing was counted, either
 * @param cursor the durable one
 */
export function recovered(
  state: TableMeta,
  stored: TableMeta | null,
  cursor: Order | null,
): TableMeta {
  const known = stored ?? { ...state, cursor, rows: 0, quarantined: 0 };
  const high = maxOrder(state.high, stored?.high ?? null);
  return { ...known, high, exact: false, origin: state.origin };
}

/** A state whose cursor stands on rows that may have been written: for tests. */
export function isSound({ cursor, high }: TableMeta, since: Order | null): boolean {
  if (cursor === null) return true;
  const limit = maxOrder(high, since);
  return limit !== null && compareOrder(cursor, limit) <= 0;
}
