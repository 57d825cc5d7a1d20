/**
 * The feed: how fast others copy from a replica, and how soon they have its changes.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { REPLICATOR } from "../contestants.ts";
import { firstLine } from "../machine.ts";
import { LIVE_BASE, LiveOrigin } from "../origin.ts";
import { Program } from "../process.ts";
import { startServing } from "../replicator.ts";
import type { Line } from "../report.ts";
import { inFolder, type Scenario, seconds, type Settings } from "../scenario.ts";

const PLAIN = "a plain Deno program";
const SOURCE = "the origin itself";

const KEYS = ["in-order", "random"] as const;

/** Rows of the table, as a share of a catch-up's: reading them is slower than writing. */
const ROWS_SHARE = 1 / 4;

/** Readers of one backlog. */
const MANY = 100;

/** Each of many readers asks for the newest rows only: a part of what the single one reads. */
const MANY_SHARE = 1 / 20;

const LIVE_READERS = 1_000;

/** Open files besides a connection for each reader. */
const OTHER_FILES = 100;

/** Rows in the table before changes come, as in the steady state. */
const LIVE_ROWS = 100_000;

/** Changes a second. */
const RATE = 10;

/** From a change of rate until it is measured. */
const SETTLE_SECONDS = 1;

/** Rows of a backlog: read by one, and by each of many. */
function rowsOf({ rows }: Settings): { all: number; few: number } {
  const all = Math.ceil(rows * ROWS_SHARE);
  return { all, few: Math.ceil(all * MANY_SHARE) };
}

/** What the server of a backlog did. */
interface Backlog {
  readonly rowsPerSecond: number;
  /** Percent of one core, of the server and of the readers' process. */
  readonly cpu: number;
  readonly readersCpu: number;
}

interface Live {
  readonly p50: number;
  readonly p99: number;
  readonly cpu: number;
  readonly readersCpu: number;
}

/** Measurements of a server under its name, one a run. */
class Series<T> {
  readonly #values = new Map<string, T[]>();

  add(who: string, value: T): void {
    const values = this.#values.get(who) ?? [];
    values.push(value);
    this.#values.set(who, values);
  }

