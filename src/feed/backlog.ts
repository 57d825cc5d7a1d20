/**
 * The change index read back as the protocol: rows and deletions sorted by order, in chunks.
 *
 * @module
 */

import { Semaphore } from "../base/semaphore.ts";
import type { ChangePlace } from "../store/change_index/entry.ts";
import { type ChangeRange, ChangesSince } from "../store/change_index/changes_since.ts";
import type { FeedTable } from "./host.ts";
import { type Bytes, encodeLines, lineOf } from "./lines.ts";

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

const turnstile = new Semaphore(READERS);

/**
 * Reads a range as lines. Between two chunks nothing is held but the place, so a reader may take
 * its time.
 *
 * @throws {LockstepError} `gone` where deletions were forgotten before they were read
 */
export async function* backlog(
  { index, kv, table, shape }: FeedTable,
  range: ChangeRange,
): AsyncGenerator<BacklogChunk> {
  if (index === null) return;
  const reading = new ChangesSince(index, { kv, table, shape });
  reading.rows = LEAST_ROWS;
  for (let { from } = range;;) {
    const chunk = await nextChunk(reading, { ...range, from });
    if (chunk === null) return;
    yield chunk;
    from = chunk.place;
  }
}

async function nextChunk(
  reading: ChangesSince,
  range: ChangeRange,
): Promise<BacklogChunk | null> {
  const leave = await turnstile.enter();
  try {
    let text = "";
    let last: ChangePlace | null = null;
    for await (const { changes, place } of reading.parts(range)) {
      let length = 0;
      for (const { value } of changes) {
        const line = lineOf(value);
        length += line.length;
        text += line;
      }
      const rows = Math.ceil(CHUNK_BYTES / Math.max(1, length / Math.max(1, changes.length)));
      reading.rows = Math.min(MOST_ROWS, Math.max(LEAST_ROWS, Math.min(rows, 4 * reading.rows)));
      last = place;
      if (text.length >= CHUNK_BYTES) break;
    }
    return last === null ? null : { bytes: encodeLines(text), place: last };
  } finally {
    leave();
  }
}
