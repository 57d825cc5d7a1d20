/**
 * The command of `--on-change`: what it is told, and how it is run.
 *
 * It is run by `/bin/sh -c`, without this program's own settings and secrets in its environment, its output goes to standard error, and on standard input it gets one line
 * of JSON for each key that has changed since its last success:
 *
 * ```text
 * {"table":"servers","key":[123],"kind":"put","value":{"id":123,"ip":"192.0.2.1",…}}
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
import { masked } from "../../base/masked.ts";
import { messageOf } from "../../protocol/errors.ts";
import { stringifyJson } from "../../protocol/json_text.ts";
import type { Key } from "../../protocol/record.ts";
import type { TableReader } from "../../store/read/table_reader.ts";

/** Keys remembered for the next run; beyond, the command is told to look at everything. */
export const MOST_KEYS = 10_000;

/** Between asking a command to end and ending it: within the 1.8 seconds that a stop may take. */
const GRACE_MS = 1_000;

/** The keys that have changed since a consumer was last told. */
export class ChangedKeys {
  /** By their JSON text. */
  #keys = new Map<string, Key>();
  #all = false;

  /** Whether single keys are of no interest any more. */
  get isAll(): boolean {
    return this.#all;
  }

  /** The keys, the one that changed last at the end; null where all rows may have changed. */
  get keys(): readonly Key[] | null {
    // Nothing is known of what changed: to tell nothing would be worse than to tell too much.
    return this.#all || this.#keys.size === 0 ? null : [...this.#keys.values()];
  }

  /** Adds a changed key. */
  add(key: Key): void {
    if (this.#all) return;
    const text = stringifyJson([...key]);
    this.#keys.delete(text);
    this.#keys.set(text, key);
    if (this.#keys.size > MOST_KEYS) this.addAll();
  }

  /** Anything may have changed. */
  addAll(): void {
    this.#all = true;
    this.#keys.clear();
  }

  /** Takes everything out. */
  take(): ChangedKeys {
    const taken = new ChangedKeys();
    taken.#keys = this.#keys;
    taken.#all = this.#all;
    this.#keys = new Map();
    this.#all = false;
    return taken;
  }

  /** Puts back what was taken; what has come since is newer. */
  restore(taken: ChangedKeys): void {
    if (this.#all) return;
    if (taken.#all) return this.addAll();
    this.#keys = new Map([...taken.#keys, ...this.#keys]);
    if (this.#keys.size > MOST_KEYS) this.addAll();
  }
}

/** Rows that are looked up at a time. */
const LOOKUP_KEYS = 50;

/**
 * The lines for a command's standard input: rows as they are now, which may be newer than the change
 * that is told; the next run tells it again then.
 */
export async function* changeLines(
  table: string,
  changed: ChangedKeys,
  reader: Pick<TableReader, "getMany">,
): AsyncGenerator<string> {
  const name = JSON.stringify(table);
  const { keys } = changed;
  if (keys === null) return yield `{"table":${name},"all":true}\n`;
  for (let at = 0; at < keys.length; at += LOOKUP_KEYS) {
    const some = keys.slice(at, at + LOOKUP_KEYS);
    const rows = await reader.getMany(some);
    let text = "";
    for (const [i, key] of some.entries()) {
      const row = rows[i] ?? null;
      const head = `{"table":${name},"key":${stringifyJson([...key])},"kind":`;
      text += row === null
        ? `${head}"delete"}\n`
        : `${head}"put","value":${stringifyJson(row.value)}}\n`;
    }
    yield text;
  }
}

/** What to run. */
export interface CommandRun {
  readonly command: string;
  /** What comes on its standard input. */
  readonly input: AsyncIterable<string>;
  /** Its last words on standard error are part of what went wrong, instead of being passed on. */
  readonly isHeard?: boolean;
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
      stderr: run.isHeard ? "piped" : "inherit",
      detached: true,
    }).spawn();
  } catch (error) {
    return `can't start: ${messageOf(error)}`;
  }
  const over = new AbortController();
  const ending = end(child, run, over.signal);
  const writing = feed(child.stdin, run.input, over.signal);
  const listening = run.isHeard ? lastWords(child.stderr) : Promise.resolve("");
  try {
    const [{ code }, words] = await Promise.all([child.status, listening]);
    if (code === 0) return null;
    const how = code > 128 ? `killed by signal ${code - 128}` : `exit status ${code}`;
    return words === "" ? how : `${how}: ${masked(words, run.secrets)}`;
  } finally {
    over.abort();
    await Promise.all([writing, ending]);
  }
}

/** Writes the input; a command that doesn't read it is none the worse for it. */
async function feed(
  stdin: WritableStream<Uint8Array>,
  input: AsyncIterable<string>,
  over: AbortSignal,
): Promise<void> {
  const writer = stdin.getWriter();
  over.addEventListener("abort", () => void writer.abort().catch(() => {}), { once: true });
  const encoder = new TextEncoder();
  try {
    for await (const text of input) await writer.write(encoder.encode(text));
    await writer.close();
  } catch {
    // It has ended, or closed its standard input.
  }
}

/** Characters of a command's last words that are shown. */
const WORDS_CHARS = 500;

async function lastWords(stderr: ReadableStream<Uint8Array>): Promise<string> {
  let words = "";
  const decoder = new TextDecoder();
  for await (const bytes of stderr) {
    words = (words + decoder.decode(bytes, { stream: true })).slice(-WORDS_CHARS);
  }
  return words.trim();
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