  line(what: string, unit: string, pick: (value: T) => number): Line {
    const cells = [...this.#values].map(([who, values]) => ({ who, values: values.map(pick) }));
    return { what, unit, cells, reference: PLAIN };
  }
}

function peer(name: string, ...args: string[]): Program {
  const script = fileURLToPath(new URL(`../peers/${name}`, import.meta.url));
  const flags = ["run", "-A", "--unstable-kv", script, ...args];
  return new Program(Deno.execPath(), flags, { stdout: true });
}

async function readBacklog(
  server: Program | null,
  url: string,
  readers: number,
  rows: number,
): Promise<Backlog> {
  const before = server?.usage().cpuSeconds ?? NaN;
  const program = peer("feed_readers.ts", "backlog", url, String(readers), String(rows));
  const { stdout } = await program.ended();
  const found: { milliseconds: number } = JSON.parse(stdout);
  const share = 1e5 / found.milliseconds;
  return {
    rowsPerSecond: readers * rows / found.milliseconds * 1000,
    cpu: ((server?.usage().cpuSeconds ?? NaN) - before) * share,
    readersCpu: program.usage().cpuSeconds * share,
  };
}

/** A backlog of one shape, read by one and by many. */
async function measureBacklog(keys: typeof KEYS[number], settings: Settings): Promise<Line[]> {
  const { all: rows, few } = rowsOf(settings);
  const one = new Series<Backlog>();
  const many = new Series<Backlog>();
  const ratio = new Series<number>();
  await inFolder(settings.folder, async (folder) => {
    const file = join(folder, "replica.kv");
    await using origin = await LiveOrigin.start(rows, keys);
    const { program, status } = await startServing(origin.url, file, ["--feed"]);
    await using replicator = program;
    await using plain = peer("plain_feed.ts", "list", file);
    const plainUrl = await plain.firstLine();
    const newest = LIVE_BASE + rows - few;
    const servers = [
      {
        who: PLAIN,
        server: plain,
        all: `${plainUrl}/?rows=${rows}`,
        part: `${plainUrl}/?rows=${few}`,
      },
      {
        who: SOURCE,
        server: null,
        all: `${origin.url}/0`,
        part: `${origin.url}/${newest}`,
      },
      {
        who: REPLICATOR,
        server: replicator,
        all: `${status}/feed/servers/0`,
        part: `${status}/feed/servers/${newest}`,
      },
    ];
    // The first answer of a program is compiled while it is given.
    for (const { server, part } of servers) await readBacklog(server, part, 1, few);
    for (let run = 1; run <= settings.runs; run++) {
      for (const { who, server, all, part } of servers) {
        const single = await readBacklog(server, all, 1, rows);
        const together = await readBacklog(server, part, MANY, few);
        one.add(who, single);
        many.add(who, together);
        ratio.add(who, together.rowsPerSecond / single.rowsPerSecond);
        const speeds = [single, together].map(({ rowsPerSecond }) =>
          `${Math.round(rowsPerSecond).toLocaleString("en")}/s`
        );
        settings.say(
          `feed, keys ${keys}, run ${run} of ${settings.runs}: ${who}: ${speeds.join(", ")}`,
        );
      }
    }
  });
  const name = `keys ${keys}`;
  return [
    one.line(`${name}: one reader`, "/s", ({ rowsPerSecond }) => rowsPerSecond),
    many.line(`${name}: ${MANY} readers, together`, "/s", ({ rowsPerSecond }) => rowsPerSecond),
    ratio.line(`${name}: ${MANY} readers to one`, "", (value) => value),
    many.line(`${name}: ${MANY} readers, of a core`, " %", ({ cpu }) => cpu),
    many.line(`${name}: ${MANY} readers, the readers' own`, " %", ({ readersCpu }) => readersCpu),
  ].map((line) => ({
    ...line,
    // The origin is not watched.
    cells: line.cells.filter(({ values }) => !values.some(Number.isNaN)),
  }));
}

async function readLive(
  server: Program,
  url: string,
  origin: LiveOrigin,
  length: number,
): Promise<Live> {
  const args = [url, LIVE_READERS, SETTLE_SECONDS, length].map(String);
  await using readers = peer("feed_readers.ts", "live", ...args);
  await readers.firstLine();
  await origin.setRate(RATE);
  await seconds(SETTLE_SECONDS);
  const look = () => [server.usage().cpuSeconds, readers.usage().cpuSeconds] as const;
  const before = look();
  const began = performance.now();
  await seconds(length);
  const share = 1e5 / (performance.now() - began);
  const after = look();
  await origin.setRate(0);
  const { stdout } = await readers.ended();
  const { p50, p99 }: { p50: number; p99: number } = JSON.parse(
    stdout.slice(stdout.indexOf("\n") + 1),
  );
  return {
    p50,
    p99,
    cpu: (after[0] - before[0]) * share,
    readersCpu: (after[1] - before[1]) * share,
  };
}

/** Changes to many readers. */
async function measureLive({ folder, runs, steadySeconds, say }: Settings): Promise<Line[]> {
  const series = new Series<Live>();
  await inFolder(folder, async (folder) => {
    await using origin = await LiveOrigin.start(LIVE_ROWS);
    const file = join(folder, "replica.kv");
    const { program, status } = await startServing(origin.url, file, ["--feed"]);
    await using replicator = program;
    await using plain = peer("plain_feed.ts", "relay", origin.url);
    const servers = [
      { who: PLAIN, server: plain, url: await plain.firstLine() },
      { who: REPLICATOR, server: replicator, url: `${status}/feed/servers` },
    ];
    for (let run = 1; run <= runs; run++) {
      for (const { who, server, url } of servers) {
        const live = await readLive(server, url, origin, steadySeconds);
        series.add(who, live);
        const [p50, p99] = [live.p50, live.p99].map((value) => value.toFixed(1));
        say(`feed, live, run ${run} of ${runs}: ${who}: p50 ${p50} ms, p99 ${p99} ms`);
      }
    }
  });
  const line = (what: string, unit: string, pick: (live: Live) => number) =>
    series.line(`${LIVE_READERS.toLocaleString("en")} readers live: ${what}`, unit, pick);
  return [
    line("p50", " ms", ({ p50 }) => p50),
    line("p99", " ms", ({ p99 }) => p99),
    line("of a core", " %", ({ cpu }) => cpu),
    line("of a core, the readers' own", " %", ({ readersCpu }) => readersCpu),
  ];
}

/** Files that a process may have open at the same time; NaN where that can't be told. */
async function openFiles(): Promise<number> {
  const text = await firstLine("sh", "-c", "ulimit -n");
  return text === "unlimited" ? Infinity : Number(text ?? NaN);
}

export const feed: Scenario = {
  about: "backlogs to one reader and to many, live changes to a thousand",
  async run(settings) {
    const lines: Line[] = [];
    for (const keys of KEYS) lines.push(...await measureBacklog(keys, settings));
    const notes: string[] = [];
    const limit = await openFiles();
    if (limit < LIVE_READERS + OTHER_FILES) {
      const needed = LIVE_READERS + OTHER_FILES;
      notes.push(
        `No live readers: \`ulimit -n\` is ${limit}, and ${needed} open files are needed.`,
      );
    } else lines.push(...await measureLive(settings));
    const { all, few } = rowsOf(settings);
    return {
      title: "The feed",
      explanation: `Backlog: ${all.toLocaleString("en")} small records to one reader, the newest ` +
        `${
          few.toLocaleString("en")
        } to each of ${MANY} at once, in rows a second from the first connection until the ` +
        "last reader has them all. The plain program lists the rows of the same store in the order " +
        "of their keys, so that it has no order to look up, and writes them as lines with " +
        "Deno.serve; the origin makes its lines from a formula, which shows what the readers can " +
        `take. Live: ${RATE} changes a second, from the origin's write until a reader has the row; ` +
        "the plain program passes them on and stores nothing. All readers are in one process, on " +
        "plain sockets; of the live ones every tenth is looked at as rows come, and of the others " +
        "it is checked that no row is missing.",
      lines,
      goals: [],
      notes,
    };
  },
};
