/**
 * Which of a command line's words is the command, and what was probably meant where it is wrong.
 *
 * @module
 */

import { type CommandName, COMMANDS, isCommand } from "../commands.ts";
import { PROGRAM } from "../program.ts";
import { quote } from "../quote.ts";
import type { Option } from "./spec.ts";
import { COMMAND_OPTIONS, OPTIONS } from "./table.ts";

/**
 * The words with the command first: options may stand before it (`--kv ./state get servers 1`).
 * `help` and `help COMMAND` become `--help`.
 */
export function commandFirst(args: readonly string[]): readonly string[] {
  if (args[0] === "help") return [...args.slice(1, 2), "--help"];
  for (let i = 0; i < args.length; i++) {
    const word = args[i] ?? "";
    if (!word.startsWith("-")) {
      return isCommand(word) ? [word, ...args.slice(0, i), ...args.slice(i + 1)] : args;
    }
    if (word === "--") return args;
    // An option's value is no command, whatever it is called.
    if (takesValue(word)) i++;
  }
  return args;
}

/** The command that a line names; null for the main job. */
export function commandIn(args: readonly string[]): CommandName | null {
  const first = commandFirst(args)[0];
  return first !== undefined && isCommand(first) ? first : null;
}

/** Whether the next word belongs to this one. */
export function takesValue(word: string): boolean {
  const options: readonly Option[] = [...Object.values(OPTIONS), ...Object.values(COMMAND_OPTIONS)];
  const option = options.find((candidate) => `--${candidate.name}` === word);
  return option !== undefined && option.kind !== "flag";
}

/** Where help for a line is to be had. */
export function helpHint(args: readonly string[]): string {
  const command = commandIn(args);
  return `Try '${PROGRAM} ${command === null ? "" : `${command} `}--help'.\n`;
}

/** How to write a key that looks like an option; nothing where none does. */
export function dashHint(args: readonly string[]): string {
  const ordered = commandFirst(args);
  const command = commandIn(args);
  if (command === null || COMMANDS[command].arguments.length === 0) return "";
  const dashed = ordered.findIndex((word) => /^-[^-]/.test(word));
  if (dashed < 0 || ordered.includes("--")) return "";
  const words = [...ordered.slice(0, dashed), "--", ...ordered.slice(dashed)].join(" ");
  return `hint: a word that begins with - is no option after --: ${
    quote(`${PROGRAM} ${words}`).slice(1, -1)
  }\n`;
}
