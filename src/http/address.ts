/**
 * Where the status server listens: `HOST:PORT`, `PORT`, `[::1]:PORT`, or `unix:PATH`.
 *
 * @module
 */

import { LockstepError } from "../protocol/errors.ts";

export interface TcpAddress {
  readonly kind: "tcp";
  /** Without brackets. */
  readonly hostname: string;
  readonly port: number;
}

export interface UnixAddress {
  readonly kind: "unix";
  readonly path: string;
}

export type ListenAddress = TcpAddress | UnixAddress;

/** Where the status server listens when nobody says where. */
export const DEFAULT_STATUS_ADDRESS = "127.0.0.1:4568";

/**
 * Reads an address.
 *
 * @example
 * ```ts
 * import { parseAddress } from "./address.ts";
 * const address = parseAddress("[::1]:8080");
 * console.assert(address.kind === "tcp" && address.hostname === "::1" && address.port === 8080);
 * ```
 * @throws {LockstepError} of kind `usage`, saying what is accepted
 */
export function parseAddress(text: string): ListenAddress {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length);
    if (path === "") throw bad(text);
    return { kind: "unix", path };
  }
  const match = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]/\s]+)):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw bad(text);
  return { kind: "tcp", hostname: match[1] ?? match[2] ?? "127.0.0.1", port };
}

function bad(text: string): LockstepError {
  return new LockstepError(`"${text}" is no address for the status server`, {
    kind: "usage",
    retry: "never",
    hint: "give HOST:PORT, PORT, [IPV6]:PORT or unix:PATH, such as 127.0.0.1:4568",
  });
}

/** Whether only this machine can reach the address. */
export function isLoopback(hostname: string): boolean {
  const name = hostname.toLowerCase();
  return name === "localhost" || name.endsWith(".localhost") || name === "::1" ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}

/** Whether the text is an IP address (without brackets): no DNS answer can point it elsewhere. */
export function isIpLiteral(hostname: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(hostname) || hostname.includes(":");
}

/** The address as it stands in a URL. */
export function urlHost(hostname: string, port: number): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}
