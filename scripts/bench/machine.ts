/**
 * The machine and the versions that a report belongs to.
 *
 * @module
 */

import { cpus, release, totalmem } from "node:os";
import { VERSION } from "../../src/base/version.ts";

/** Where and with what something was measured. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory: string;
  readonly system: string;
  readonly versions: readonly string[];
  readonly date: string;
  readonly runs: number;
}

/** The first line that a command prints, or null where it can't be run. */
export async function firstLine(command: string, ...args: string[]): Promise<string | null> {
  try {
    const { code, stdout } = await new Deno.Command(command, { args, stderr: "null" }).output();
    if (code !== 0) return null;
    return new TextDecoder().decode(stdout).split("\n")[0]?.trim() ?? null;
  } catch {
    return null;
  }
}

/** Looks at this machine; `runs` is how often things were measured. */
export async function describeMachine(runs: number): Promise<Machine> {
  const sqlite = await firstLine(
    Deno.execPath(),
    "eval",
    "import { DatabaseSync } from 'node:sqlite';" +
      "console.log(new DatabaseSync(':memory:').prepare('select sqlite_version() v').get().v)",
  );
  return {
    cpu: cpus()[0]?.model ?? "unknown processor",
    cores: navigator.hardwareConcurrency,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${Deno.build.os} ${release()} ${Deno.build.arch}`,
    versions: [
      `lockstep-replicate ${VERSION}`,
      `Deno ${Deno.version.deno} (SQLite ${sqlite ?? "?"})`,
    ],
    date: new Date().toISOString().slice(0, 10),
    runs,
  };
}
