/**
 * Catch-up: a whole record set from the origin into a store, against the ceiling and against what
 * people would use instead.
 *
 * @module
 */

import {
  ARRIVAL,
  CEILING,
  compete,
  type Contestant,
  findContestants,
  type Outcome,
  REPLICATOR,
} from "../contestants.ts";
import type { Data } from "../data.ts";
import { BenchOrigin } from "../origin.ts";
import { type Goal, goal, type Line, valuesOf } from "../report.ts";
import { inFolder, type Scenario, type Settings } from "../scenario.ts";
import { pairedRatio } from "../series.ts";

/** Large records weigh fifteen times as much: a fifth of them makes a run of about the same length. */
const LARGE_SHARE = 5;

const SHAPES = [
  { id: "small-in-order", what: "small, keys in order", size: "small", keys: "in-order" },
  { id: "small-random", what: "small, keys at random", size: "small", keys: "random" },
  { id: "large-in-order", what: "1.5 KB, keys in order", size: "large", keys: "in-order" },
  { id: "large-random", what: "1.5 KB, keys at random", size: "large", keys: "random" },
] as const;

type Shape = typeof SHAPES[number];

const PHASES = ["first fill", "refill"] as const;

/** Outcomes by what was done, then by contestant, one a run. */
type Results = Map<string, Map<string, Outcome[]>>;

function note(results: Results, what: string, who: string, outcome: Outcome): void {
  const row = results.get(what) ?? new Map<string, Outcome[]>();
  row.set(who, [...row.get(who) ?? [], outcome]);
  results.set(what, row);
}

async function runShape(
  shape: Shape,
  contestants: readonly Contestant[],
  settings: Settings,
  results: Results,
): Promise<void> {
  const { size, keys } = shape;
  const rows = Math.ceil(settings.rows / (size === "large" ? LARGE_SHARE : 1));
  const data: Data = { rows, size, keys };
  for (const contestant of contestants) {
    if (contestant.skips?.(data)) continue;
    await inFolder(settings.folder, async (folder) => {
      await using origin = await BenchOrigin.start(data);
      for (const [generation, phase] of PHASES.entries()) {
        await origin.turnTo(generation);
        const outcome = await compete(contestant, { origin, data, generation, folder });
        note(results, `${shape.what}, ${phase}`, contestant.name, outcome);
        const speed = Math.round(outcome.recordsPerSecond).toLocaleString("en");
        settings.say(`${shape.what}, ${phase}: ${contestant.name}: ${speed}/s`);
      }
    });
  }
}

function linesOf(results: Results): Line[] {
  return [...results].map(([what, row]) => ({
    what,
    unit: "/s",
    reference: CEILING,
    cells: [...row].map(([who, outcomes]) => ({
      who,
      values: outcomes.map(({ recordsPerSecond }) => recordsPerSecond),
    })),
  }));
}

/** What it costs: for each contestant in the first shape. */
function costLines(results: Results): Line[] {
  const [first] = results;
  if (first === undefined) return [];
  const [what, row] = first;
  const line = (name: string, unit: string, value: (outcome: Outcome) => number): Line => ({
    what: `${what}: ${name}`,
    unit,
    reference: CEILING,
    cells: [...row].filter(([who]) => !who.startsWith("curl")).map(([who, outcomes]) => ({
      who,
      values: outcomes.map(value),
    })),
  });
  return [
    line("processor time", " s", ({ usage }) => usage.cpuSeconds),
    line("greatest memory", " MB", ({ usage }) => usage.peakBytes / 1e6),
    line("store", " MB", ({ bytes }) => bytes / 1e6),
  ];
}

function goalsOf(lines: readonly Line[]): Goal[] {
  return lines.flatMap((line) => {
    const ours = valuesOf(line, REPLICATOR);
    const against = (who: string) => pairedRatio(ours, valuesOf(line, who));
    if (ours.length === 0) return [];
    if (line.what.includes("at random")) {
      if (line.what.startsWith("1.5 KB")) return [];
      const wanted = line.what.endsWith("refill") ? 6 : 8;
      return [goal(`${line.what}: times ${ARRIVAL}`, against(ARRIVAL), "≥", wanted)];
    }
    const found = [goal(`${line.what}: of the ceiling`, against(CEILING), "≥", 0.95)];
    const better = line.cells.find(({ who }) => who.includes("better-sqlite3"));
    if (better !== undefined && line.what.startsWith("small")) {
      found.push(goal(`${line.what}: times ${better.who}`, against(better.who), "≥", 1));
    }
    return found;
  }).filter(({ got }) => Number.isFinite(got));
}

export const catchUp: Scenario = {
  about: "a whole record set into an empty store, and again over its rows",
  async run(settings) {
    const { contestants, missing, versions } = await findContestants(settings.say);
    const taking = contestants.filter(({ name }) =>
      settings.only === null || settings.only.some((part) => name.includes(part))
    );
    const shapes = SHAPES.filter(({ id }) => settings.shapes?.includes(id) ?? true);
    const results: Results = new Map();
    for (let run = 1; run <= settings.runs; run++) {
      settings.say(`catch-up, run ${run} of ${settings.runs}`);
      for (const shape of shapes) await runShape(shape, taking, settings, results);
    }
    const lines = linesOf(results);
    return {
      title: "Catch-up",
      explanation:
        `${settings.rows.toLocaleString("en")} small records of 110 bytes, or a fifth as many of ` +
        "1.5 KB, a second; over loopback HTTP from an origin in a process of its own, counted " +
        "from the request's arrival at the origin until the process has ended and its store is " +
        "closed. The ceiling writes the same rows from memory, sorted by key, and is counted " +
        "from its first commit until its store is closed. Everybody writes with a write-ahead log " +
        "and synchronous=FULL. A refill brings a newer state of every row, in another order " +
        "where keys are random.",
      lines: [...lines, ...costLines(results)],
      goals: goalsOf(lines),
      notes: [...missing, ...versions.length > 0 ? [`Others: ${versions.join(", ")}.`] : []],
    };
  },
};
