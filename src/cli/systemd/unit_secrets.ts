/**
 * Options whose values are secrets: they don't go into a unit, which everybody may read.
 *
 * @module
 */

import { printable } from "../../base/log.ts";
import { masked } from "../../base/masked.ts";
import type { TypedOption } from "../options/typed_options.ts";

/** Names of query parameters and headers that usually hold a secret. */
const SECRET_NAME = /auth|cookie|credential|key|passw|pwd|secret|sig|token/i;

/** What {@linkcode secretNotes} found. */
export interface Sorted {
  /** Options that may be read by everybody. */
  readonly kept: readonly TypedOption[];
  /** Comment lines that say where the others go, without what they hold. */
  readonly notes: readonly string[];
}

/**
 * Sorts out the secrets. An option on the command line hides its environment variable, so one
 * secret among several `--url` or `--header` takes the others along.
 */
export function secretNotes(given: readonly TypedOption[], environmentFile: string): Sorted {
  const kept = [...given];
  const notes: string[] = [];
  for (const { name, isSecret, hidden, several } of SECRETIVE) {
    const values = given.flatMap((option) => option.name === name ? [option.value ?? ""] : []);
    if (!values.some(isSecret)) continue;
    for (let index = kept.length - 1; index >= 0; index--) {
      if (kept[index]?.name === name) kept.splice(index, 1);
    }
    const line = values.map((value) => printable(hidden(value)).replaceAll("\n", " "));
    notes.push(
      `# A secret is in --${name}, so it is left out here: put this line into`,
      `# ${environmentFile}, with the secret in the place of …`,
      `#   LOCKSTEP_${name.toUpperCase().replaceAll("-", "_")}=${
        line.length > 1 ? several(line) : line.join("")
      }`,
    );
  }
  return { kept, notes };
}

interface Secretive {
  readonly name: string;
  readonly isSecret: (value: string) => boolean;
  /** The value with its secret replaced. */
  readonly hidden: (value: string) => string;
  /** Several values in one variable. */
  readonly several: (values: readonly string[]) => string;
}

const SECRETIVE: readonly Secretive[] = [
  {
    name: "url",
    isSecret: (value) => hiddenUrl(value) !== value,
    hidden: hiddenUrl,
    several: (values) => `"${values.join(" ")}"`,
  },
  {
    name: "header",
    isSecret: (value) => SECRET_NAME.test(headerName(value)),
    hidden: (value) => `${headerName(value)}: …`,
    // systemd reads a quoted value over several lines; each stays a comment here.
    several: (values) => `"${values.join("\n#   ")}"`,
  },
  ...["on-change", "check"].map((name): Secretive => ({
    name,
    isSecret: (value) => masked(value) !== value,
    hidden: (value) => masked(value),
    several: (values) => values.at(-1) ?? "",
  })),
];

function headerName(header: string): string {
  return header.split(":", 1)[0]?.trim() ?? "";
}

/** `http://user:password@host/?token=x` → `http://…@host/?token=…` */
function hiddenUrl(url: string): string {
  return url
    .replace(/(?<=\/\/)[^/?#]*(?=@)/, "…")
    .replace(
      /([?&])([^=&#]*)=([^&#]*)/g,
      (whole, mark: string, name: string) => SECRET_NAME.test(name) ? `${mark}${name}=…` : whole,
    );
}
