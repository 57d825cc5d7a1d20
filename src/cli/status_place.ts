/**
 * Where the status server will listen, settled before the tables are taken: the lease names it for
 * those who look for the process, while the server itself starts after the first requests.
 *
 * @module
 */

import { resolve } from "node:path";
import { parseAddress, urlHost } from "../http/address.ts";
import type { StatusSettings } from "./options/settings.ts";

/** A place to listen. */
export interface StatusPlace {
  /** For the status server: a free port, where any would do. */
  readonly address: string;
  /** `http://…/` or `unix:PATH`. */
  readonly url: string;
}

/** Settles the place. A port that is taken and was asked for is left for the server to complain of. */
export function statusPlace({ address: text, asked }: StatusSettings): StatusPlace {
  const address = parseAddress(text);
  if (address.kind === "unix") return { address: text, url: `unix:${resolve(address.path)}` };
  const { hostname } = address;
  const port = freePort(hostname, address.port) ??
    (asked ? address.port : freePort(hostname, 0) ?? address.port);
  // A wildcard is no address to call.
  const callable = { "0.0.0.0": "127.0.0.1", "::": "::1" }[hostname] ?? hostname;
  return { address: urlHost(hostname, port), url: `http://${urlHost(callable, port)}/` };
}

/** The port (or, for 0, any free one); null where it can't be had. */
function freePort(hostname: string, port: number): number | null {
  try {
    using listener = Deno.listen({ hostname, port });
    return listener.addr.port;
  } catch {
    return null;
  }
}
