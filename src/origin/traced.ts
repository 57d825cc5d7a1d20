/**
 * URLs in traces: the runtime writes the whole URL of every request into a span, and nothing can
 * take it out again.
 *
 * @module
 */

import { LockstepError } from "../protocol/errors.ts";
import type { Endpoint } from "./endpoint.ts";

/** What is asked of the environment; tests bring their own. */
export type Environment = (name: string) => string | undefined;

/** Without permission to look, nothing was set for this program to see. */
function ownEnvironment(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch {
    return undefined;
  }
}

/**
 * Refuses an endpoint whose secret would go to a collector of traces.
 *
 * @throws {LockstepError} of kind `usage`
 */
export function refuseTracedSecret(endpoint: Endpoint, env: Environment = ownEnvironment): void {
  const isOn = ["true", "1"].includes(env("OTEL_DENO")?.toLowerCase() ?? "");
  if (!isOn || !endpoint.hidesQuery || env("OTEL_TRACES_SAMPLER") === "always_off") return;
  throw new LockstepError(
    `with OTEL_DENO the traces would show what the query of ${endpoint.printable} hides`,
    {
      kind: "usage",
      retry: "never",
      hint: "set OTEL_TRACES_SAMPLER=always_off, or give the secret with --header",
    },
  );
}
