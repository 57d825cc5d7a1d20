/**
 * A resync whose answer lacks almost every row: how long the sweep takes, and in how much memory.
 *
 * @module
 */

import { join } from "node:path";
import { REPLICATOR } from "../contestants.ts";
import { BenchOrigin } from "../origin.ts";
import { startReplicator } from "../replicator.ts";
import { goal, type Line } from "../report.ts";
import { inFolder, type Scenario } from "../scenario.ts";

/** Rows that the origin still has. */
const KEPT = 1_000;

export const sweeping: Scenario = {
  about: "a resync that removes almost all rows of a large table",
  run: (settings) =>
    inFolder(settings.folder, async (folder) => {
      const rows = settings.longRows;
      const kv = join(folder, "replica.kv");
      const phases: { what: string; seconds: number; peakMb: number }[] = [];
      await using origin = await BenchOrigin.start({ rows, keys: "in-order", size: "small" });
      const phase = async (what: string, args: readonly string[]) => {
        const all = ["--once", "--no-status", ...args];
        await using program = startReplicator(origin.url, kv, all);
        const { at } = await program.ended();
        const { peakBytes } = program.usage();
        const seconds = (at - program.started) / 1000;
        phases.push({ what, seconds, peakMb: peakBytes / 1e6 });
        settings.say(`${what}: ${Math.round(seconds)} s, ${Math.round(peakBytes / 1e6)} MB`);
      };
      await phase("fill", []);
      await phase("resync, all the same", ["--resync"]);
      await origin.turnTo(1, KEPT);
      await phase("resync", ["--resync", "--shrink-limit", "100%"]);
      const line = (
        what: string,
        unit: string,
        pick: (phase: typeof phases[0]) => number,
      ): Line => ({
        what,
        unit,
        reference: "fill",
        cells: phases.map((phase) => ({ who: phase.what, values: [pick(phase)] })),
      });
      return {
        title: "Sweep",
        explanation:
          `${REPLICATOR} filled with ${rows.toLocaleString("en")} small records, then resynced ` +
          "with the same origin, which costs no write, and then " +
          `with an origin that has ${KEPT.toLocaleString("en")} of them: every other row is ` +
          "removed, and leaves a tombstone. One run, from start to end of the process.",
        lines: [
          line("time", " s", ({ seconds }) => seconds),
          line("greatest memory", " MB", ({ peakMb }) => peakMb),
        ],
        goals: [goal(
          "greatest memory",
          Math.max(...phases.slice(1).map(({ peakMb }) => peakMb)),
          "≤",
          160,
          " MB",
        )],
        notes: [],
      };
    }),
};
