/**
 * Start-up: from exec to the first request, and to the end of a run that finds nothing new.
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { REPLICATOR } from "../contestants.ts";
import { BenchOrigin } from "../origin.ts";
import { Program } from "../process.ts";
import { startReplicator } from "../replicator.ts";
import { goal, type Line, valuesOf } from "../report.ts";
import { inFolder, type Scenario } from "../scenario.ts";
import { median } from "../series.ts";

const NOTHING = "an empty Deno program";

/** Rows in the store already. */
const ROWS = 100_000;

/** A start is short: it is repeated more often than the rest. */
const STARTS = 4;

export const startUp: Scenario = {
  about: "from exec to the first request, and to up to date with nothing new",
  async run(settings) {
    const empty: number[] = [];
    const first: number[] = [];
    const once: number[] = [];
    const script = fileURLToPath(new URL("../peers/nothing.ts", import.meta.url));
    await inFolder(settings.folder, async (folder) => {
      const file = join(folder, "replica.kv");
      const data = { rows: ROWS, keys: "random", size: "small" } as const;
      await using origin = await BenchOrigin.start(data);
      const args = ["--once", "--no-status"];
      await startReplicator(origin.url, file, args).ended();
      for (let run = 0; run < settings.runs * STARTS; run++) {
        const nothing = new Program(Deno.execPath(), ["run", "-A", script]);
        empty.push((await nothing.ended()).at - nothing.started);
        const program = startReplicator(origin.url, file, args);
        const { at } = await program.ended();
        const request = (await origin.report()).reads.at(-1) ?? NaN;
        first.push(request - performance.timeOrigin - program.started);
        once.push(at - program.started);
      }
    });
    const line = (what: string, values: number[]): Line => ({
      what,
      unit: " ms",
      reference: NOTHING,
      cells: [{ who: NOTHING, values: empty }, { who: REPLICATOR, values }],
    });
    const lines = [
      line("exec to the first request", first),
      line("exec to the end, nothing new (`--once`)", once),
    ];
    const [request] = lines;
    const got = request === undefined ? NaN : median(valuesOf(request, REPLICATOR));
    return {
      title: "Start-up",
      explanation:
        `From the start of the process, with ${
          ROWS.toLocaleString("en")
        } rows in the store: until ` +
        "its request reaches the origin, and until a run with `--once` that finds nothing new has " +
        "ended. An empty program: from its start to its end.",
      lines,
      goals: [goal("exec to the first request", got, "≤", 250, " ms")],
      notes: [],
    };
  },
};
