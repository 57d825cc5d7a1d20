/**
 * The program under measurement, as its users start it.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { RUNTIME_FLAGS } from "../permissions.ts";
import { Program } from "./process.ts";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));

/** How long a table may take to be live, in milliseconds. */
const PATIENCE_MS = 120_000;

/** Starts the replicator with its permissions and these arguments. */
export function startReplicator(url: string, kv: string, args: readonly string[]): Program {
  const flags = [...RUNTIME_FLAGS, MAIN, "--url", url, "--kv", kv, "--quiet", ...args];
  return new Program(Deno.execPath(), ["run", ...flags]);
}

/** A port that is free now. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A replicator that is live. */
export interface Serving {
  readonly program: Program;
  /** `http://HOST:PORT` of its status server. */
  readonly status: string;
}

/** Starts the replicator with its status server, for good, and waits until it is live. */
export async function startServing(
  url: string,
  kv: string,
  args: readonly string[] = [],
): Promise<Serving> {
  const address = `127.0.0.1:${freePort()}`;
  const status = `http://${address}`;
  const program = startReplicator(url, kv, ["--status", address, ...args]);
  const deadline = performance.now() + PATIENCE_MS;
  while (performance.now() < deadline) {
    const response = await fetch(`${status}/readyz`).catch(() => null);
    await response?.body?.cancel();
    if (response?.ok) return { program, status };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await program.stop();
  throw new Error(`the replicator was not live after ${PATIENCE_MS / 1000} s`);
}

/** The same, for those who don't talk to its server. */
export async function startLive(
  url: string,
  kv: string,
  args: readonly string[] = [],
): Promise<Program> {
  return (await startServing(url, kv, args)).program;
}
