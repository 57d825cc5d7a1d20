/**
 * Writes the option and command tables into docs/options.md, between the two `options` marks.
 *
 * `deno run -A scripts/readme.ts` writes; `--check` only compares and exits 1 where they differ.
 *
 * @module
 */

import { optionTable } from "../src/cli/options/options_table.ts";

const BEGIN = "<!-- options:begin -->";
const END = "<!-- options:end -->";

/**
 * The text with the tables between the marks brought up to date; null where it has no marks.
 *
 * @example
 * ```ts
 * import { withOptions } from "./readme.ts";
 * console.assert(withOptions("no marks") === null);
 * ```
 */
export function withOptions(page: string): string | null {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) return null;
  const before = page.slice(0, begin + BEGIN.length);
  return `${before}\n\n${optionTable()}\n\n${page.slice(end)}`;
}

/** Without the padding that the formatter gives a table. */
function unpadded(text: string): string {
  return text.replace(/ +/g, " ").replace(/-{3,}/g, "---");
}

/** True where the tables say what the program says; null where there are no marks. */
export function isCurrent(page: string): boolean | null {
  const updated = withOptions(page);
  return updated === null ? null : unpadded(updated) === unpadded(page);
}

if (import.meta.main) {
  const path = new URL("../docs/options.md", import.meta.url);
  const page = await Deno.readTextFile(path);
  const updated = withOptions(page);
  if (updated === null) {
    console.error(`docs/options.md has no ${BEGIN} and ${END}`);
    Deno.exit(1);
  }
  if (!Deno.args.includes("--check")) {
    await Deno.writeTextFile(path, updated);
    const format = new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", path.pathname] });
    Deno.exit((await format.output()).code);
  }
  if (!isCurrent(page)) {
    console.error("docs/options.md is behind the options: run deno run -A scripts/readme.ts");
    Deno.exit(1);
  }
}
