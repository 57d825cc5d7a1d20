/**
 * The program: a command line → an exit status.
 *
 * Commands are imported when they are asked for, so that none pays for another's modules.
 *
 * @module
 */

import { LockstepError, messageOf } from "../protocol/errors.ts";
import { printable } from "../base/log.ts";
import type { Words } from "./options/parse.ts";
import { isAnswer, readWords } from "./options/parse.ts";
import { OPTIONS } from "./options/table.ts";
import { COMMANDS } from "./commands.ts";
import type { OptionKey } from "./commands.ts";
import { isClosedPipe, writeError, writeOut } from "./output.ts";
import { helpHint } from "./options/word_order.ts";
import { settle, type Settled } from "./options/resolve_options.ts";
import { UsageError } from "./usage_error.ts";

/** Exit statuses. */
const DONE = 0;
const FAILED = 1;
const WRONG_USAGE = 2;

/** Runs a command line and returns the exit status. Never throws. */
export async function main(given: readonly string[]): Promise<number> {
  // `deno task start -- …` hands the dashes on.
  const args = given[0] === "--" ? given.slice(1) : given;
  try {
    const words = readWords(args, layout());
    if (isAnswer(words)) {
      writeError(words.stderr);
      if (words.status === WRONG_USAGE) writeError(helpHint(args));
      await writeOut(words.stdout);
      return words.status;
    }
    const keys: readonly OptionKey[] = words.command === null
      ? Object.keys(OPTIONS) as (keyof typeof OPTIONS)[]
      : COMMANDS[words.command].options;
    return await run(words, settle(words.options, keys, (name) => Deno.env.get(name)), args);
  } catch (error) {
    return failure(error, args);
  }
}

async function run(words: Words, settled: Settled, args: readonly string[]): Promise<number> {
  const { values } = settled;
  const table = words.arguments[0]?.[0] ?? "";
  switch (words.command) {
    case null:
      return await (await import("./commands/replicate.ts")).replicateCommand(settled);
    case "get":
      return await (await import("./commands/get.ts"))
        .getCommand(values, table, words.arguments[1] ?? []);
    case "list":
      return await (await import("./commands/list.ts")).listCommand(values, table);
    case "export":
      return await (await import("./commands/export.ts")).exportCommand(values, table);
    case "status":
      return await (await import("./commands/status.ts")).statusCommand(settled);
    case "quarantine":
      return await (await import("./commands/quarantine.ts")).quarantineCommand(values, table);
    case "history":
      return await (await import("./commands/history.ts")).historyCommand(values, table);
    case "digest":
      return await (await import("./commands/digest.ts")).digestCommand(values, table);
    case "verify":
      return await (await import("./commands/verify.ts")).verifyCommand(values, table);
    case "resync":
    case "approve":
    case "hold":
    case "release":
      return await (await import("./commands/request.ts"))
        .requestCommand(values, table, words.command);
    case "doctor":
      return await (await import("./commands/doctor.ts")).doctorCommand(settled, table, args);
    case "drop":
      return await (await import("./commands/drop.ts")).dropCommand(values, table);
    case "unit":
      return await (await import("./commands/unit.ts")).unitCommand(settled, args);
    case "man":
      await writeOut((await import("./man.ts")).manualPage());
      return DONE;
    case "completion": // answered while the words were read
      return DONE;
  }
}

function failure(error: unknown, args: readonly string[]): number {
  // Whoever read our output has had enough (`… | head`): that is no failure.
  if (isClosedPipe(error)) return DONE;
  const isUsage = error instanceof UsageError ||
    (error instanceof LockstepError && error.kind === "usage");
  writeError(`error: ${printable(messageOf(error))}\n`);
  if (error instanceof LockstepError) writeError(`hint: ${printable(error.hint)}\n`);
  if (isUsage) writeError(helpHint(args));
  return isUsage ? WRONG_USAGE : FAILED;
}

/** How wide help may be, and whether it may be coloured. */
function layout() {
  let width = 100;
  let isTerminal = false;
  try {
    isTerminal = Deno.stdout.isTerminal();
    width = Math.min(Deno.consoleSize().columns, 120);
  } catch {
    // No terminal: the width of a page.
  }
  return { width, colors: isTerminal && !Deno.noColor };
}
