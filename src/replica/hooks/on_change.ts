/**
 * The command of `--on-change`: what it is told, and how it is run.
 *
 * It is run by `/bin/sh -c`, without this program's own settings and secrets in its environment, its output goes to standard error, and on standard input it gets one line
 * of JSON for each key that has changed since its last success:
 *
 * ```text
 * {"table":"servers","key":[123],"kind":"put"}
 * {"table":"servers","key":[124],"kind":"delete"}
 * ```
 *
 * or, where there are too many or it isn't known which, a single one:
 *
 * ```text
 * {"table":"servers","all":true}
 * ```
 *
 * @module
 */

import type { Clock } from "../../base/clock.ts";
import { messageOf } from "../../protocol/errors.ts";
import { stringifyJson } from "../../protocol/json_text.ts";
import type { Change } from "../../store/read/change.ts";

/** Keys remembered for the next run; beyond, the command is told to look at everything. */
export const MOST_KEYS = 10_000;

/** Between asking a command to end and ending it: within the 1.8 seconds that a stop may take. */
const GRACE_MS = 1_000;

/** The keys that have changed since a command was last told. */
export class ChangedKeys {
  #kinds = new Map<string, Change["kind"]>();
  #all = false;

  /** Whether single keys are of no interest any more. */
  get isAll(): boolean {
    return this.#all;
  }

  /** Adds a change; of several of one key, the last counts. */
  add({ key, kind }: Pick<Change, "key" | "kind">): void {
    if (this.#all) return;
    const text = stringifyJson([...key]);
    this.#kinds.delete(text);
    this.#kinds.set(text, kind);
    if (this.#kinds.size > MOST_KEYS) this.addAll();
  }

  /** Anything may have changed. */
  addAll(): void {
    this.#all = true;
    this.#kinds.clear();
  }

  /** Takes everything out. */
  take(): ChangedKeys {
    const taken = new ChangedKeys();
    taken.#kinds = this.#kinds;
    taken.#all = this.#all;
    this.#kinds = new Map();
    this.#all = false;
    return taken;
  }

  /** Puts back what was taken; what has come since is newer. */
  restore(taken: ChangedKeys): void {
    if (this.#all) return;
    if (taken.#all) return this.addAll();
    this.#kinds = new Map([...taken.#kinds, ...this.#kinds]);
    if (this.#kinds.size > MOST_KEYS) this.addAll();
  }

  /** The lines for a command's standard input. */
  text(table: string): string {
    const name = JSON.stringify(table);
    // Nothing is known of what changed: a run that tells nothing would be worse than one too much.
    if (this.#all || this.#kinds.size === 0) return `{"table":${name},"all":true}\n`;
    const lines = [...this.#kinds].map(([key, kind]) =>
      `{"table":${name},"key":${key},"kind":"${kind}"}\n`
    );
    return lines.join("");
  }
}

/** What to run. */
export interface CommandRun {
  readonly command: string;
  readonly input: string;
  readonly env: Readonly<Record<string, string>>;
  /** Values that the command shall not find in its environment. */
  readonly secrets: readonly string[];
  readonly clock: Clock;
  /** Ends the command: SIGTERM, and a second later SIGKILL. */
  readonly signal: AbortSignal;
}

/** By its path: what PATH names first may be anybody's. */
const SHELL = "/bin/sh";

/**
 * The command runs in a process group of its own, so that everything it has started ends with it:
 * SIGTERM is passed on to all of the group and their end is waited for, SIGHUP kills them.
 */
const SCRIPT = `exec 3<&0
trap 'kill -9 0' HUP
trap 'trap "" TERM; kill 0; wait' TERM
command=$1
shift
for name do unset "$name"; done
${SHELL} -c "$command" <&3 >&2 3<&- &
wait $!`;

/** Variables for this program, its runtime and systemd: none of a command's business. */
const OWN =
  /^(LOCKSTEP_(?!(TABLE|FILE)$)|DENO_|OTEL_|NOTIFY_SOCKET$|WATCHDOG_|CREDENTIALS_DIRECTORY$)/;

/** A secret of so many characters is no part of anything else by chance. */
const LONG_SECRET = 12;

/** The names of the variables that a command doesn't get. */
export function hiddenVariables(
  variables: Readonly<Record<string, string>>,
  secrets: readonly string[],
): string[] {
  const holds = (value: string) =>
    secrets.some((secret) =>
      value === secret || (secret.length >= LONG_SECRET && value.includes(secret))
    );
  return Object.entries(variables)
    .filter(([name, value]) => OWN.test(name) || holds(value))
    .map(([name]) => name)
    // Others the shell doesn't pass on.
    .filter((name) => /^[A-Za-z_]\w*$/.test(name));
}

/** Without permission to look, a library's user has seen to it. */
function environment(): Record<string, string> {
  try {
    return Deno.env.toObject();
  } catch {
    return {};
  }
}

/** Runs a command to its end. Returns what went wrong, or null. */
export async function runCommand(run: CommandRun): Promise<string | null> {
  let child: Deno.ChildProcess;
  try {
    const hidden = hiddenVariables(environment(), run.secrets);
    child = new Deno.Command(SHELL, {
      args: ["-c", SCRIPT, "sh", run.command, ...hidden],
      env: { ...run.env },
      stdin: "piped",
      stdout: "inherit",
      stderr: "inherit",
      detached: true,
    }).spawn();
  } catch (error) {
    return `can't start: ${messageOf(error)}`;
  }
  const over = new AbortController();
  const ending = end(child, run, over.signal);
  const writing = feed(child.stdin, run.input, over.signal);
  try {
    const { code } = await child.status;
    if (code === 0) return null;
    return code > 128 ? `killed by signal ${code - 128}` : `exit status ${code}`;
  } finally {
    over.abort();
    await Promise.all([writing, ending]);
  }
}

/** Writes the input; a command that doesn't read it is none the worse for it. */
async function feed(
  stdin: WritableStream<Uint8Array>,
  input: string,
  over: AbortSignal,
): Promise<void> {
  const writer = stdin.getWriter();
  over.addEventListener("abort", () => void writer.abort().catch(() => {}), { once: true });
  try {
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  } catch {
    // It has ended, or closed its standard input.
  }
}

/** Ends the command when the signal asks for it. */
async function end(child: Deno.ChildProcess, run: CommandRun, over: AbortSignal): Promise<void> {
  const either = AbortSignal.any([run.signal, over]);
  if (!either.aborted) {
    await new Promise((resolve) => either.addEventListener("abort", resolve, { once: true }));
  }
  if (over.aborted) return;
  kill(child, "SIGTERM");
  await run.clock.sleep(GRACE_MS, over).catch(() => {});
  if (!over.aborted) kill(child, "SIGHUP");
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has just ended.
  }
}
