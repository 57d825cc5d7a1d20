/**
 * Files that are kept up to date: what it costs when a little of a large table changes.
 *
 * @module
 */

import { join } from "node:path";
import { REPLICATOR } from "../contestants.ts";
import { LiveOrigin } from "../origin.ts";
import type { Program } from "../process.ts";
import { startServing } from "../replicator.ts";
import { goal, type Line } from "../report.ts";
import { inFolder, type Scenario, seconds } from "../scenario.ts";

/** Changes a second while it is measured. */
const RATE = 10;

/** How often the status is asked whether the file was written. */
const LOOK_SECONDS = 0.5;

/** A file's pause lasts ten minutes at most. */
const MOST_LOOKS = 1_300;

const NONE = "no file";
const NDJSON = "NDJSON";
const SQLITE = "SQLite";

/** When the file was last written; null where it never was, or there is none. */
async function lastWritten(status: string): Promise<string | null> {
  const answer = await fetch(`${status}/status`);
  const { tables } = await answer.json() as {
    tables: { hooks: { lastSuccess: string | null }[] }[];
  };
  return tables[0]?.hooks[0]?.lastSuccess ?? null;
}

/** Waits until the file is written once more than at that time. */
async function nextWrite(status: string, last: string | null): Promise<string | null> {
  for (let look = 0; look < MOST_LOOKS; look++) {
    const found = await lastWritten(status);
    if (found !== last) return found;
    await seconds(LOOK_SECONDS);
  }
  return last;
}

/** Bytes that a process has handed to the system to be written. */
function writtenBytes({ pid }: Program): number {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/io`);
    return Number(/^wchar: (\d+)$/m.exec(text)?.[1]);
  } catch {
    return NaN;
  }
}

export const writing: Scenario = {
  about: "files of a large table of which a little changes",
  run: (settings) =>
    inFolder(settings.folder, async (folder) => {
      await using origin = await LiveOrigin.start(settings.rows);
      const found: { who: string; core: number; megabytes: number }[] = [];
      for (
        const [who, file] of [[NONE, null], [NDJSON, "t.ndjson"], [SQLITE, "t.sqlite"]] as const
      ) {
        const args = file === null ? [] : ["--write", join(folder, file)];
        await origin.setRate(0);
        const { program, status } = await startServing(
          origin.url,
          join(folder, `${who}.kv`),
          args,
        );
        await using _ = program;
        // The first write is no change; then from one write to another, the pause between included.
        const first = file === null ? null : await nextWrite(status, null);
        await origin.setRate(RATE);
        const last = file === null ? null : await nextWrite(status, first);
        const before = { ...program.usage(), bytes: writtenBytes(program) };
        const began = performance.now();
        await seconds(settings.idleSeconds);
        if (file !== null && await lastWritten(status) === last) await nextWrite(status, last);
        const passed = (performance.now() - began) / 1000;
        const core = (program.usage().cpuSeconds - before.cpuSeconds) / passed * 100;
        const megabytes = (writtenBytes(program) - before.bytes) / passed / 1e6;
        settings.say(`${who}: ${core.toFixed(1)} % of a core, ${megabytes.toFixed(2)} MB/s`);
        found.push({ who, core, megabytes });
      }
      const line = (what: string, unit: string, pick: (one: typeof found[0]) => number): Line => ({
        what,
        unit,
        reference: NONE,
        cells: found.map((one) => ({ who: one.who, values: [pick(one)] })),
      });
      const coreOf = (who: string) => found.find((one) => one.who === who)?.core ?? NaN;
      return {
        title: "Files",
        explanation: `${REPLICATOR} with ${settings.rows.toLocaleString("en")} small records, of ` +
          `which ${RATE} a second change, over ${settings.idleSeconds} s at least, and from one ` +
          "write to another. A file that is written whole pauses for 19 times the processor time " +
          "that it took; a database is changed in place.",
        lines: [
          line("of a core", " %", ({ core }) => core),
          line("written a second", " MB", ({ megabytes }) => megabytes),
        ],
        goals: [
          goal(
            `${NDJSON}: of a core, besides the rest`,
            coreOf(NDJSON) - coreOf(NONE),
            "≤",
            10,
            " %",
          ),
          goal(
            `${SQLITE}: of a core, besides the rest`,
            coreOf(SQLITE) - coreOf(NONE),
            "≤",
            2,
            " %",
          ),
        ],
        notes: [],
      };
    }),
};
