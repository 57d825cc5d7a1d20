/**
 * Everything that can fill a store from the benchmark's origin, or from memory.
 *
 * All of them write with a write-ahead log and synchronous=FULL, which is what Deno KV does: a
 * commit is on disk when it returns. (The shell pipeline commits once, at its end.)
 *
 * @module
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installBetterSqlite3 } from "./better_sqlite3.ts";
import { baseOf, type Data } from "./data.ts";
import { firstLine } from "./machine.ts";
import type { BenchOrigin } from "./origin.ts";
import { Program, settleDisk, type Usage } from "./process.ts";
import { startReplicator } from "./replicator.ts";
import { storedRows } from "./verify.ts";
import { V8_FLAGS } from "../permissions.ts";

/** This program's name in the tables. */
export const REPLICATOR = "lockstep-replicate";

/** The reference's name. */
export const CEILING = "raw KV, key order";

/** The base that windows are measured against. */
export const ARRIVAL = "raw KV, arrival order";

/** One filling of a store. */
export interface Job {
  readonly origin: BenchOrigin;
  readonly data: Data;
  /** 0 fills an empty store, 1 writes over every row of generation 0. */
  readonly generation: number;
  readonly folder: string;
}

/** How it went. */
export interface Outcome {
  readonly recordsPerSecond: number;
  readonly usage: Usage;
  /** Bytes of the store's files. */
  readonly bytes: number;
}

/** A program that takes part. */
export interface Contestant {
  readonly name: string;
  /** What it stores in: how its rows are checked. */
  readonly store: "kv" | "sqlite";
  /** Data that it is not tried with. */
  readonly skips?: (data: Data) => boolean;
  /** The command for a job. Those that take rows from memory print how long it took. */
  readonly start: (job: Job, file: string) => Program;
  readonly fromMemory?: boolean;
}

function script(name: string): string {
  return fileURLToPath(new URL(`./peers/${name}`, import.meta.url));
}

function since({ data, generation }: Job): string {
  return generation === 0 ? "0" : String(baseOf(data, generation));
}

const V8 = `--v8-flags=${V8_FLAGS.join(",")}`;

function deno(flags: readonly string[], name: string, ...args: string[]): Program {
  const all = ["run", "-A", "--unstable-kv", ...flags, script(name), ...args];
  return new Program(Deno.execPath(), all, { stdout: true });
}

/** The replicator, stopping when it is up to date; `args` are further options. */
export function replicator(name: string, args: readonly string[] = ["--no-status"]): Contestant {
  return {
    name,
    store: "kv",
    start: ({ origin }, file) => startReplicator(origin.url, file, ["--once", ...args]),
  };
}

/** With the replicator's own process settings: what is compared is the work. */
function raw(name: string, order: "sorted" | "arrival"): Contestant {
  return {
    name,
    store: "kv",
    fromMemory: true,
    skips: (data) => order === "arrival" && data.keys !== "random",
    start: ({ data, generation }, file) =>
      deno([V8], "raw_kv.ts", file, JSON.stringify(data), String(generation), order),
  };
}

/** Who takes part, who can't, and the versions of what is not ours. */
export async function findContestants(
  say: (text: string) => void,
): Promise<{ contestants: Contestant[]; missing: string[]; versions: string[] }> {
  const missing: string[] = [];
  const versions: string[] = [];
  const contestants: Contestant[] = [
    raw(CEILING, "sorted"),
    replicator(REPLICATOR),
    raw(ARRIVAL, "arrival"),
    {
      name: "Deno script, 500 a kv.atomic",
      store: "kv",
      start: (job, file) => deno([], "plain_deno.ts", job.origin.url, since(job), file),
    },
  ];

  const node = await firstLine("node", "--version");
  const better = node === null ? null : await installBetterSqlite3(say);
  if (node !== null && better !== null) {
    versions.push(`Node ${node}`, `better-sqlite3 ${better.version}`);
    const name = "Node, better-sqlite3, 1000 a transaction";
    const args = (job: Job, file: string) => [job.origin.url, since(job), file, better.folder];
    contestants.push({
      name,
      store: "sqlite",
      start: (job, file) => new Program("node", [script("better_sqlite3.mjs"), ...args(job, file)]),
    });
  } else missing.push("Node with better-sqlite3: not installed");

  contestants.push({
    name: "Deno, node:sqlite, 1000 a transaction",
    store: "sqlite",
    start: (job, file) => deno([], "deno_sqlite.ts", job.origin.url, since(job), file),
  });

  const tools = [
    await firstLine("curl", "--version"),
    await firstLine("jq", "--version"),
    await firstLine("sqlite3", "--version"),
  ];
  if (tools.every((tool) => tool !== null)) {
    const [curl = "", jq = "", sqlite = ""] = tools.map((tool) => tool ?? "");
    versions.push(curl.split(" (")[0] ?? curl, jq, `sqlite3 ${sqlite.split(" ")[0]}`);
    contestants.push({
      name: "curl, jq, sqlite3",
      store: "sqlite",
      start: (job, file) =>
        new Program("sh", [script("jq_sqlite.sh"), job.origin.url, since(job), file]),
    });
  } else missing.push("curl, jq, sqlite3: not installed");
  return { contestants, missing, versions };
}

/**
 * Has a contestant do a job.
 *
 * The clock runs from the moment its request reaches the origin until its process has ended, the
 * store closed; for rows from memory, from the first commit until the store is closed.
 *
 * @throws {Error} when it fails, or when the store does not hold what it should
 */
export async function compete(contestant: Contestant, job: Job): Promise<Outcome> {
  await settleDisk();
  const file = join(job.folder, contestant.store === "kv" ? "store.kv" : "store.db");
  const before = await job.origin.report();
  const program = contestant.start(job, file);
  const { at, stdout } = await program.ended();
  const after = await job.origin.report();
  let milliseconds: number;
  let records = job.data.rows;
  if (contestant.fromMemory) milliseconds = JSON.parse(stdout).milliseconds;
  else {
    const began = after.reads[before.reads.length];
    if (began === undefined) throw new Error(`${contestant.name} never asked the origin`);
    milliseconds = at + performance.timeOrigin - began;
    records = after.rowsSent - before.rowsSent;
  }
  await verify(contestant, job, file);
  return {
    recordsPerSecond: records / milliseconds * 1000,
    usage: program.usage(),
    bytes: Deno.statSync(file).size,
  };
}

/** Speed counts only where the rows have arrived. */
async function verify(contestant: Contestant, job: Job, file: string): Promise<void> {
  const { data, generation } = job;
  const problem = await storedRows(contestant.store, file, data, generation);
  if (problem !== null) throw new Error(`${contestant.name}: ${problem}`);
}
