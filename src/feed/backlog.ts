/**
 * The change index read back as the protocol: rows and deletions sorted by order, in chunks.
 *
 * @module
 */

import { compareOrder, type Order } from "../protocol/cursor.ts";
import type { Change } from "../store/change.ts";
import type { ChangeEntry, ChangePlace } from "../store/change_entry.ts";
import { lookUpChanges, type LookupPace } from "../store/change_lookup.ts";
import type { PageHints } from "../store/change_reader.ts";
import type { FeedTable } from "./host.ts";
import { type Bytes, encodeLines, lineOf } from "./lines.ts";
import { Turnstile } from "../base/turnstile.ts";

/** Bytes of a chunk, as soon as it has so many. */
const CHUNK_BYTES = 64 * 1024;

/** Rows looked up together: so many as make a chunk, if they are like those before them. */
const LEAST_ROWS = 4;
const MOST_ROWS = 512;

/** Readers that read from the store at the same time: more would only share its pace, and use memory. */
const READERS = 2;

/** A part of a backlog. */
export interface BacklogChunk {
  readonly bytes: Bytes;
  /** Where the next one goes on. */
  readonly place: ChangePlace;
}

/** What is known of the rows from those that were read before. */
interface Pace extends LookupPace {
  /** How many to look up together. */
  rows: number;
}

/** What to read. */
export interface BacklogRange {
  /** From where; null from the beginning. */
  readonly from: ChangePlace | null;
  /** Up to this order, inclusive. */
  readonly to: Order;
  /** Without deletions, but for one at `to` itself: it shows that the end was reached. */
  readonly rowsOnly: boolean;
}

const turnstile = new Turnstile(READERS);

/** The changes of a range, in slices, each with where the next one begins. */
async function* slices(
  table: FeedTable,
  { from, to, rowsOnly }: BacklogRange,
  hints: PageHints = new Map(),
  pace: Pace = { misses: 0, rows: MOST_ROWS },
): AsyncGenerator<{ changes: readonly Change[]; place: ChangePlace }> {
  const { index, kv, shape } = table;
  if (index === null) return;
  const source = { kv, table: table.table, shape };
  const wanted = (entry: ChangeEntry) => !rowsOnly || compareOrder(entry.order, to) === 0;
  let place = from;
  for (;;) {
    const { entries, done } = await index.read(place, to, hints);
    for (let at = 0; at < entries.length;) {
      const group = entries.slice(at, at + pace.rows);
      at += group.length;
      const changes = await lookUpChanges(source, group, wanted, pace);
      const last = group.at(-1);
      if (last === undefined) break;
      place = last;
      yield { changes: changes.filter((change) => change !== null), place };
    }
    if (done) return;
  }
}

/**
 * Reads a range as lines. Between two chunks nothing is held but the place, so a reader may take
 * its time.
 */
export async function* backlog(
  table: FeedTable,
  range: BacklogRange,
): AsyncGenerator<BacklogChunk> {
  let { from } = range;
  const hints: PageHints = new Map();
  const pace: Pace = { misses: 0, rows: LEAST_ROWS };
  for (;;) {
    const chunk = await nextChunk(table, { ...range, from }, hints, pace);
    if (chunk === null) return;
    yield chunk;
    from = chunk.place;
  }
}

async function nextChunk(
  table: FeedTable,
  range: BacklogRange,
  hints: PageHints,
  pace: Pace,
): Promise<BacklogChunk | null> {
  const leave = await turnstile.enter();
  try {
    let text = "";
    let last: ChangePlace | null = null;
    for await (const { changes, place } of slices(table, range, hints, pace)) {
      let length = 0;
      for (const { value } of changes) {
        const line = lineOf(value);
        length += line.length;
        text += line;
      }
      const rows = Math.ceil(CHUNK_BYTES / Math.max(1, length / Math.max(1, changes.length)));
      pace.rows = Math.min(MOST_ROWS, Math.max(LEAST_ROWS, Math.min(rows, 4 * pace.rows)));
      last = place;
      if (text.length >= CHUNK_BYTES) break;
    }
    return last === null ? null : { bytes: encodeLines(text), place: last };
  } finally {
    leave();
  }
}
