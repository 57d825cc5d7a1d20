/**
 * Texts of people (commands, messages of programs) as they may be shown: without what looks like a
 * secret.
 *
 * @module
 */

/** What stands where something is not shown. */
const HIDDEN = "…";

/** A word, or a quoted text. */
const VALUE = String.raw`(?:"[^"]*"|'[^']*'|[^\s"'&;|]+)`;

/** Words after which a secret comes, as part of a longer word too. */
const NAME = String
  .raw`[\w-]*(?:authorization|cookie|credential|passw(?:or)?d|passphrase|pwd|secret|signature|token|api[_-]?key|access[_-]?key|private[_-]?key)[\w-]*`;

const RULES: readonly (readonly [pattern: RegExp, shown: string])[] = [
  // https://user:password@host
  [/(:\/\/)[^\s/@'"]+@/g, `$1${HIDDEN}@`],
  // Authorization: Bearer …, also within quotes
  [/\b(bearer|basic)(\s+)[^\s"']+/gi, `$1$2${HIDDEN}`],
  // --password …, token=…, x-api-key: …
  [
    new RegExp(`(${NAME})(["']?\\s*[=:]\\s*|\\s+)(?!(?:bearer|basic)\\s|${HIDDEN})${VALUE}`, "gi"),
    `$1$2${HIDDEN}`,
  ],
  // curl -u user:password, mysql -psecret
  [/(\s-u\s*)[^\s:]+:[^\s"']+/g, `$1${HIDDEN}`],
  [/(\s-p)(?=[^\s-])[^\s]+/g, `$1${HIDDEN}`],
];

/**
 * A text without what looks like a secret.
 *
 * @param secrets values that are not shown wherever they stand
 * @example
 * ```ts
 * import { masked } from "./masked.ts";
 * console.assert(masked("curl -H 'X-Token: s3cret' http://x/") === "curl -H 'X-Token: …' http://x/");
 * ```
 */
export function masked(text: string, secrets: Iterable<string> = []): string {
  let shown = text;
  for (const secret of secrets) {
    if (secret.length >= LEAST_SECRET) shown = shown.replaceAll(secret, HIDDEN);
  }
  for (const [pattern, replacement] of RULES) shown = shown.replace(pattern, replacement);
  return shown;
}

/** Characters that a value has at least to be looked for in other texts. */
const LEAST_SECRET = 4;
