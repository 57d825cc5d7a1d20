/**
 * Idle: what a replica costs that has nothing to do.
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
import { inFolder, type Scenario, seconds } from "../scenario.ts";
import { median } from "../series.ts";

const NOTHING = "a Deno program with a store and a server";
const POLLING = `${REPLICATOR}, polling each second`;

/** Rows that were replicated before. */
const ROWS = 10_000;

/** From being live to being measured: V8 collects what the fill has left half a minute after it. */
const SETTLE_SECONDS = 60;

async function startNothing(folder: string): Promise<Program> {
  const script = fileURLToPath(new URL("../peers/nothing.ts", import.meta.url));
  const flags = ["run", "-A", "--unstable-kv", script, "idle", join(folder, "nothing.kv")];
  const program = new Program(Deno.execPath(), flags, { stdout: true });
  await program.firstLine();
  return program;
}

export const idle: Scenario = {
  about: "processor time and memory of a quiet minute",
  async run(settings) {
    return await inFolder(settings.folder, async (folder) => {
      await using origin = await LiveOrigin.start(ROWS);
      await using nothing = await startNothing(folder);
      await using streaming = await startLive(origin.url, join(folder, "streaming.kv"));
      const finite = `${origin.url}/{since}?finite=1`;
      await using polling = await startLive(finite, join(folder, "polling.kv"));
      const programs = [
        { who: NOTHING, program: nothing },
        { who: REPLICATOR, program: streaming },
        { who: POLLING, program: polling },
      ].map((one) => ({ ...one, cpu: [] as number[], memory: [] as number[] }));
      await seconds(Math.min(SETTLE_SECONDS, settings.idleSeconds));
      // All three idle at the same time: side by side is as good as interleaved.
      const parts = Math.min(settings.runs, settings.idleSeconds);
      for (let part = 1; part <= parts; part++) {
        settings.say(`idle, part ${part} of ${parts}`);
        const before = programs.map(({ program }) => program.usage().cpuSeconds);
        const began = performance.now();
        await seconds(settings.idleSeconds / parts);
        const passed = (performance.now() - began) / 1000;
        for (const [i, { program, cpu, memory }] of programs.entries()) {
          const { cpuSeconds, residentBytes } = program.usage();
          cpu.push((cpuSeconds - (before[i] ?? NaN)) / passed * 100);
          memory.push(residentBytes / 1e6);
        }
      }
      const lines: Line[] = [
        {
          what: "of a core",
          unit: " %",
          reference: NOTHING,
          cells: programs.map(({ who, cpu }) => ({ who, values: cpu })),
        },
        {
          what: "memory",
          unit: " MB",
          reference: NOTHING,
          cells: programs.map(({ who, memory }) => ({ who, values: memory })),
        },
      ];
      const [cpu] = lines;
      const share = cpu === undefined ? NaN : median(valuesOf(cpu, REPLICATOR));
      return {
        title: "Idle",
        explanation:
          `${settings.idleSeconds} quiet seconds after ${
            ROWS.toLocaleString("en")
          } rows, in ${parts} ` +
          "parts: with a stream that stays open, and with an origin whose answers end, asked each " +
          "second. The status page is being served, and nobody looks at it. Processor time is " +
          "counted in hundredths of a second.",
        lines,
        goals: [goal("idle: of a core", share, "≤", 0.1, " %")],
        notes: [],
      };
    });
  },
};
