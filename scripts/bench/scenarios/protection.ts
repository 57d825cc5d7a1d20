/**
 * The cost of protection: the same catch-up with data that isn't nice.
 *
 * @module
 */

import { compete, replicator } from "../contestants.ts";
import type { Data } from "../data.ts";
import { BenchOrigin } from "../origin.ts";
import { goal, type Line } from "../report.ts";
import { inFolder, type Scenario, type Settings } from "../scenario.ts";
import { pairedRatio } from "../series.ts";

const PLAIN = "plain";

/** The most records with one order. */
const MANY_TIES = 500_000;

/** A case: what differs from the plain one. */
interface Case {
  readonly name: string;
  readonly data?: Partial<Data>;
  /** The replicator's options instead of `--no-status`. */
  readonly args?: readonly string[];
  /** Wanted: at least this share of the plain case. */
  readonly atLeast?: number;
}

const CASES: readonly Case[] = [
  { name: PLAIN },
  { name: "10 % sent twice", data: { duplicates: 0.1 }, atLeast: 0.5 },
  { name: "10 % stale", data: { stale: 0.1 }, atLeast: 0.5 },
  { name: "ties of 100,000", data: { ties: 100_000 } },
  { name: "ties of 500,000", data: { ties: MANY_TIES }, atLeast: 0.5 },
  { name: "10 % tombstones", data: { tombstones: 0.1 } },
  { name: "an integer beyond 2^53 each", data: { big: true } },
  { name: "nothing between records", data: { separator: "none" }, atLeast: 0.5 },
  { name: "1 % quarantined", data: { bad: 0.01 } },
  // The feed is served where the status page is.
  { name: "--feed", args: ["--feed", "--status", "127.0.0.1:0"] },
];

async function measure(one: Case, settings: Settings): Promise<number> {
  const data: Data = { rows: settings.rows, keys: "in-order", size: "small", ...one.data };
  const contestant = replicator(one.name, one.args);
  return await inFolder(settings.folder, async (folder) => {
    await using origin = await BenchOrigin.start(data);
    const outcome = await compete(contestant, { origin, data, generation: 0, folder });
    settings.say(`${one.name}: ${Math.round(outcome.recordsPerSecond).toLocaleString("en")}/s`);
    return outcome.recordsPerSecond;
  });
}

export const protection: Scenario = {
  about: "what repeated, stale, tied, deleted, huge and broken records cost",
  async run(settings) {
    const isChosen = ({ name }: Case) =>
      name === PLAIN || (settings.only?.some((part) => name.includes(part)) ?? true);
    const cases = CASES.filter(isChosen);
    const values = new Map(cases.map(({ name }) => [name, [] as number[]]));
    for (let run = 1; run <= settings.runs; run++) {
      settings.say(`protection, run ${run} of ${settings.runs}`);
      for (const one of cases) values.get(one.name)?.push(await measure(one, settings));
    }
    const plain = values.get(PLAIN) ?? [];
    const lines: Line[] = cases.filter(({ name }) => name !== PLAIN).map(({ name }) => ({
      what: name,
      unit: "/s",
      reference: "plain records",
      cells: [
        { who: "plain records", values: plain },
        { who: "these", values: values.get(name) ?? [] },
      ],
    }));
    return {
      title: "Cost of protection",
      explanation:
        `First fill with ${
          settings.rows.toLocaleString("en")
        } small records, keys in order; records ` +
        "sent by the origin a second, counted as in the catch-up.",
      lines,
      goals: cases.flatMap(({ name, atLeast }) =>
        atLeast === undefined
          ? []
          : [goal(`${name}: of plain`, pairedRatio(values.get(name) ?? [], plain), "≥", atLeast)]
      ),
      notes: settings.rows < MANY_TIES ? ["Fewer rows than ties: one order for all of them."] : [],
    };
  },
};
