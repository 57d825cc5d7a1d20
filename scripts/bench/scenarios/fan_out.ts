/**
 * A feed that caches may keep: what many followers cost their source, directly and behind nginx.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Nginx } from "../../../tests/support/nginx.ts";
import { missing } from "../../../tests/support/tools.ts";
import { LiveOrigin } from "../origin.ts";
import { Program } from "../process.ts";
import { startServing } from "../replicator.ts";
import { type Cell, goal, type Line, type Section } from "../report.ts";
import { inFolder, type Scenario, seconds, type Settings } from "../scenario.ts";
import { median } from "../series.ts";

const PLAIN = "the plain feed";
const DIRECT = "chunks and polls";
const CACHED = "through nginx";

/** Rows of the table, as a share of a catch-up's. */
const ROWS_SHARE = 1 / 10;

const FILLS = 24;
const LIVE_READERS = 500;

/** Changes a second. */
const RATE = 10;

/** From a change of rate until it is measured, and for the last of it to arrive. */
const SETTLE_SECONDS = 1;

function peer(name: string, ...args: (string | number)[]): Program {
  const script = fileURLToPath(new URL(`../peers/${name}`, import.meta.url));
  const flags = ["run", "-A", "--unstable-kv", script, ...args.map(String)];
  return new Program(Deno.execPath(), flags, { stdout: true });
}

/** The configuration that `docs/feed.md` shows, before a source. */
async function cacheOf(status: string, folder: string): Promise<Nginx> {
  const text = await Deno.readTextFile(new URL("../../../docs/feed.md", import.meta.url));
  const [http = "", server = ""] = (/```nginx\n([^]*?)```/.exec(text)?.[1] ?? "").split("server {");
  // nginx's workers are another user.
  await Deno.chmod(folder, 0o777);
  return await Nginx.start({
    http: http.replace("/var/cache/nginx/feed", folder),
    server: server.replace("listen 8080;", "").replace(/\}\s*$/, "")
      .replace("http://127.0.0.1:4568", status.replace(/\/$/, "")),
  });
}

/** Times in seconds, one a run, under a name. */
class Times {
  readonly #cells = new Map<string, number[]>();

  add(who: string, value: number): void {
    this.#cells.set(who, [...this.#cells.get(who) ?? [], value]);
  }

