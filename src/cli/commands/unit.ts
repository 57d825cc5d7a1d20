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
  const { template, url } = settled.values;
  // A unit that would fail at once is no help; without a URL, the options are in environment files.
  if (!template && url.length > 0) settingsOf(settled);
  await writeOut(unitText(givenOptions(words), { template }));
  return 0;
}
