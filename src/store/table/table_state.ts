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

import { compareOrder, maxOrder, type Order } from "../../protocol/cursor.ts";
import { LockstepError } from "../../protocol/errors.ts";
import type { OriginIdentity, ResyncMark, TableMeta } from "../kv/stored_values.ts";

/** What a table is to be a copy of. */
export interface Admission {
  readonly table: string;
  readonly origin: OriginIdentity;
  /** Where to start in a store that has no cursor; null for `0`. */
  readonly since: Order | null;
  /** Keep rows and cursor under a new URL. */
  readonly adopt: boolean;
  /** Accept any origin: the table is about to be resynced. */
  readonly resync: boolean;
}

/** Whether two origins are one, or at least have the same fields. */
export function sameIdentity(a: OriginIdentity, b: OriginIdentity, alsoUrl: boolean): boolean {
  return a.orderBy === b.orderBy && a.key.join("\0") === b.key.join("\0") &&
    (!alsoUrl || (a.url === b.url && a.records === b.records));
}

function describe({ url, key, orderBy, records }: OriginIdentity): string {
  const place = records === undefined ? "" : `, records in ${records}`;
  return `${url} (key ${key.join(",")}, ordered by ${orderBy}${place})`;
}

/**
 * The state to begin with.
 *
 * @param found as it is stored; null where nothing is
 * @throws {LockstepError} `foreign-store` where the stored table is a copy of something else
 */
export function admitted(found: TableMeta | null, admission: Admission, path: string): TableMeta {
  const { origin, table } = admission;
  const fresh: TableMeta = {
    cursor: admission.since,
    start: admission.since,
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
  const start = admission.since ?? found.start ?? null;
  const stored: TableMeta = { ...fresh, ...found, start };
  if (sameIdentity(stored.origin, origin, true)) return stored;
  if (admission.adopt && sameIdentity(stored.origin, origin, false)) {
    return { ...stored, origin, generation: null };
  }
  if (admission.resync) {
    const sameFields = sameIdentity(stored.origin, origin, false);
    // Orders of another field can't be compared with ours; the resync compares nothing old.
    return sameFields
      ? { ...stored, origin }
      : { ...stored, origin, high: null, cursor: null, floor: null };
  }
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
export function withCursor(state: TableMeta, cursor: Order | null): TableMeta {
  return { ...state, cursor: countingCursor(state, cursor) };
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

/** The rows are of this generation of the origin's feed. */
export function ofGeneration(state: TableMeta, generation: string | null): TableMeta {
  return { ...state, generation };
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

/** What the sweep would do is known, and all rows were counted for it. */
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

/** Whether what is covered may have come to be: for tests, and whoever doubts. */
export function isSound({ cursor, high }: TableMeta, since: Order | null): boolean {
  if (cursor === null) return true;
  const limit = maxOrder(high, since);
  return limit !== null && compareOrder(cursor, limit) <= 0;
}
