/**
 * A store behind KV Connect: Deno Deploy's, or a `denokv` server's.
 *
 * Deno's client takes the access token from `DENO_KV_ACCESS_TOKEN` when a store is opened, and keeps
 * it for as long as that is open: a token that was renewed in its file needs the store opened anew.
 *
 * @module
 */

import { logger } from "../../base/log.ts";
import { LockstepError, messageOf } from "../../protocol/errors.ts";

const log = logger("store");

/** Where Deno's client looks for the access token. */
const TOKEN_VARIABLE = "DENO_KV_ACCESS_TOKEN";

/** Whether `--kv` names a store behind KV Connect. */
export function isRemote(path: string): boolean {
  return /^https?:/i.test(path);
}

/** The address without what may be secret. */
export function remoteName(path: string): string {
  const url = new URL(path);
  url.username =
    url.password =
    url.search =
    url.hash =
      "";
  return url.href;
}

function isLoopback({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\./.test(hostname);
}

/**
 * What is wrong with an address, if anything is.
 *
 * @throws {LockstepError} of kind `usage`
 */
function checkAddress(path: string): URL {
  if (!URL.canParse(path)) {
    throw new LockstepError(`--kv ${path} is no address`, {
      kind: "usage",
      retry: "never",
      hint: "give https://HOST/…, or a file",
    });
  }
  const url = new URL(path);
  if (url.protocol === "http:" && !isLoopback(url)) {
    log.warn("--kv {url}: the rows, and the access token, go over the network unencrypted", {
      url: remoteName(path),
    });
  }
  return url;
}

async function readToken(file: string): Promise<string> {
  try {
    return (await Deno.readTextFile(file)).trim();
  } catch (error) {
    throw new LockstepError(`--kv-token-file ${file} can't be read (${messageOf(error)})`, {
      kind: "usage",
      retry: "slow",
      hint: "check the path and its permissions",
    });
  }
}

/**
 * Opens a handle on a remote store.
 *
 * @param tokenFile the access token's file, read now; null for `DENO_KV_ACCESS_TOKEN`
 * @throws {LockstepError} of kind `usage`, or `store` where the server refuses or isn't there
 */
export async function openRemote(path: string, tokenFile: string | null): Promise<Deno.Kv> {
  const { href } = checkAddress(path);
  if (tokenFile !== null) Deno.env.set(TOKEN_VARIABLE, await readToken(tokenFile));
  else if (!Deno.env.get(TOKEN_VARIABLE)) {
    throw new LockstepError(`--kv ${remoteName(path)}: there is no access token`, {
      kind: "usage",
      retry: "never",
      hint: `set ${TOKEN_VARIABLE}, or give --kv-token-file FILE`,
    });
  }
  try {
    return await Deno.openKv(href);
  } catch (error) {
    throw remoteFault(path, error);
  }
}

/** What went wrong with a remote store, in the operator's words. */
export function remoteFault(path: string, error: unknown): LockstepError {
  if (error instanceof LockstepError) return error;
  const text = messageOf(error);
  const fault = (what: string, retry: "soon" | "slow", hint: string) =>
    new LockstepError(`the store ${remoteName(path)} ${what}: ${text}`, {
      kind: "store",
      retry,
      hint,
      cause: error,
    });
  if (/failed to fetch metadata|status=40[13]|token/i.test(text)) {
    return fault(
      "refuses the access token",
      "soon",
      `renew the token in --kv-token-file or ${TOKEN_VARIABLE}; the file is read again`,
    );
  }
  if (/status=429|quota/i.test(text)) {
    return fault("has no more to give (its quota)", "slow", "raise the quota, or wait");
  }
  if (/no answer within/i.test(text)) {
    return fault("is too slow", "soon", "look at the server and the way to it; it is tried again");
  }
  return fault(
    "can't be reached",
    "soon",
    "look at the server and the way to it; it is tried again",
  );
}
