/**
 * What an option is: described once, and from here come parsing, help, completion, the manual page
 * and the tables of docs/options.md.
 *
 * @module
 */

/** What a shell may offer for a value. */
export type Completes = "file" | "directory" | readonly string[];

/** Facts of an option besides its name and meaning. */
export interface OptionFacts {
  /** The default, as a person would type it: it is parsed like any other value. */
  readonly default?: string;
  /** What happens without the option, in words, where that is no default value. */
  readonly otherwise?: string;
  readonly completes?: Completes;
}

interface Described {
  /** Without the dashes. */
  readonly name: string;
  /** One or two sentences; `code` in backticks. */
  readonly about: string;
  readonly default: string | null;
  /** The default, or what happens without the option, for people. */
  readonly shown: string | null;
  readonly completes: Completes | null;
}

/** `--name`: on or off. */
export interface FlagOption extends Described {
  readonly kind: "flag";
}

/** `--name VALUE`, once. */
export interface ValueOption<T> extends Described {
  readonly kind: "value";
  readonly metavar: string;
  /** Throws an `Error` whose message says what was given and what is accepted. */
  readonly parse: (text: string) => T;
}

/** `--name VALUE`, any number of times. */
export interface ListOption<T> extends Described {
  readonly kind: "list";
  readonly metavar: string;
  readonly parse: (text: string) => T;
  /** What separates several values in the environment variable. */
  readonly separator: RegExp;
  /** The separator in words, for the manual. */
  readonly separatedBy: string;
}

export type Option = FlagOption | ValueOption<unknown> | ListOption<unknown>;

/** What the program gets for an option: `undefined` where nothing was given. */
export type OptionValue<O> = O extends FlagOption ? boolean
  : O extends ValueOption<infer T> ? T | undefined
  : O extends ListOption<infer T> ? T[]
  : never;

/** What the program gets for a table of options. */
export type OptionValues<S> = { -readonly [K in keyof S]: OptionValue<S[K]> };

export function flag(name: string, about: string, facts: OptionFacts = {}): FlagOption {
  return { kind: "flag", ...described(name, about, facts) };
}

export function value<T>(
  name: string,
  metavar: string,
  parse: (text: string) => T,
  about: string,
  facts: OptionFacts = {},
): ValueOption<T> {
  return { kind: "value", metavar, parse, ...described(name, about, facts) };
}

export function list<T>(
  name: string,
  metavar: string,
  parse: (text: string) => T,
  separator: readonly [RegExp, string],
  about: string,
  facts: OptionFacts = {},
): ListOption<T> {
  const [pattern, separatedBy] = separator;
  return {
    kind: "list",
    metavar,
    parse,
    separator: pattern,
    separatedBy,
    ...described(name, about, facts),
  };
}

/** The environment variable that stands in for an option: `poll` → `LOCKSTEP_POLL`. */
export function environmentName(option: Option): string {
  return `LOCKSTEP_${option.name.toUpperCase().replaceAll("-", "_")}`;
}

/** `--poll DURATION`, as it stands in help and tables. */
export function optionTerm(option: Option): string {
  return option.kind === "flag" ? `--${option.name}` : `--${option.name} ${option.metavar}`;
}

function described(name: string, about: string, facts: OptionFacts): Described {
  return {
    name,
    about,
    default: facts.default ?? null,
    shown: facts.default ?? facts.otherwise ?? null,
    completes: facts.completes ?? null,
  };
}
