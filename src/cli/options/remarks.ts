/**
 * What was asked for and can have no effect: nothing that keeps a replica from running, so it is
 * said and not refused.
 *
 * @module
 */

import { environmentName } from "./spec.ts";
import { OPTIONS } from "./table.ts";
import type { Settled } from "./resolve_options.ts";

/** One sentence, and whether even `--quiet` lets it through. */
export interface Remark {
  readonly level: "warning" | "error";
  readonly text: string;
}

/** Variables of ours that stand in for no option. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set([
  "LOCKSTEP_CACHE_DIR", // the self-extracting executable's
  "LOCKSTEP_FILE", // what `--write` tells the command of `--on-change`
]);

/** @param variables names of the environment's variables */
export function remarksOn({ values, origin }: Settled, variables: Iterable<string>): Remark[] {
  const remarks: Remark[] = [];
  const warn = (text: string) => remarks.push({ level: "warning", text });
  if (values.noStatus && values.feedPublic) {
    warn("--feed-public has no reader with --no-status: the status page's address serves the feed");
  } else if (values.noStatus && values.feed && !values.once) {
    warn("--feed has no reader with --no-status: the status page's address serves the feed");
  }
  if (origin("attempts") !== "default" && !values.once) {
    warn("--attempts has no effect without --once: a replica that follows tries for ever");
  }
  if (values.quiet && origin("logLevel") !== "default" && values.logLevel !== "error") {
    remarks.push({
      level: "error",
      text: `--log-level ${values.logLevel} has no effect with --quiet: errors alone are written`,
    });
  }
  const known = new Set(Object.values(OPTIONS).map(environmentName));
  for (const name of variables) {
    if (!name.startsWith("LOCKSTEP_") || known.has(name) || OTHER_VARIABLES.has(name)) continue;
    warn(`${name} in the environment is no option's variable, and is not read`);
  }
  return remarks;
}
