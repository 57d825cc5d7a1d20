/**
 * What a shell is offered for `completion` itself, which the parser keeps for its own question.
 *
 * @module
 */

import { bash, fish, nu, pwsh, zsh } from "@optique/core/completion";
import { COMMANDS } from "../commands.ts";

const SHELLS = { bash, zsh, fish, nu, pwsh };

/**
 * The lines for `completion SHELL WORD…`, as that shell wants them; empty where the words have
 * nothing to do with the command.
 */
export function completionOffers(words: readonly string[]): string {
  const [, name = "", ...typed] = words;
  const shell = Object.entries(SHELLS).find(([candidate]) => candidate === name)?.[1];
  const prefix = typed.at(-1);
  if (shell === undefined || prefix === undefined) return "";
  const [shells] = COMMANDS.completion.arguments;
  const isSecond = typed.length === 2 && typed[0] === "completion";
  const offered = typed.length === 1 ? ["completion"] : isSecond ? shells.completes : [];
  const suggestions = offered.filter((text) => text.startsWith(prefix))
    .map((text) => ({ kind: "literal", text } as const));
  return [...shell.encodeSuggestions(suggestions)].map((chunk) => `${chunk}\n`).join("");
}
