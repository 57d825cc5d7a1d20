/**
 * Asks a running process for its status over HTTP.
 *
 * @module
 */

import type { ProcessStatus } from "../replica/status.ts";
import { askProcess } from "./ask_process.ts";

/** What came of asking. */
export type Asked =
  | { readonly kind: "status"; readonly status: ProcessStatus }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "nobody"; readonly why: string };

/**
 * Asks at an `http://…` URL or `unix:PATH`.
 *
 * @param tokenFile the file of `--status-token-file`, or null
 */
export async function askStatus(url: string, tokenFile: string | null): Promise<Asked> {
  const answer = await askProcess(url, "/status", tokenFile);
  if (answer.kind === "later") return { kind: "refused", why: `${url} answered 503` };
  if (answer.kind !== "answer") return answer;
  const status = parsed(answer.text);
  if (!isStatus(status)) return { kind: "refused", why: `${url} is another program` };
  return { kind: "status", status };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isStatus(value: unknown): value is ProcessStatus {
  return typeof value === "object" && value !== null && "program" in value &&
    value.program === "lockstep-replicate" && "tables" in value && Array.isArray(value.tables);
}
