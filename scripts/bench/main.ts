/**
 * `deno task bench`: how fast, side by side in one run.
 *
 * ```sh
 * deno task bench                                   # everything, about an hour and a half
 * deno task bench --quick                           # everything, small: some minutes
 * deno task bench catch-up --rows 200000 --runs 3
 * deno task bench catch-up --shapes small-random --only lockstep,raw
 * deno task bench steady idle --json results.json
 * ```
 *
 * The report goes to stdout as Markdown, progress to stderr. Every measurement is repeated and
 * interleaved with what it is compared to, so that a machine's moods hit all alike.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { describeMachine } from "./machine.ts";
import { markdown, type Section } from "./report.ts";
import type { Scenario, Settings } from "./scenario.ts";
import { catchUp } from "./scenarios/catch_up.ts";
import { fanOut } from "./scenarios/fan_out.ts";
import { feed } from "./scenarios/feed.ts";
import { idle } from "./scenarios/idle.ts";
import { longRun } from "./scenarios/long_run.ts";
import { protection } from "./scenarios/protection.ts";
import { startUp } from "./scenarios/start_up.ts";
import { steadyState } from "./scenarios/steady_state.ts";
import { sweeping } from "./scenarios/sweep.ts";
import { writing } from "./scenarios/write.ts";

/** In the order in which they run and are reported. */
const SCENARIOS: Readonly<Record<string, Scenario>> = {
  "catch-up": catchUp,
  protection,
  steady: steadyState,
  feed,
  "fan-out": fanOut,
  "start-up": startUp,
  idle,
  "long-run": longRun,
  sweep: sweeping,
  write: writing,
};

const FULL = { rows: 1_000_000, runs: 5, longRows: 10_000_000, steadySeconds: 10, idleSeconds: 60 };
const QUICK = { rows: 100_000, runs: 2, longRows: 1_000_000, steadySeconds: 3, idleSeconds: 5 };

const HELP = `usage: deno task bench [SCENARIO…] [options]

scenarios (default all):
${Object.entries(SCENARIOS).map(([name, { about }]) => `  ${name.padEnd(12)} ${about}`).join("\n")}

  --rows N        small records of a catch-up (default ${FULL.rows})
  --runs N        repetitions (default ${FULL.runs})
  --long-rows N   records of the long run and of the sweep (default ${FULL.longRows})
  --seconds N     length of a steady state (default ${FULL.steadySeconds})
  --idle N        seconds of idling (default ${FULL.idleSeconds})
  --shapes A,B    catch-up: small-in-order, small-random, large-in-order, large-random
  --only A,B      participants and cases whose names contain one of these
  --folder DIR    where stores are made (default: the folder for temporary files)
  --quick         small figures for all of the above
  --json FILE     write everything that was measured there, too
`;

const options = {
  rows: { type: "string" },
  runs: { type: "string" },
  "long-rows": { type: "string" },
  seconds: { type: "string" },
  idle: { type: "string" },
  shapes: { type: "string" },
  only: { type: "string" },
  folder: { type: "string" },
  quick: { type: "boolean", default: false },
  json: { type: "string" },
  help: { type: "boolean", default: false },
} as const;

function readArgs() {
  return parseArgs({ args: Deno.args, options, allowPositionals: true });
}

function count(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const number = Number(text);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new TypeError(`--${name} ${text}: a whole number above 0 is wanted`);
}

function settingsOf(values: ReturnType<typeof readArgs>["values"], folder: string): Settings {
  const size = values.quick ? QUICK : FULL;
  return {
    rows: count("rows", values.rows, size.rows),
    runs: count("runs", values.runs, size.runs),
    longRows: count("long-rows", values["long-rows"], size.longRows),
    steadySeconds: count("seconds", values.seconds, size.steadySeconds),
    idleSeconds: count("idle", values.idle, size.idleSeconds),
    only: values.only?.split(",") ?? null,
    shapes: values.shapes?.split(",") ?? null,
    folder,
    say: (text) => console.error(`${new Date().toISOString().slice(11, 19)} ${text}`),
  };
}

/** Returns the exit status: 1 where a scenario could not be run to its end. */
async function main(): Promise<number> {
  const { values, positionals } = readArgs();
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  let failed = false;
  const names = positionals.length > 0 ? positionals : Object.keys(SCENARIOS);
  const chosen = names.map((name) => {
    const scenario = SCENARIOS[name];
    if (scenario) return scenario;
    throw new TypeError(`${name}: one of ${Object.keys(SCENARIOS).join(", ")} is wanted`);
  });
  const folder = await Deno.makeTempDir({
    prefix: "lockstep-bench-",
    ...(values.folder === undefined ? {} : { dir: values.folder }),
  });
  try {
    const settings = settingsOf(values, folder);
    const sections: Section[] = [];
    for (const [i, scenario] of chosen.entries()) {
      try {
        sections.push(await scenario.run(settings));
      } catch (error) {
        // What the others found must not be lost with it.
        console.error(`bench: ${names[i]}: ${error instanceof Error ? error.message : error}`);
        failed = true;
      }
    }
    const machine = await describeMachine(settings.runs);
    console.log(markdown(machine, sections));
    if (values.json !== undefined) {
      await Deno.writeTextFile(values.json, JSON.stringify({ machine, sections }, null, 2) + "\n");
    }
  } finally {
    await Deno.remove(folder, { recursive: true }).catch(() => {});
  }
  return failed ? 1 : 0;
}

try {
  Deno.exit(await main());
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : error}`);
  Deno.exit(error instanceof TypeError ? 2 : 1);
}
