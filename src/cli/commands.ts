/**
 * Every sub-command, described once.
 *
 * @module
 */

import { type COMMAND_OPTIONS, OPTIONS } from "./options/table.ts";

/** One word after a command's name. */
export interface Argument {
  readonly metavar: string;
  readonly about: string;
  /** Takes every word that follows; at least one. */
  readonly many?: boolean;
  /** What a shell may offer for it. */
  readonly completes?: readonly string[];
}

export type OptionKey = keyof typeof OPTIONS | keyof typeof COMMAND_OPTIONS;

/** A sub-command. */
export interface Command {
  /** One line for lists. */
  readonly brief: string;
  /** What it prints, and its exit status where that isn't 0 or 1. */
  readonly about: string;
  readonly arguments: readonly Argument[];
  readonly options: readonly OptionKey[];
}

const TABLE: Argument = { metavar: "TABLE", about: "The table's name." };

/** The main job's options, but for the URL: that is the argument. */
const DOCTOR_OPTIONS = (Object.keys(OPTIONS) as (keyof typeof OPTIONS)[])
  .filter((key) => key !== "url");

export const COMMANDS = {
  get: {
    brief: "Print one row.",
    about: "Prints one row as JSON; exit status 1 when there is none with that key.",
    arguments: [TABLE, {
      metavar: "KEY",
      about: "The key: one word for each key field.",
      many: true,
    }],
    options: ["kv", "kvTokenFile"],
  },
  list: {
    brief: "Print the rows of a table.",
    about: "Prints rows as NDJSON, sorted by key.",
    arguments: [TABLE],
    options: ["limit", "after", "keysOnly", "kv", "kvTokenFile"],
  },
  export: {
    brief: "Print a whole table.",
    about: "Prints every row as NDJSON, sorted by the order field.",
    arguments: [TABLE],
    options: ["kv", "kvTokenFile"],
  },
  status: {
    brief: "Say how the replica is doing.",
    about: "Asks the process that writes the store, or reads the store where none is running. " +
      "Exit status 0: every table is live; 1: one is not; 2: no replica is running.",
    arguments: [],
    options: ["json", "kv", "kvTokenFile", "status", "statusTokenFile"],
  },
  quarantine: {
    brief: "Print the records that could not be stored.",
    about: "Prints the newest first, with the reason and the time.",
    arguments: [TABLE],
    options: ["json", "clear", "kv", "kvTokenFile"],
  },
  history: {
    brief: "Print what changed a table in bulk.",
    about: "Prints resyncs, the rows they removed and the files that keep those, approvals and " +
      "whatever else changed the table as a whole, newest first.",
    arguments: [TABLE],
    options: ["json", "kv", "kvTokenFile"],
  },
  digest: {
    brief: "Print a table's digest.",
    about: "Prints 64 hexadecimal digits that are the same for every copy of the same data, and " +
      "the cursor that they stand for; a running replica is asked for its own.",
    arguments: [TABLE],
    options: ["json", "kv", "kvTokenFile", "statusTokenFile"],
  },
  verify: {
    brief: "Compare a table with its origin, or with another copy.",
    about: "Reads the origin again, beside the running replica, and says which rows are missing, " +
      "stale or different here, and which only the copy has; what changes meanwhile counts as " +
      "no difference. Exit status 0: equal; 1: different; 2: it couldn't be told.",
    arguments: [TABLE],
    options: [
      "against",
      "repair",
      "rate",
      "json",
      "kv",
      "kvTokenFile",
      "url",
      "header",
      "headerFile",
      "ca",
      "cert",
      "certKey",
      "poll",
      "maxLineLength",
      "statusTokenFile",
    ],
  },
  resync: {
    brief: "Have a table read again from the start.",
    about: "Asks the running replica (or the next one) to read everything again, from where the " +
      "first fill began, and to remove the rows that the origin no longer has.",
    arguments: [TABLE],
    options: ["kv", "kvTokenFile"],
  },
  approve: {
    brief: "Let what is held go on.",
    about: "Approves the removal of rows, or the changes, that `--shrink-limit`, `--grow-limit`, " +
      "`--min-rows` or an empty answer has held back.",
    arguments: [TABLE],
    options: ["kv", "kvTokenFile"],
  },
  hold: {
    brief: "Stop committing to a table.",
    about: "Stops commits, until `release`; reads go on. It outlives restarts.",
    arguments: [TABLE],
    options: ["kv", "kvTokenFile"],
  },
  release: {
    brief: "Go on after hold.",
    about: "Lets a table that is on hold go on.",
    arguments: [TABLE],
    options: ["kv", "kvTokenFile"],
  },
  doctor: {
    brief: "Examine an origin, and print the command that copies it.",
    about: "Reads a little of an origin, without a store, says whether and how it can be copied, " +
      "and prints the command. At most 20 requests; nothing is written. Exit status 0: usable; 1: not.",
    arguments: [{ metavar: "URL", about: "The endpoint, as `--url` takes it." }],
    options: ["json", "seconds", ...DOCTOR_OPTIONS],
  },
  drop: {
    brief: "Remove a table.",
    about: "Removes a table's rows and everything beside them, while no process writes it and it " +
      "is not on hold, and says how the file gives its space back.",
    arguments: [TABLE],
    options: ["kv", "kvTokenFile"],
  },
  unit: {
    brief: "Print a systemd unit.",
    about: "Prints a systemd unit that runs the program with the options given.",
    arguments: [],
    options: ["template", ...Object.keys(OPTIONS) as (keyof typeof OPTIONS)[]],
  },
  man: {
    brief: "Print the manual page.",
    about: "Prints the manual page: `lockstep-replicate man | man -l -`.",
    arguments: [],
    options: [],
  },
  completion: {
    brief: "Print a completion script.",
    about: "Prints a completion script for bash, zsh, fish, nu or pwsh.",
    arguments: [{
      metavar: "SHELL",
      about: "The shell's name.",
      completes: ["bash", "zsh", "fish", "nu", "pwsh"],
    }],
    options: [],
  },
} as const satisfies Record<string, Command>;

export type CommandName = keyof typeof COMMANDS;

export function isCommand(word: string): word is CommandName {
  return Object.hasOwn(COMMANDS, word);
}
