/**
 * Asks a running process over HTTP.
 *
 * @module
 */

import { createClient } from "../base/http_client.ts";
import { messageOf } from "../protocol/errors.ts";

/** A process on this machine answers at once, or is in trouble. */
const TIMEOUT_MS = 5_000;

/** What came of asking. */
export type ProcessAnswer =
  | { readonly kind: "answer"; readonly text: string }
  /** It can't tell yet (503). */
  | { readonly kind: "later" }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "nobody"; readonly why: string };

/**
 * Asks for a path at an `http://…` URL or `unix:PATH`.
 *
 * @param tokenFile the file of `--status-token-file`, or null
 */
export async function askProcess(
  url: string,
  path: string,
  tokenFile: string | null,
): Promise<ProcessAnswer> {
  const headers = new Headers({ accept: "application/json" });
  if (tokenFile !== null) {
    const token = (await Deno.readTextFile(tokenFile)).trim();
    headers.set("authorization", `Bearer ${token}`);
  }
  const socket = /^unix:(.*)$/s.exec(url)?.[1];
  using client = createClient(
    socket === undefined ? {} : { proxy: { transport: "unix", path: socket } },
  );
  const target = new URL(path, socket === undefined ? url : "http://localhost");
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(target, { headers, signal, client });
    if (response.ok) return { kind: "answer", text: await response.text() };
    await response.body?.cancel();
    if (response.status === 503) return { kind: "later" };
    const hint = response.status === 401 ? ": give its --status-token-file" : "";
    return { kind: "refused", why: `${url} answered ${response.status}${hint}` };
  } catch (error) {
    return { kind: "nobody", why: `${url} gives no answer: ${messageOf(error)}` };
  }
}
