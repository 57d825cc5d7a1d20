/**
 * The manual page, in roff's man macros, from the option and command tables.
 *
 * @module
 */

import { RELEASED, VERSION } from "../base/version.ts";
import { type Command, COMMANDS } from "./commands.ts";
import { environmentName, type Option, optionTerm } from "./options/spec.ts";
import { OPTION_GROUPS, OPTIONS } from "./options/table.ts";
import { EXAMPLES, EXIT_STATUS } from "./help_texts.ts";
import { optionOf } from "./options/parse.ts";
import { PROGRAM } from "./program.ts";

/** The whole page, ready for `man -l -`. */
export function manualPage(): string {
  return [
    `.TH ${PROGRAM.toUpperCase()} 1 "${RELEASED}" "${PROGRAM} ${VERSION}" "User Commands"`,
    ".SH NAME",
    `${roff(PROGRAM)} \\- keep a live copy of a remote record set in a local Deno KV store`,
    ".SH SYNOPSIS",
    ...synopsis(),
    ".SH DESCRIPTION",
    ...paragraphs(DESCRIPTION),
    ...OPTION_GROUPS.flatMap(({ title, options }) => [
      `.SH ${title.toUpperCase()} OPTIONS`,
      ...Object.values(options).flatMap(optionEntry),
    ]),
    ".SH COMMANDS",
    ...Object.entries(COMMANDS).flatMap(([name, command]) => commandEntry(name, command)),
    ".SH ENVIRONMENT",
    ...paragraphs([
      "Every option above stands in the environment as well; the command line wins, and an empty " +
      "variable counts as none. A flag is `1` or `0`.",
    ]),
    ...Object.values(OPTIONS).flatMap(environmentEntry),
    ".SH EXIT STATUS",
    ...EXIT_STATUS.flatMap(([status, meaning]) => [".TP", bold(status), roff(meaning)]),
    ".SH EXAMPLES",
    ...EXAMPLES.flatMap(([words, command], i) => [
      ...(i === 0 ? [] : [".PP"]),
      roff(words),
      ".PP",
      ".RS 4",
      ".EX",
      roff(command),
      ".EE",
      ".RE",
    ]),
    "",
  ].join("\n");
}

const DESCRIPTION = [
  `\`${PROGRAM}\` asks an HTTP endpoint that speaks the lockstep protocol for its records, stores ` +
  "them in a Deno KV store, and follows every change from then on. It goes on where it stopped " +
  "after any kind of end, and readers in other processes see the rows while it writes.",
  "Data goes to standard output, everything else to standard error.",
];

function synopsis(): string[] {
  const commands = Object.entries(COMMANDS).map(([name, command]) => usage(name, command));
  return [
    `${bold(PROGRAM)} ${bold("--url")} [${italic("TABLE")}=]${italic("URL")} ` +
    `[${bold("--kv")} ${italic("PATH")}] [${italic("option")} ...]`,
    ...commands.flatMap((line) => [".br", `${bold(PROGRAM)} ${line}`]),
  ];
}

function usage(name: string, command: Command): string {
  const words = command.arguments.map((argument) =>
    `${italic(argument.metavar)}${argument.many ? " ..." : ""}`
  );
  const options = command.options.length > 0 ? [`[${italic("option")} ...]`] : [];
  return [bold(name), ...words, ...options].join(" ");
}

function optionEntry(option: Option): string[] {
  const term = option.kind === "flag"
    ? bold(`--${option.name}`)
    : `${bold(`--${option.name}`)} ${italic(option.metavar)}`;
  const shown = option.shown === null ? [] : [roff(`Default: ${option.shown}.`)];
  return [".TP", term, ...sentences(option.about), ...shown];
}

function commandEntry(name: string, command: Command): string[] {
  // The unit takes every option of the main job: these are described above.
  const own = command.options.length > Object.keys(OPTIONS).length
    ? ["template" as const]
    : command.options;
  const options = own.map((key) => `\`${optionTerm(optionOf(key))}\``);
  const takes = options.length > 0 ? [roff(`Options: ${options.join(", ")}.`)] : [];
  return [".TP", usage(name, command), ...sentences(command.about), ...takes];
}

function environmentEntry(option: Option): string[] {
  const several = option.kind === "list" ? ` Several are separated by ${option.separatedBy}.` : "";
  return [".TP", bold(environmentName(option)), roff(`\`--${option.name}\`.${several}`)];
}

function paragraphs(texts: readonly string[]): string[] {
  return texts.flatMap((text, i) => [...(i === 0 ? [] : [".PP"]), ...sentences(text)]);
}

/** Each sentence on a line of its own, so that roff can space and break them. */
function sentences(text: string): string[] {
  return text.split(/(?<=[.;:]) (?=\S)/).map(roff);
}

/** Plain words with `code` in bold. */
function roff(text: string): string {
  const parts = text.split("`").map((part, i) => i % 2 === 0 ? escape(part) : bold(part));
  return protect(parts.join(""));
}

function bold(text: string): string {
  return `\\fB${escape(text)}\\fR`;
}

function italic(text: string): string {
  return `\\fI${escape(text)}\\fR`;
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("'", "\\(aq")
    .replaceAll("…", "...");
}

/** A dot at a line's start would be a request. */
function protect(line: string): string {
  return line.startsWith(".") ? `\\&${line}` : line;
}
