/**
 * The option and command tables as an optique parser: parsing, help and completion.
 *
 * @module
 */

import { group, longestMatch, merge, object } from "@optique/core/constructs";
import { runParser } from "@optique/core/facade";
import { formatMessage, type Message, message, optionName, text } from "@optique/core/message";
import { map, multiple, optional } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { argument, command, option } from "@optique/core/primitives";
import type { ValueParser } from "@optique/core/valueparser";
import { LockstepError, messageOf } from "../../protocol/errors.ts";
import { COMMIT, VERSION } from "../../base/version.ts";
import { type Argument, type Command, COMMANDS, isCommand } from "../commands.ts";
import type { CommandName, OptionKey } from "../commands.ts";
import { helpEnd } from "../help_texts.ts";
import { PROGRAM } from "../program.ts";
import { completionOffers } from "./completion_offers.ts";
import type { Completes, Option } from "./spec.ts";
import { COMMAND_OPTIONS, OPTION_GROUPS, OPTIONS } from "./table.ts";
import { commandFirst, dashHint, takesValue } from "./word_order.ts";

/** What stood on the command line, checked word by word but not yet against the environment. */
export interface Words {
  /** Null for the main job. */
  readonly command: CommandName | null;
  readonly arguments: readonly (readonly string[])[];
  /** Parsed values by option; an option that wasn't given is `undefined` (or an empty list). */
  readonly options: Readonly<Record<string, unknown>>;
}

/** A command line that is answered at once: help, version, completion, or an error. */
export interface Answer {
  readonly status: 0 | 2;
  readonly stdout: string;
  readonly stderr: string;
}

/** How help is laid out. */
export interface Layout {
  readonly width: number;
  readonly colors: boolean;
}

type AnyParser = Parser<"sync", unknown, unknown>;

/** Reads a command line. */
export function readWords(args: readonly string[], layout: Layout): Words | Answer {
  const ordered = commandFirst(args);
  const name = ordered[0];
  let stdout = "";
  let stderr = "";
  const answer = (status: 0 | 2): Answer => ({ status, stdout, stderr });
  return runParser(parserFor(ordered), PROGRAM, ordered, {
    ...layoutOptions(layout),
    help: {
      option: { names: ["--help", "-h"] },
      onShow: () => {
        if (name === undefined || !isCommand(name)) stdout += helpEnd();
        return answer(0);
      },
    },
    version: {
      value: versionLine(),
      option: { names: ["--version", "-v"] },
      onShow: () => answer(0),
    },
    completion: {
      command: true,
      onShow: () => {
        stdout += completionOffers(ordered);
        return answer(0);
      },
    },
    brief: message`Keeps a live copy of a remote record set in a local Deno KV store.`,
    usageLine: [
      { type: "option", names: ["--url"], metavar: "[TABLE=]URL" },
      { type: "option", names: ["--kv"], metavar: "PATH" },
      { type: "ellipsis" },
    ],
    footer: plain(
      "Every option of the main job can be set in the environment instead: --poll 5s is " +
        "LOCKSTEP_POLL=5s, --once is LOCKSTEP_ONCE=1. The command line wins.",
    ),
    aboveError: "none",
    stdout: (line) => stdout += `${line}\n`,
    // Errors are written by onError: not wrapped, so that a value can be searched for and copied.
    stderr: () => {},
    onError: (_status, error) => {
      stderr = `error: ${formatMessage(error, { colors: false })}\n${dashHint(args)}`;
      return answer(2);
    },
  }) as Words | Answer;
}

/** `lockstep-replicate 0.1.0 (commit …, Deno …)`. */
export function versionLine(): string {
  const from = COMMIT === "source" ? "from source" : `commit ${COMMIT}`;
  return `${PROGRAM} ${VERSION} (${from}, Deno ${Deno.version.deno})`;
}

export function isAnswer(result: Words | Answer): result is Answer {
  return "status" in result;
}

function layoutOptions(layout: Layout) {
  return {
    maxWidth: Math.max(40, layout.width),
    termWidth: 28,
    colors: layout.colors,
    showDefault: true,
  };
}

/** Of what was perhaps meant, the nearest: a list of guesses has to be read. */
const CLOSEST = {
  errors: {
    suggestions: ([nearest]: readonly string[]): Message =>
      nearest === undefined ? [] : message`Did you mean ${optionName(nearest)}?`,
  },
};

