/**
 * A command line's options as they were typed: for the unit, which repeats them.
 *
 * @module
 */

import type { Option } from "./spec.ts";
import { OPTIONS } from "./table.ts";

/** One option as it was typed. */
export interface TypedOption {
  /** Without the dashes. */
  readonly name: string;
  /** Null for a flag. */
  readonly value: string | null;
}

/**
 * Reads the words of a command line that the parser has accepted: options of the main job in
 * their order, everything else left out.
 *
 * @example
 * ```ts
 * import { typedOptions } from "./typed_options.ts";
 * const given = typedOptions(["unit", "--feed", "--poll=5s"]);
 * console.assert(given[0]?.name === "feed" && given[1]?.value === "5s");
 * ```
 */
export function typedOptions(words: readonly string[]): TypedOption[] {
  const given: TypedOption[] = [];
  for (let index = 0; index < words.length; index++) {
    const match = /^--([^=]+)(?:=([^]*))?$/.exec(words[index] ?? "");
    const option = OPTION_BY_NAME.get(match?.[1] ?? "");
    if (option === undefined) continue;
    if (option.kind === "flag") given.push({ name: option.name, value: null });
    else given.push({ name: option.name, value: match?.[2] ?? words[++index] ?? "" });
  }
  return given;
}

const OPTION_BY_NAME: ReadonlyMap<string, Option> = new Map(
  Object.values(OPTIONS).map((option) => [option.name, option]),
);