  line(what: string, unit: string, reference: string): Line {
    const cells: Cell[] = [...this.#cells].map(([who, values]) => ({ who, values }));
    return { what, unit, cells, reference };
  }

  median(who: string): number {
    return median(this.#cells.get(who) ?? []);
  }
}

/** Processor time of the source while others read, in seconds. */
async function cost(source: Program, body: () => Promise<unknown>): Promise<number> {
  const before = source.usage().cpuSeconds;
  await body();
  return source.usage().cpuSeconds - before;
}

/** So many fills; how long they took, without the readers' start, in seconds. */
async function fills(role: string, url: string, count: number): Promise<number> {
  const { stdout } = await peer("cached_readers.ts", role, url, count).ended();
  return JSON.parse(stdout).milliseconds / 1000;
}

/** One list of the rows by a plain program, compressed: the least that making chunks can take. */
async function listed(url: string): Promise<number> {
  const began = performance.now();
  const { body } = await fetch(url);
  if (body === null) throw new Error("no rows");
  for await (const _ of body.pipeThrough(new CompressionStream("gzip"))) {
    /* counted by the clock */
  }
  return (performance.now() - began) / 1000;
}

async function measure(settings: Settings, folder: string): Promise<Section> {
  const rows = Math.ceil(settings.rows * ROWS_SHARE);
  const file = join(folder, "replica.kv");
  await using origin = await LiveOrigin.start(rows, "random");
  const making = new Times();
  const again = new Times();
  const filling = new Times();
  const p50 = new Times();
  const p99 = new Times();
  const live = new Times();
  for (let run = 1; run <= settings.runs; run++) {
    const { program, status } = await startServing(origin.url, file, ["--feed-public"]);
    await using source = program;
    const cache = await Deno.makeTempDir({ prefix: "lockstep-cache-" });
    await using _cache = { [Symbol.asyncDispose]: () => Deno.remove(cache, { recursive: true }) };
    await using nginx = await cacheOf(status, cache);
    await using lister = peer("plain_feed.ts", "list", file);
    const feed = `${status}/feed/servers`;
    const cached = `${nginx.url}/feed/servers`;
    const listUrl = `${await lister.firstLine()}/?rows=${rows}`;
    await listed(listUrl);
    making.add("a plain list, compressed", await listed(listUrl));
    making.add(DIRECT, await fills("fill", feed, 1));
    again.add("a plain list, compressed", await listed(listUrl));
    again.add(DIRECT, await fills("fill", feed, 1));
    // The plain feed is compiled while it is first read.
    await fills("plain", feed, 1);
    filling.add(PLAIN, await cost(source, () => fills("plain", feed, FILLS)));
    filling.add(DIRECT, await cost(source, () => fills("fill", feed, FILLS)));
    filling.add(CACHED, await cost(source, () => fills("fill", cached, FILLS)));
    for (const [who, url] of [[DIRECT, feed], [CACHED, cached]] as const) {
      await using readers = peer(
        "cached_readers.ts",
        "live",
        url,
        LIVE_READERS,
        settings.steadySeconds,
      );
      await readers.firstLine();
      await origin.setRate(RATE);
      const used = await cost(source, () => seconds(settings.steadySeconds));
      const { stdout } = await readers.ended();
      await origin.setRate(0);
      await seconds(SETTLE_SECONDS);
      const found = JSON.parse(stdout.slice(stdout.indexOf("\n") + 1));
      p50.add(who, found.p50);
      p99.add(who, found.p99);
      live.add(who, 100 * used / settings.steadySeconds);
      settings.say(`fan-out, run ${run} of ${settings.runs}: ${who}: p99 ${found.p99} ms`);
    }
  }
  const readers = `${LIVE_READERS} readers live`;
  return {
    title: "Fan-out",
    explanation:
      `A table of ${rows.toLocaleString("en")} small records, keys at random. Making: from ` +
      "the first request until one reader has all chunks; beside it a " +
      `list of the store's rows through gzip. ${FILLS} fills, six at a time: processor time of ` +
      `the source alone. Live: ${RATE} changes a second, from the origin's write until a reader has the ` +
      "row; nginx is set up as docs/feed.md shows.",
    lines: [
      making.line("making the chunks", " s", "a plain list, compressed"),
      again.line("one fill, of chunks that are made", " s", "a plain list, compressed"),
      filling.line(`${FILLS} fills, the source's processor time`, " s", PLAIN),
      p50.line(`${readers}: p50`, " ms", DIRECT),
      p99.line(`${readers}: p99`, " ms", DIRECT),
      live.line(`${readers}: of a core`, " %", DIRECT),
    ],
    goals: [
      goal(
        "24 fills by chunks, of the plain feed's processor time",
        100 * filling.median(DIRECT) / filling.median(PLAIN),
        "≤",
        6.7,
        " %",
      ),
      goal(
        "the same through nginx",
        100 * filling.median(CACHED) / filling.median(PLAIN),
        "≤",
        4,
        " %",
      ),
      goal("p99 direct", p99.median(DIRECT), "≤", 300, " ms"),
      goal("p99 through nginx", p99.median(CACHED), "≤", 800, " ms"),
    ],
    notes: [],
  };
}

export const fanOut: Scenario = {
  about: "many followers of a feed that caches may keep, directly and behind nginx",
  async run(settings) {
    const gone = missing("nginx");
    if (gone === null) {
      return await inFolder(settings.folder, (folder) => measure(settings, folder));
    }
    return {
      title: "Fan-out",
      explanation: "",
      lines: [],
      goals: [],
      notes: [`Not measured: ${gone}`],
    };
  },
};
