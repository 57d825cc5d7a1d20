/**
 * Files that the options name and that a start needs. Later on a file that is missing may be in the
 * middle of a rotation; one that was never there is a mistake, or not there yet: the program ends
 * with exit status 1, so that a service manager tries again.
 *
 * @module
 */

import { checkAuthority } from "../../origin/authority.ts";
import { reasonOf } from "../../origin/headers.ts";
import { whyNot } from "./parse.ts";
import { quote } from "../quote.ts";
import type { AnyValues } from "./table.ts";

/** @throws naming option and file */
export async function checkNeededFiles(values: Partial<AnyValues>): Promise<void> {
  const files = [
    ["--ca", values.ca],
    ["--cert", values.cert],
    ["--cert-key", values.certKey],
    ["--header-file", values.headerFile],
    ["--status-token-file", values.noStatus ? undefined : values.statusTokenFile],
    ["--kv-token-file", values.kvTokenFile],
  ] as const;
  for (const [option, path] of files) {
    if (path === undefined) continue;
    let text: string;
    try {
      text = await Deno.readTextFile(path);
    } catch (error) {
      throw new Error(`${option} ${quote(path)} can't be read: ${reasonOf(error)}`);
    }
    if (option === "--ca") checkUsable(path, text);
  }
}

/** The words of the fault, without its kind: the command line itself is right. */
function checkUsable(path: string, text: string): void {
  try {
    checkAuthority(path, text);
  } catch (error) {
    throw new Error(whyNot(error));
  }
}