function parserFor(words: readonly string[]): AnyParser {
  const [name] = words;
  const typed = name === "completion" ? words.slice(2) : [];
  const [first = ""] = typed;
  // With a command, only that command's parser sees the words: of several parsers, the one that
  // gets furthest would win, and quietly take another command's options for its own.
  if (isCommand(name ?? "") && name !== "completion") return subCommand(name as CommandName);
  if (typed.length > 1 && isCommand(first)) {
    return first === "completion" ? object({}) as AnyParser : subCommand(first);
  }
  // An option's value, which is being completed, is no place for a command.
  if (typed.length > 1 && takesValue(typed.at(-2) ?? "")) return mainJob();
  return longestMatch(mainJob(), ...commandNames().map(subCommand), CLOSEST) as AnyParser;
}

function commandNames(): Exclude<CommandName, "completion">[] {
  return (Object.keys(COMMANDS) as CommandName[]).filter((name) => name !== "completion");
}

function mainJob(): AnyParser {
  const groups = OPTION_GROUPS.map(({ title, options }) =>
    group(title, fields(Object.entries(options)))
  );
  const all = groups.reduce<Parser<"sync", Record<string, unknown>, unknown>>(
    (left, right) => merge(left as never, right as never) as never,
    object({}) as never,
  );
  return map(all, (options): Words => ({ command: null, arguments: [], options }));
}

function subCommand(name: CommandName): AnyParser {
  const about: Command = COMMANDS[name];
  const parsers: Record<string, AnyParser> = {};
  about.arguments.forEach((spec, index) => parsers[`argument ${index}`] = word(spec));
  for (const key of about.options) parsers[key] = parserOf(optionOf(key));
  const inner = map(object(parsers, CLOSEST), (values): Words => ({
    command: name,
    arguments: about.arguments.map((_, index) => [values[`argument ${index}`]].flat() as string[]),
    options: values,
  }));
  return command(name, inner, { brief: plain(about.brief), description: plain(about.about) });
}

export function optionOf(key: OptionKey): Option {
  return { ...OPTIONS, ...COMMAND_OPTIONS }[key];
}

function fields(options: readonly (readonly [string, Option])[]) {
  return object(Object.fromEntries(options.map(([key, spec]) => [key, parserOf(spec)])));
}

function word(spec: Argument): AnyParser {
  const parser = argument(reader(spec.metavar, (given) => given, spec.completes ?? null), {
    description: plain(spec.about),
  });
  if (!spec.many) return parser;
  return multiple(parser, { min: 1, errors: { tooFew: plain(`${spec.metavar} is missing.`) } });
}

function parserOf(spec: Option): AnyParser {
  const name = `--${spec.name}` as const;
  const facts = {
    description: plain(
      spec.kind !== "flag" && spec.shown !== null ? `${spec.about} [${spec.shown}]` : spec.about,
    ),
  };
  if (spec.kind === "flag") return optional(option(name, facts));
  const value = option(name, reader(spec.metavar, spec.parse, spec.completes), facts);
  return spec.kind === "list" ? multiple(value) : optional(value);
}

/** A function that reads a text, as optique wants it. */
function reader(
  metavar: string,
  parse: (text: string) => unknown,
  completes: Completes | null,
): ValueParser<"sync", unknown> {
  return {
    mode: "sync",
    metavar: metavar as "VALUE",
    placeholder: undefined,
    parse: (given) => {
      try {
        return { success: true, value: parse(given) };
      } catch (error) {
        return { success: false, error: plain(whyNot(error)) };
      }
    },
    format: String,
    *suggest(prefix) {
      if (completes === "file" || completes === "directory") {
        yield { kind: "file", type: completes === "file" ? "any" : "directory", pattern: prefix };
      } else if (completes !== null) {
        for (const text of completes) {
          if (text.startsWith(prefix)) yield { kind: "literal", text };
        }
      }
    },
  };
}

/** Why a value was refused, with what would be accepted. */
export function whyNot(error: unknown): string {
  return error instanceof LockstepError ? `${error.message}; ${error.hint}` : messageOf(error);
}

/** A text without its code marks. */
function plain(words: string): Message {
  return [text(words.replaceAll("`", ""))];
}
