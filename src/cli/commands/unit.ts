/**
 * `unit`: a systemd unit for the options given.
 *
 * @module
 */

import { givenOptions } from "../given.ts";
import { writeOut } from "../output.ts";
import { settingsOf } from "../settings.ts";
import { unitText } from "../unit.ts";
import type { Settled } from "../values.ts";

/** @param words the command line, as it was typed */
export async function unitCommand(settled: Settled, words: readonly string[]): Promise<number> {
  const { template } = settled.values;
  // A unit that would fail at once is no help; a template's options are in its environment files.
  if (!template) settingsOf(settled);
  await writeOut(unitText(givenOptions(words), { template }));
  return 0;
}
