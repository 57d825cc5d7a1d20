/**
 * Steady state: changes keep coming; how long until each can be read in the store?
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { REPLICATOR } from "../contestants.ts";
import { LiveOrigin } from "../origin.ts";
import { Program } from "../process.ts";
import { startLive } from "../replicator.ts";
import { goal, type Line, valuesOf } from "../report.ts";
import { inFolder, type Scenario, seconds, type Settings } from "../scenario.ts";
import { median, percentile } from "../series.ts";

const FLOOR = "raw KV, one commit and one read";
const WIRE = "the wire alone";

/** Changes a second. */
const RATES = [100, 1_000, 10_000] as const;

/** Rows in the table beforehand: enough that a change lands on a page of its own. */
const ROWS = 100_000;

/** From a change of rate until it is measured. */
const SETTLE_SECONDS = 1;

/** One measurement. */
interface Steady {
  readonly p50: number;
  readonly p99: number;
  /** Percent of one core; NaN where it isn't measured. */
  readonly cpu: number;
  /** The same for a reader of the origin that stores nothing. */
  readonly wire50: number;
  readonly wire99: number;
}

function probe(name: string, ...args: string[]): Program {
  const script = fileURLToPath(new URL(`../peers/${name}`, import.meta.url));
  const flags = ["run", "-A", "--unstable-kv", script, ...args];
  return new Program(Deno.execPath(), flags, { stdout: true });
}

async function latenciesOf(program: Program): Promise<Omit<Steady, "cpu">> {
  const { stdout } = await program.ended();
  const found: { latencies: number[]; arrivals?: number[] } = JSON.parse(stdout);
  const { latencies, arrivals = [] } = found;
  if (latencies.length === 0) throw new Error("no change arrived while latency was measured");
  return {
    p50: median(latencies),
    p99: percentile(latencies, 0.99),
    wire50: median(arrivals),
    wire99: percentile(arrivals, 0.99),
  };
}

async function measureFloor(folder: string, length: number): Promise<Steady> {
  const file = join(folder, "floor.kv");
  await using writer = probe("raw_latency.ts", file, String(length + 1));
  await seconds(0.5);
  const latencies = await latenciesOf(probe("raw_latency.ts", file, String(length), "read"));
  await writer.ended();
  return { ...latencies, cpu: NaN };
}

async function measureRates(folder: string, settings: Settings): Promise<Map<number, Steady>> {
  const file = join(folder, "replica.kv");
  await using origin = await LiveOrigin.start(ROWS);
  await using replicator = await startLive(origin.url, file);
  const found = new Map<number, Steady>();
  for (const rate of RATES) {
    await origin.setRate(rate);
    await seconds(SETTLE_SECONDS);
    const before = replicator.usage().cpuSeconds;
    const began = performance.now();
    const length = String(settings.steadySeconds);
    const latencies = await latenciesOf(probe("latency_probe.ts", origin.url, file, length));
    const cpu = (replicator.usage().cpuSeconds - before) / (performance.now() - began) * 1e5;
    await origin.setRate(0);
    await seconds(SETTLE_SECONDS);
    found.set(rate, { ...latencies, cpu });
    const { p50, p99, wire99 } = latencies;
    settings.say(
      `${rate} changes/s: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms ` +
        `(on the wire ${wire99.toFixed(1)} ms)`,
    );
  }
  return found;
}

function linesOf(runs: readonly Map<number, Steady>[], floors: readonly Steady[]): Line[] {
  return RATES.flatMap((rate) => {
    const values = (pick: (steady: Steady) => number) =>
      runs.flatMap((run) => run.get(rate) ?? []).map(pick);
    const line = (
      name: string,
      unit: string,
      pick: (steady: Steady) => number,
      wire: (steady: Steady) => number = () => NaN,
    ): Line => ({
      what: `${rate.toLocaleString("en")} changes/s: ${name}`,
      unit,
      reference: FLOOR,
      cells: [
        { who: FLOOR, values: floors.map(pick).filter((value) => !Number.isNaN(value)) },
        { who: WIRE, values: values(wire).filter((value) => !Number.isNaN(value)) },
        { who: REPLICATOR, values: values(pick) },
      ],
    });
    return [
      line("p50", " ms", ({ p50 }) => p50, ({ wire50 }) => wire50),
      line("p99", " ms", ({ p99 }) => p99, ({ wire99 }) => wire99),
      line("of a core", " %", ({ cpu }) => cpu),
    ];
  });
}

export const steadyState: Scenario = {
  about: "from the origin's write to the row readable by another process",
  async run(settings) {
    const runs: Map<number, Steady>[] = [];
    const floors: Steady[] = [];
    for (let run = 1; run <= settings.runs; run++) {
      settings.say(`steady state, run ${run} of ${settings.runs}`);
      await inFolder(settings.folder, async (folder) => {
        floors.push(await measureFloor(folder, settings.steadySeconds));
        runs.push(await measureRates(folder, settings));
      });
    }
    const lines = linesOf(runs, floors);
    const at1000 = lines.find(({ what }) => what.startsWith("1,000 changes/s: p99"));
    const goals = at1000 === undefined ? [] : [
      goal("1,000 changes/s: p99", median(valuesOf(at1000, REPLICATOR)), "≤", 10, " ms"),
    ];
    return {
      title: "Steady state",
      explanation:
        `Changes to a table of ${
          ROWS.toLocaleString("en")
        } rows with random keys (eight updates, an ` +
        "insert and a delete in ten). Each record carries the time of its writing at the origin; a " +
        "third process reads its row over a connection of its own until it is there. The floor is " +
        "the same between two processes and no network: from before a single commit until the " +
        "other sees it. The wire alone: until a reader of the origin's stream has the change.",
      lines,
      goals,
      notes: [],
    };
  },
};
