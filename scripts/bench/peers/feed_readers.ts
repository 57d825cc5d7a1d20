/**
 * Many readers of a stream of lines in one process, cheap enough not to be what is measured: plain
 * sockets, and of what arrives only the ends of lines are looked at while the clock runs.
 *
 * ```sh
 * deno run -A feed_readers.ts backlog URL READERS ROWS          # each until it has so many rows
 * deno run -A feed_readers.ts live URL READERS SETTLE SECONDS   # rows as they come
 * ```
 *
 * `backlog` prints `{"milliseconds": …}`, from the first connection until the last reader has its
 * rows. `live` prints `ready` when all readers have come to the end of their backlog, and after
 * `SETTLE + SECONDS` and a while `{"rows": …, "p50": …, "p99": …}`: milliseconds from `written_at`
 * until a reader has the row, of the rows written in the last `SECONDS`.
 *
 * @module
 */

import { median, percentile } from "../series.ts";

const [role = "backlog", url = "", count = "1", ...rest] = Deno.args;

/** Readers that connect at the same time: less than a listening socket lets wait. */
const CONNECTING = 50;

/** Of so many live readers, one is looked at as rows come; see {@linkcode readLive}. */
const WATCHED = 10;

/** How often the others are read, in seconds. */
const DRAIN_SECONDS = 1;

/** How long rows may take to arrive, in seconds, after the last of them was written. */
const GRACE_SECONDS = 1;

/** For the last look at all sockets: for nothing where nothing is there to be read. */
const LAST_SECONDS = 0.3;

/** A backlog that takes longer than this will never end. */
const PATIENCE_SECONDS = 600;

const NEWLINE = 10;
const RETURN = 13;

const now = () => performance.timeOrigin + performance.now();
const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** A connection that has asked. */
class Reader {
  readonly #conn: Deno.TcpConn;
  readonly #buffer: Uint8Array<ArrayBuffer>;

  private constructor(conn: Deno.TcpConn, bufferBytes: number) {
    this.#conn = conn;
    this.#buffer = new Uint8Array(bufferBytes);
  }

