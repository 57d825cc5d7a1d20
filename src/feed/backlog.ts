/**
 * The change index read back as the protocol: rows and deletions sorted by order, in chunks.
 *
 * @module
 */

import { compareOrder, type Order } from "../protocol/cursor.ts";
import type { Change } from "../store/change.ts";
import type { ChangeEntry, ChangePlace } from "../store/change_entry.ts";
import type { PageHints } from "../store/change_index.ts";
import { lookUpChanges } from "../store/change_lookup.ts";
import type { FeedTable } from "./host.ts";
import { type Bytes, encodeLines, lineOf } from "./lines.ts";
import { Turnstile } from "../base/turnstile.ts";

/** Bytes of a chunk, as soon as it has so many. */
const CHUNK_BYTES = 16 * 1024;

/** Rows looked up together. */
const GROUP_ROWS = 50;

/** Readers that read from the store at the same time: more would only share its pace, and use memory. */
const READERS = 4;

/** A part of a backlog. */
export interface BacklogChunk {
  readonly bytes: Bytes;
  /** Where the next one goes on. */
  readonly place: ChangePlace;
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
): AsyncGenerator<{ changes: readonly Change[]; place: ChangePlace }> {
  const { index, kv, shape } = table;
  if (index === null) return;
  const source = { kv, table: table.table, shape };
  const wanted = (entry: ChangeEntry) => !rowsOnly || compareOrder(entry.order, to) === 0;
  let place = from;
  for (;;) {
    const { entries, done } = await index.read(place, to, hints);
    for (let at = 0; at < entries.length; at += GROUP_ROWS) {
      const group = entries.slice(at, at + GROUP_ROWS);
      const changes = await lookUpChanges(source, group, wanted);
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
  for (;;) {
    const chunk = await nextChunk(table, { ...range, from }, hints);
    if (chunk === null) return;
    yield chunk;
    from = chunk.place;
  }
}

async function nextChunk(
  table: FeedTable,
  range: BacklogRange,
  hints: PageHints,
): Promise<BacklogChunk | null> {
  const leave = await turnstile.enter();
  try {
    let text = "";
    let last: ChangePlace | null = null;
    for await (const { changes, place } of slices(table, range, hints)) {
      for (const { value } of changes) text += lineOf(value);
      last = place;
      if (text.length >= CHUNK_BYTES) break;
    }
    return last === null ? null : { bytes: encodeLines(text), place: last };
  } finally {
    leave();
  }
}

/** The changes of a range one by one, for programs. */
export async function* changesOf(table: FeedTable, range: BacklogRange): AsyncGenerator<Change> {
  for await (const { changes } of slices(table, range)) yield* changes;
}
