/**
 * The command line completed by the environment and the defaults.
 *
 * @module
 */

import { environmentName, type Option } from "./spec.ts";
import { type AnyValues, OPTIONS } from "./table.ts";
import { optionOf, whyNot } from "./parse.ts";
import type { OptionKey } from "../commands.ts";
import { quote } from "../quote.ts";
import { UsageError } from "../usage_error.ts";

/** Reads an environment variable. */
export type Environment = (name: string) => string | undefined;

/** Where a value came from. */
export type Origin = "command line" | "environment" | "default";

/** Values of the options of one command, and where each came from. */
export interface Settled {
  readonly values: AnyValues;
  readonly origin: (key: OptionKey) => Origin;
}

/**
 * Fills in what the command line left open, for the given options.
 *
 * @throws {UsageError} naming the variable, what it holds and what is accepted
 */
export function settle(
  given: Readonly<Record<string, unknown>>,
  keys: readonly OptionKey[],
  environment: Environment,
): Settled {
  const values: Record<string, unknown> = {};
  const origins = new Map<string, Origin>();
  for (const key of keys) {
    const option = optionOf(key);
    const own = given[key];
    const isGiven = Array.isArray(own) ? own.length > 0 : own !== undefined;
    // An empty variable counts as none, so that a line of an environment file can be left blank.
    const variable = key in OPTIONS ? environmentName(option) : null;
    const text = isGiven || variable === null ? "" : environment(variable) ?? "";
    if (isGiven) {
      values[key] = own;
      origins.set(key, "command line");
    } else if (variable !== null && text.trim() !== "") {
      values[key] = fromEnvironment(option, variable, text);
      origins.set(key, "environment");
    } else {
      values[key] = byDefault(option);
    }
  }
  return {
    // The tables give every key its type; this loop can only know them one by one.
    values: values as AnyValues,
    origin: (key) => origins.get(key) ?? "default",
  };
}

function byDefault(option: Option): unknown {
  if (option.kind === "flag") return false;
  if (option.default !== null) return option.parse(option.default);
  return option.kind === "list" ? [] : undefined;
}

function fromEnvironment(option: Option, variable: string, text: string): unknown {
  try {
    switch (option.kind) {
      case "flag":
        return truth(text);
      case "value":
        return option.parse(text);
      case "list":
        return text.split(option.separator).filter((part) => part.trim() !== "")
          .map((part) => option.parse(part));
    }
  } catch (error) {
    throw new UsageError(`${variable}: ${whyNot(error)}`);
  }
}

function truth(text: string): boolean {
  switch (text.trim().toLowerCase()) {
    case "1":
    case "true":
    case "yes":
    case "on":
      return true;
    case "0":
    case "false":
    case "no":
    case "off":
      return false;
  }
  throw new Error(`${quote(text)} is neither 1 nor 0 (true and false, yes and no, on and off)`);
}
