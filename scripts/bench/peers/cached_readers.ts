/**
 * Many readers of a feed that caches may keep, in one process.
 *
 * ```sh
 * deno run -A cached_readers.ts plain URL READERS         # the plain feed, as answers that end
 * deno run -A cached_readers.ts fill URL READERS          # the chunks, six readers at a time
 * deno run -A cached_readers.ts live URL READERS SECONDS  # changes, as they come
 * ```
 *
 * `plain` and `fill` print `{"milliseconds": …, "rows": …}`: of each reader, and all the same. `live`
 * prints `ready`, and then `{"changes": …, "p50": …, "p99": …}`: milliseconds from `written_at` until a
 * reader has the row.
 *
 * @module
 */

import { median, percentile } from "../series.ts";

const [role = "fill", url = "", count = "1", length = "1"] = Deno.args;

/** Fills at the same time. */
const AT_ONCE = 6;

/** Of so many live readers, one reads what its answers say; the others go by their headers. */
const WATCHED = 10;

const NEWLINE = 10;

const now = () => performance.timeOrigin + performance.now();

/** A request, once more where its connection was closed: a busy server does that to idle ones. */
async function ask(url: string): Promise<Response> {
  return await fetch(url).catch(() => fetch(url));
}

async function headersOf(response: Response): Promise<Headers> {
  if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
  await response.body?.cancel();
  return response.headers;
}

/** Counts the lines of a body. */
async function linesOf(response: Response): Promise<number> {
  if (!response.ok || response.body === null) {
    throw new Error(`${response.url}: ${response.status}`);
  }
  let lines = 0;
  for await (const bytes of response.body) {
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  }
  return lines;
}

async function fill(): Promise<number> {
  if (role === "plain") return await linesOf(await ask(`${url}/0?finite=1`));
  const entry = await headersOf(await ask(`${url}/0?wait=0&at=new`));
  const edition = entry.get("lockstep-edition") ?? "";
  let lines = 0;
  for (let since: string | null = "0"; since !== null;) {
    const chunk: Response = await ask(`${url}/${since}?chunk=1&g=${edition}`);
    lines += await linesOf(chunk);
    since = chunk.headers.get("lockstep-next");
  }
  return lines;
}

async function fills(): Promise<void> {
  const began = performance.now();
  let left = Number(count);
  let rows: number | null = null;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left-- > 0) {
      const found = await fill();
      if (rows !== null && rows !== found) throw new Error(`${rows} rows, and then ${found}`);
      rows = found;
    }
  }));
  console.log(JSON.stringify({ milliseconds: performance.now() - began, rows }));
}

async function live(): Promise<void> {
  const over = new AbortController();
  const latencies: number[] = [];
  const changes = new Set<string>();
  let from = Infinity;
  const first = await headersOf(await ask(`${url}/0?wait=0&at=new`));
  const readers = Array.from({ length: Number(count) }, async (_, i) => {
    let at = first.get("lockstep-at") ?? "";
    while (!over.signal.aborted) {
      const answer = await fetch(`${url}/0?wait=25&at=${at}`, { signal: over.signal });
      const text = await answer.text();
      const came = now();
      if (answer.headers.get("lockstep-from") !== at) throw new Error("the position is lost");
      at = answer.headers.get("lockstep-at") ?? "";
      if (i % WATCHED !== 0) continue;
      for (const line of text.split("\n")) {
        if (!line.startsWith("{")) continue;
        const { deleted_at, written_at } = JSON.parse(line);
        if (deleted_at !== null || !(written_at >= from)) continue;
        changes.add(line);
        latencies.push(came - written_at);
      }
    }
  });
  const ended = Promise.allSettled(readers);
  console.log("ready");
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  from = now();
  await new Promise((resolve) => setTimeout(resolve, Number(length) * 1000));
  over.abort();
  for (const end of await ended) {
    if (end.status === "rejected" && !over.signal.aborted) throw end.reason;
  }
  const [p50, p99] = [median(latencies), percentile(latencies, 0.99)];
  console.log(JSON.stringify({ changes: changes.size, p50, p99 }));
}

if (role === "live") await live();
else await fills();
Deno.exit(0);
