/**
 * `deno task test`: formatting, lint, types and documentation, then every test. The last line on stdout is
 * `N passed, N failed`, with `, N skipped` where a test lacks a tool; the exit status says the same.
 *
 * ```sh
 * deno task test                                # everything
 * deno task test tests/store --filter cursor    # these tests only, no static checks
 * deno task test --soak 600                     # the soak tests, for 600 seconds
 * ```
 *
 * All further arguments go to `deno test`. A skipped test is a failure where `CI=true` or
 * `LOCKSTEP_TEST_NO_SKIP=1` is set: there everything it needs is expected to be installed.
 *
 * @module
 */

import { join } from "node:path";
import { type Tally, tallyOf } from "./junit.ts";

/** The static checks, which count as a test each. */
const CHECKS: readonly (readonly [name: string, ...args: string[]])[] = [
  ["formatting", "fmt", "--check", "--quiet"],
  ["lint", "lint", "--quiet"],
  ["types", "check", "--quiet", "main.ts", "src", "tests", "scripts"],
  ["documentation", "doc", "--lint", "--quiet", "src/mod.ts"],
];

/** Exit status of a run that was interrupted, as shells have it. */
const INTERRUPTED = 130;

/** The arguments for `deno test`, and the environment that `--soak N` stands for. */
function readArgs(args: readonly string[]): { rest: string[]; env: Record<string, string> } {
  const rest: string[] = [];
  const env: Record<string, string> = {};
  for (let at = 0; at < args.length; at++) {
    const [name = "", value = args[at + 1] ?? ""] = (args[at] ?? "").split("=", 2);
    if (name !== "--soak") {
      rest.push(args[at] ?? "");
      continue;
    }
    if (!(Number(value) > 0)) throw new Error(`--soak ${value}: a number of seconds is wanted`);
    env["LOCKSTEP_SOAK_SECONDS"] = value;
    if (args[at] === "--soak") at++;
  }
  return { rest: rest.filter((arg) => arg !== "--"), env };
}

/** Runs this Deno with its output passed on; resolves with the exit status. */
async function deno(args: readonly string[], env: Record<string, string> = {}): Promise<number> {
  const command = new Deno.Command(Deno.execPath(), { args: [...args], env, stdin: "null" });
  const child = command.spawn();
  // Ctrl-C reaches the child by itself; only SIGTERM has to be passed on.
  const terminate = () => child.kill("SIGTERM");
  Deno.addSignalListener("SIGTERM", terminate);
  const { code } = await child.status;
  Deno.removeSignalListener("SIGTERM", terminate);
  return code;
}

async function runChecks(): Promise<string[]> {
  const failed: string[] = [];
  for (const [name, ...args] of CHECKS) {
    const ok = await deno(args) === 0;
    console.log(`${name} ... ${ok ? "ok" : "FAILED"}`);
    if (!ok) failed.push(`${name} (deno ${args.join(" ")})`);
  }
  return failed;
}

async function runTests(rest: readonly string[], env: Record<string, string>): Promise<Tally> {
  const folder = await Deno.makeTempDir({ prefix: "lockstep-junit-" });
  try {
    const report = join(folder, "report.xml");
    // Everything is the tests and the examples in doc comments.
    const path = rest.some(isPath) ? [] : ["--doc", "tests", "src"];
    // One file after another: the tests time sockets and start programs, and on few cores a
    // neighbour's load would only lead them astray. Types were checked above, or are not asked for.
    const args = ["test", "-A", "--no-check", `--junit-path=${report}`, ...rest, ...path];
    const code = await deno(args, env);
    const tally = tallyOf(await Deno.readTextFile(report).catch(() => ""));
    if (code === 0 || tally.failed.length > 0) return tally;
    return { ...tally, failed: [`the test run itself (exit status ${code}, see above)`] };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function isPath(argument: string): boolean {
  try {
    return !argument.startsWith("-") && Deno.statSync(argument) !== null;
  } catch {
    return false;
  }
}

async function main(): Promise<number> {
  let interrupted = false;
  Deno.addSignalListener("SIGINT", () => interrupted = true);
  const { rest, env } = readArgs(Deno.args);
  const failedChecks = rest.length === 0 ? await runChecks() : [];
  const passedChecks = rest.length === 0 ? CHECKS.length - failedChecks.length : 0;
  if (interrupted) return INTERRUPTED;

  const tally = await runTests(rest, env);
  const failed = [...failedChecks, ...tally.failed];
  // With --filter the report calls everything skipped that was filtered out.
  const filtered = rest.some((arg) => arg.startsWith("--filter"));
  let skipped = filtered ? [] : [...tally.skipped];
  const strict = Deno.env.get("CI") === "true" || Deno.env.get("LOCKSTEP_TEST_NO_SKIP") === "1";
  if (strict) {
    failed.push(...skipped.map((name) => `not run: ${name}`));
    skipped = [];
  }
  console.log();
  for (const name of skipped) console.log(`skipped: ${name}`);
  for (const name of failed) console.log(`failed: ${name}`);
  const tail = skipped.length > 0 ? `, ${skipped.length} skipped` : "";
  console.log(`${tally.passed + passedChecks} passed, ${failed.length} failed${tail}`);
  return failed.length > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main());