  static async open(path: string, bufferBytes: number): Promise<Reader> {
    const { hostname, port, host, pathname, search } = new URL(path);
    const conn = await Deno.connect({ hostname, port: Number(port) });
    const request = `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    await conn.write(new TextEncoder().encode(request));
    return new Reader(conn, bufferBytes);
  }

  /** What comes next. The bytes are good until the next call. */
  async read(): Promise<Uint8Array<ArrayBuffer>> {
    const length = await this.#conn.read(this.#buffer);
    if (length === null) throw new Error("an answer ended too soon");
    return this.#buffer.subarray(0, length);
  }
}

/** Calls `body` for as many readers as were asked for, some at a time. */
async function forEachReader<T>(body: (at: number) => Promise<T>): Promise<T[]> {
  const found: T[] = [];
  while (found.length < Number(count)) {
    const length = Math.min(CONNECTING, Number(count) - found.length);
    const first = found.length;
    found.push(...await Promise.all(Array.from({ length }, (_, i) => body(first + i))));
  }
  return found;
}

/**
 * Reads until so many rows are there. What frames the chunks ends in a return and a newline, a row
 * in a newline alone; a chunk may end anywhere, also between a row and its newline.
 */
async function readRows(reader: Reader, rows: number): Promise<void> {
  let last = 0;
  for (let seen = 0; seen < rows;) {
    const bytes = await reader.read();
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) {
      if ((at > 0 ? bytes[at - 1] : last) !== RETURN) seen++;
    }
    last = bytes.at(-1) ?? last;
  }
}

async function readBacklog(rows: number): Promise<void> {
  const began = performance.now();
  const readers: Promise<void>[] = [];
  await forEachReader(async () => {
    const reader = await Reader.open(url, 128 * 1024);
    readers.push(readRows(reader, rows));
  });
  const late = pause(PATIENCE_SECONDS).then(() => {
    throw new Error(`some rows were missing after ${PATIENCE_SECONDS} s`);
  });
  await Promise.race([Promise.all(readers), late]);
  console.log(JSON.stringify({ milliseconds: performance.now() - began }));
}

/** Something that was read, and when. */
interface Piece {
  readonly at: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

class LiveReader {
  readonly #reader: Reader;
  readonly #pieces: Piece[] = [];
  #isReading = false;

  private constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** Opens one and reads its backlog, which ends with a blank line. */
  static async open(path: string): Promise<LiveReader> {
    const reader = await Reader.open(path, 8 * 1024);
    let text = "";
    while (!text.includes("\n\n")) {
      text += new TextDecoder().decode(await reader.read());
      if (!text.startsWith("HTTP/1.1 200")) throw new Error(text);
    }
    return new LiveReader(reader);
  }

  /** Reads once, unless it still waits for something to come. */
  async take(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    const bytes = await this.#reader.read();
    this.#pieces.push({ at: now(), bytes: bytes.slice() });
    this.#isReading = false;
  }

  async follow(): Promise<never> {
    for (;;) await this.take();
  }

  /** The lines that came, each with the time when it was complete. */
  *lines(): Generator<{ line: string; at: number }> {
    const decoder = new TextDecoder();
    let rest = "";
    for (const { at, bytes } of this.#pieces) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("{")) yield { line, at };
    }
  }
}

/** Where a feed's live part begins; `0` where nobody says so. */
async function headOf(path: string): Promise<string> {
  const response = await fetch(`${path}/0`, { method: "HEAD" });
  await response.body?.cancel();
  return response.headers.get("lockstep-head") ?? "0";
}

/** When a line's record was written; NaN for a deletion, which doesn't say. */
function writtenAt(line: string): number {
  const record: { deleted_at: unknown; written_at?: number } = JSON.parse(line);
  return record.deleted_at === null ? record.written_at ?? NaN : NaN;
}

/**
 * A change goes to all readers at once. To wake for each of them would cost this process about as
 * much as it costs the server to send, and the last would be seen late because of the first: so
 * one in ten, evenly spread over the order in which they joined, is read as rows come, and the
 * sockets of the others keep theirs until they are read, a few at a time.
 */
async function readLive(settle: number, length: number): Promise<void> {
  const path = `${url}/${await headOf(url)}`;
  const readers = await forEachReader(() => LiveReader.open(path));
  console.log("ready");
  const from = now() + settle * 1000;
  const to = from + length * 1000;
  const end = to + GRACE_SECONDS * 1000;
  const watched = readers.filter((_, i) => i % WATCHED === 0);
  const others = readers.filter((_, i) => i % WATCHED !== 0);
  for (const reader of watched) void reader.follow();
  const share = Math.ceil(others.length * 0.01 / DRAIN_SECONDS);
  for (let at = 0; now() < end; at = at + share < others.length ? at + share : 0) {
    for (const reader of others.slice(at, at + share)) void reader.take();
    await pause(0.01);
  }
  await Promise.race([Promise.all(others.map((reader) => reader.take())), pause(LAST_SECONDS)]);

  const written = new Map<string, number>();
  const latencies: number[] = [];
  const seen = readers.map((reader, i) => {
    const rows = new Set<string>();
    for (const { line, at } of reader.lines()) {
      const time = written.get(line) ?? writtenAt(line);
      written.set(line, time);
      if (!(time >= from && time < to) || rows.has(line)) continue;
      rows.add(line);
      if (i % WATCHED === 0) latencies.push(at - time);
    }
    return rows.size;
  });
  const rows = [...written.values()].filter((time) => time >= from && time < to).length;
  const short = seen.filter((size) => size < rows).length;
  if (rows === 0 || short > 0) throw new Error(`${short} readers lack some of ${rows} rows`);
  const [p50, p99] = [median(latencies), percentile(latencies, 0.99)];
  console.log(JSON.stringify({ rows, p50, p99 }));
}

if (role === "backlog") await readBacklog(Number(rest[0]));
else await readLive(Number(rest[0]), Number(rest[1]));
// Answers are still open.
Deno.exit(0);
