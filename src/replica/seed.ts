/**
 * A snapshot of a feed (`--seed`) as the first answer that an empty table gets.
 *
 * Its first line tells the generation, its last one that it is whole. What is cut is no failure of the
 * table: rows come by order, so that the feed goes on from the last one, as after any answer.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { ByteReader } from "../origin/byte_reader.ts";
import type { Answer } from "../origin/connect.ts";
import { gunzip } from "../origin/gzip.ts";
import { printableUrl } from "../origin/printable.ts";
import { isOrderType } from "../protocol/cursor.ts";
import { LockstepError, messageOf } from "../protocol/errors.ts";

type Bytes = Uint8Array<ArrayBufferLike>;

/** A download that was cut is resumed so often where it has come farther each time. */
const MOST_RESUMES = 20;

/** Between two of them, in milliseconds. */
const RESUME_MS = 1_000;

/** Bytes of the first line at most: what has none so far is no snapshot. */
const MARK_BYTES = 64 * 1024;

const NEWLINE = 0x0a;
const GZIP = 0x1f;

/** The first line of a snapshot. */
interface Mark {
  readonly generation: string;
  readonly type: unknown;
}

/**
 * Opens a snapshot.
 *
 * @param place a path, or an http or https URL; `{table}` in it stands for the table's name
 * @throws {LockstepError} where it can't be read, or is none
 */
export async function openSeed(
  place: string,
  table: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<Answer> {
  const isUrl = /^https?:/.test(place);
  const name = place.replaceAll("{table}", isUrl ? encodeURIComponent(table) : table);
  const printable = isUrl ? printableUrl(new URL(name)) : name;
  const pieces = isUrl ? download(new URL(name), clock, signal) : fileOf(name);
  const lines = unpacked(pieces);
  try {
    const { mark, rest } = await readMark(lines, printable);
    const rows = rowsOf(rest, lines, printable);
    return {
      status: 200,
      body: ReadableStream.from(rows),
      head: null,
      // It says nothing of how fresh the origin's data is.
      ageMs: Infinity,
      generation: mark.generation,
      orderType: typeof mark.type === "string" && isOrderType(mark.type) ? mark.type : null,
      next: null,
      contentType: "application/x-ndjson",
      contentEncoding: null,
      date: null,
      endIsProof: true,
      validators: null,
      url: printable,
      headers: new Headers(),
    };
  } catch (error) {
    await lines.return();
    throw error instanceof LockstepError ? error : unreadable(printable, messageOf(error));
  }
}

async function* fileOf(path: string): AsyncGenerator<Bytes, void> {
  using file = await Deno.open(path);
  const buffer = new Uint8Array(64 * 1024);
  for (;;) {
    const length = await file.read(buffer);
    if (length === null) return;
    yield buffer.slice(0, length);
  }
}

/** A download that goes on where it was cut, as long as it is the same file. */
async function* download(url: URL, clock: Clock, signal: AbortSignal): AsyncGenerator<Bytes, void> {
  let at = 0;
  let from = url;
  let etag: string | null = null;
  for (let resumes = 0;; resumes++) {
    const headers: Record<string, string> = { "accept-encoding": "identity" };
    if (etag !== null) Object.assign(headers, { range: `bytes=${at}-`, "if-range": etag });
    const before = at;
    try {
      const answer: Response = await fetch(from, { headers, signal });
      if (answer.status !== (etag === null ? 200 : 206) || answer.body === null) {
        await answer.body?.cancel();
        throw unreadable(printableUrl(url), `it answered ${answer.status}`);
      }
      // Behind the redirect: the latest snapshot may be another one by now.
      from = new URL(answer.url);
      etag = answer.headers.get("etag");
      for await (const bytes of answer.body) {
        at += bytes.length;
        yield bytes;
      }
      return;
    } catch (error) {
      const isHopeless = error instanceof LockstepError || etag === null || at === before;
      if (signal.aborted || isHopeless || resumes === MOST_RESUMES) throw error;
      await clock.sleep(RESUME_MS, signal);
    }
  }
}

/** The lines of a file that is compressed, or not. */
async function* unpacked(pieces: AsyncGenerator<Bytes, void>): AsyncGenerator<Bytes, void> {
  const reader = ReadableStream.from(pieces).getReader();
  try {
    const source = new ByteReader(reader);
    const first = await source.next();
    if (first === null) return;
    source.putBack(first);
    if (first[0] === GZIP) return yield* gunzip(source);
    for (let bytes = await source.next(); bytes !== null; bytes = await source.next()) yield bytes;
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** The first line, and what came with it. */
async function readMark(
  lines: AsyncGenerator<Bytes, void>,
  printable: string,
): Promise<{ mark: Mark; rest: Bytes }> {
  let bytes: Bytes = new Uint8Array();
  while (bytes.indexOf(NEWLINE) < 0) {
    const { done, value } = await lines.next();
    if (done || bytes.length > MARK_BYTES) {
      throw unreadable(printable, "it is no snapshot of a feed");
    }
    bytes = joined(bytes, value);
  }
  const end = bytes.indexOf(NEWLINE) + 1;
  const mark = markOf(bytes.subarray(0, end), "snapshot");
  if (typeof mark?.["generation"] !== "string") {
    throw unreadable(printable, "it is no snapshot of a feed");
  }
  return {
    mark: { generation: mark["generation"], type: mark["type"] },
    rest: bytes.subarray(end),
  };
}

/** The rows; an error where the last line isn't the end's. */
async function* rowsOf(
  rest: Bytes,
  lines: AsyncGenerator<Bytes, void>,
  printable: string,
): AsyncGenerator<Bytes, void> {
  let kept = rest;
  try {
    for await (const bytes of lines) {
      kept = joined(kept, bytes);
      // The last line that is whole, and what follows, may be the end's.
      const last = kept.lastIndexOf(NEWLINE);
      const start = last <= 0 ? 0 : kept.lastIndexOf(NEWLINE, last - 1) + 1;
      if (start === 0) continue;
      yield kept.subarray(0, start);
      kept = kept.subarray(start);
    }
  } catch (error) {
    throw unreadable(printable, messageOf(error));
  }
  const start = kept.lastIndexOf(NEWLINE, kept.length - 2) + 1;
  if (start > 0) yield kept.subarray(0, start);
  if (markOf(kept.subarray(start), "end") === null) throw unreadable(printable, "it is cut");
}

function joined(a: Bytes, b: Bytes): Bytes {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** What a line of the snapshot itself tells; null for any other. */
function markOf(line: Bytes, kind: string): Record<string, unknown> | null {
  try {
    const mark: unknown = JSON.parse(new TextDecoder().decode(line));
    if (typeof mark !== "object" || mark === null) return null;
    const facts = Object.fromEntries(Object.entries(mark));
    return facts["lockstep"] === kind ? facts : null;
  } catch {
    return null;
  }
}

function unreadable(printable: string, why: string): LockstepError {
  return new LockstepError(`the seed ${printable} can't be used to its end: ${why}`, {
    kind: "broken-body",
    retry: "soon",
    hint: "nothing to do: the rest comes from the origin; give --seed a snapshot of a public feed",
  });
}
