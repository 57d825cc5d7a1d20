/**
 * A long run: is memory flat, and does speed last?
 *
 * @module
 */

import { join } from "node:path";
import { REPLICATOR } from "../contestants.ts";
import { BenchOrigin } from "../origin.ts";
import { startReplicator } from "../replicator.ts";
import { goal, type Line } from "../report.ts";
import { inFolder, type Scenario, seconds, type Settings } from "../scenario.ts";

const KEYS = ["in-order", "random"] as const;

const LOOKS = 10;

/** How often the origin is asked how far it has got, in seconds. */
const LOOK_SECONDS = 0.1;

/** A tenth of the run. */
interface Lap {
  /** Records sent by then. */
  readonly records: number;
  readonly residentMb: number;
  readonly peakMb: number;
  readonly recordsPerSecond: number;
}

async function measure(
  keys: typeof KEYS[number],
  settings: Settings,
): Promise<Lap[]> {
  return await inFolder(settings.folder, async (folder) => {
    const rows = settings.longRows;
    await using origin = await BenchOrigin.start({ rows, keys, size: "small" });
    const args = ["--once", "--no-status"];
    await using program = startReplicator(origin.url, join(folder, "replica.kv"), args);
    const laps: Lap[] = [];
    let ended = false;
    const end = program.ended().finally(() => ended = true);
    end.catch(() => {});
    let last = { at: performance.now(), records: 0 };
    while (!ended && laps.length < LOOKS) {
      await seconds(LOOK_SECONDS);
      const { rowsSent } = await origin.report();
      if (rowsSent < (laps.length + 1) * rows / LOOKS) continue;
      const at = performance.now();
      const { residentBytes, peakBytes } = program.usage();
      laps.push({
        records: rowsSent,
        residentMb: residentBytes / 1e6,
        peakMb: peakBytes / 1e6,
        recordsPerSecond: (rowsSent - last.records) / (at - last.at) * 1000,
      });
      last = { at, records: rowsSent };
      const speed = Math.round(laps.at(-1)?.recordsPerSecond ?? NaN).toLocaleString("en");
      settings.say(
        `long run, ${keys}: ${rowsSent.toLocaleString("en")} records, ${speed}/s, ` +
          `${Math.round(residentBytes / 1e6)} MB`,
      );
    }
    await end;
    return laps;
  });
}

function linesOf(all: ReadonlyMap<string, readonly Lap[]>): Line[] {
  const line = (what: string, unit: string, keys: string, pick: (lap: Lap) => number): Line => {
    const values = (all.get(keys) ?? []).map(pick);
    return {
      what: `keys ${keys}: ${what}`,
      unit,
      reference: "first tenth",
      cells: [
        { who: "first tenth", values: values.slice(0, 1) },
        ...values.slice(1).map((value, i) => ({ who: `${i + 2}`, values: [value] })),
      ],
    };
  };
  return [...all.keys()].flatMap((keys) => [
    line("memory", " MB", keys, ({ residentMb }) => residentMb),
    line("records a second", "", keys, ({ recordsPerSecond }) => recordsPerSecond),
  ]);
}

export const longRun: Scenario = {
  about: "memory and speed over a long stream",
  async run(settings) {
    const all = new Map<string, readonly Lap[]>();
    for (const keys of KEYS) all.set(keys, await measure(keys, settings));
    return {
      title: "Long run",
      explanation:
        `${REPLICATOR} over ${settings.longRows.toLocaleString("en")} small records, one ` +
        "run: resident memory at each tenth, and the speed within it, with the ratio to the first.",
      lines: linesOf(all),
      goals: [...all].map(([keys, laps]) =>
        goal(
          `keys ${keys}: greatest memory`,
          Math.max(...laps.map(({ peakMb }) => peakMb)),
          "≤",
          160,
          " MB",
        )
      ),
      notes: [],
    };
  },
};
