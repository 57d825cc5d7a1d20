/**
 * What help and the manual both say besides options and commands.
 *
 * @module
 */

import { PROGRAM } from "./program.ts";

/** Exit statuses of the main job; a command that has others says so. */
export const EXIT_STATUS = [
  ["0", "Done, or stopped by SIGINT or SIGTERM."],
  ["1", "Failed."],
  ["2", "Wrong usage."],
] as const;

/** What each example does, and the example. */
export const EXAMPLES = [
  [
    "Copy a record set and follow it:",
    `${PROGRAM} --url https://origin.example/servers --kv ./state`,
  ],
  ["Read one row from the copy, while it is being written or not:", `${PROGRAM} get servers 123`],
  ["Fetch once, from a timer or a build:", `${PROGRAM} --url https://origin.example/zones --once`],
] as const;

/** What stands below the main job's options and the commands. */
export function helpEnd(): string {
  const examples = EXAMPLES.map(([words, command]) => `  ${words}\n    ${command}\n`);
  const statuses = EXIT_STATUS.map(([status, meaning]) => `  ${status}  ${meaning}\n`);
  return `\nExamples:\n${examples.join("")}\nExit status:\n${statuses.join("")}`;
}
