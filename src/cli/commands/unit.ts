/**
 * `unit`: a systemd unit for the options given.
 *
 * @module
 */

import { typedOptions } from "../options/typed_options.ts";
import { writeOut } from "../output.ts";
import { settingsOf } from "../options/settings.ts";
import { unitText } from "../systemd/unit.ts";
import type { Settled } from "../options/resolve_options.ts";

/** @param words the command line, as it was typed */
export async function unitCommand(settled: Settled, words: readonly string[]): Promise<number> {
  const { template, url } = settled.values;
  // A unit that would fail at once is no help; without a URL, the options are in environment files.
  if (!template && url.length > 0) settingsOf(settled);
  await writeOut(unitText(typedOptions(words), { template }));
  return 0;
}
