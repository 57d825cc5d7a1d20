/**
 * The tables of options and commands in docs/options.md.
 *
 * @module
 */

import { optionTerm } from "./spec.ts";
import { OPTION_GROUPS } from "./table.ts";
import { COMMANDS } from "../commands.ts";
import type { Command } from "../commands.ts";

/** Options and commands as Markdown tables. */
export function optionTable(): string {
  const groups = OPTION_GROUPS.map(({ title, options }) =>
    [
      `| ${title} | meaning | default |`,
      "| --- | --- | --- |",
      ...Object.values(options).map((option) =>
        `| \`${cell(optionTerm(option))}\` | ${cell(option.about)} | ${cell(option.shown ?? "")} |`
      ),
    ].join("\n")
  );
  const commands = [
    "| command | what it does |",
    "| --- | --- |",
    ...Object.entries(COMMANDS).map(([name, command]: [string, Command]) => {
      const words = command.arguments.map(({ metavar, many }) => many ? `${metavar}…` : metavar);
      return `| \`${[name, ...words].join(" ")}\` | ${cell(command.about)} |`;
    }),
  ].join("\n");
  return [...groups, commands].join("\n\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
