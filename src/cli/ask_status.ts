/**
 * Asks a running process for its status over HTTP.
 *
 * @module
 */

import { createClient } from "../base/http_client.ts";
import type { ProcessStatus } from "../replica/status.ts";
import { messageOf } from "../protocol/errors.ts";

/** A process on this machine answers at once, or is in trouble. */
const TIMEOUT_MS = 5_000;

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
  const headers = new Headers({ accept: "application/json" });
  if (tokenFile !== null) {
    const token = (await Deno.readTextFile(tokenFile)).trim();
    headers.set("authorization", `Bearer ${token}`);
  }
  const path = /^unix:(.*)$/s.exec(url)?.[1];
  using client = createClient(
    path === undefined ? {} : { proxy: { transport: "unix", path } },
  );
  const target = path === undefined ? new URL("/status", url).href : "http://localhost/status";
  try {
    const response = await fetch(target, {
      headers,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      client,
    });
    if (!response.ok) {
      await response.body?.cancel();
      const hint = response.status === 401 ? ": give its --status-token-file" : "";
      return { kind: "refused", why: `${url} answered ${response.status}${hint}` };
    }
    const status: unknown = await response.json();
    if (!isStatus(status)) return { kind: "refused", why: `${url} is another program` };
    return { kind: "status", status };
  } catch (error) {
    return { kind: "nobody", why: `${url} gives no answer: ${messageOf(error)}` };
  }
}

function isStatus(value: unknown): value is ProcessStatus {
  return typeof value === "object" && value !== null && "program" in value &&
    value.program === "lockstep-replicate" && "tables" in value && Array.isArray(value.tables);
}
