/**
 * Texts as systemd's unit files want them (systemd.syntax(7), systemd.service(5) "Command lines").
 *
 * @module
 */

/** Needs no quotes on a command line. */
const PLAIN = /^[\p{L}\p{N}@%:,.\/=+_~^{}$?&#*!()-]+$/u;

/** For settings where only specifiers count: `%` → `%%`. A line break can't be said there. */
export function escapePercent(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are just what is refused
  if (/[\x00-\x1f\x7f]/.test(text)) {
    throw new Error(
      `${JSON.stringify(text)} can't stand in a unit file: it has control characters`,
    );
  }
  return text.replaceAll("%", "%%");
}

/** One word of a command line: no specifier, variable, escape or quote is left with a meaning. */
export function quoteArgument(text: string): string {
  return quoted(text.replaceAll("$", "$$$$"));
}

/** One word of a list of paths: as an argument, but there are no variables. */
export function quotePath(text: string): string {
  return quoted(text);
}

function quoted(text: string): string {
  const escaped = text.replaceAll("%", "%%");
  if (PLAIN.test(escaped)) return escaped;
  // deno-lint-ignore no-control-regex -- control characters are just what is escaped
  const safe = escaped.replace(/[\\"\x00-\x1f\x7f]/g, (character) => {
    if (character === "\\" || character === '"') return `\\${character}`;
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return `"${safe}"`;
}
