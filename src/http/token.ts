/**
 * The status server's access token: read from a file, again whenever the file changes.
 *
 * @module
 */

import { LockstepError, messageOf } from "../protocol/errors.ts";

const encoder = new TextEncoder();

/** The token in a file. A file that can't be read lets nobody in. */
export class TokenFile {
  readonly path: string;
  #seen = "";
  #digest: Uint8Array | null = null;

  private constructor(path: string) {
    this.path = path;
  }

  /** @throws {LockstepError} of kind `usage` where the file is missing or empty */
  static async open(path: string): Promise<TokenFile> {
    const file = new TokenFile(path);
    try {
      await file.#refresh();
    } catch (cause) {
      throw new LockstepError(`the token file ${path} can't be used: ${messageOf(cause)}`, {
        kind: "usage",
        retry: "never",
        hint: "write one line with a long random token into it, readable by this user only",
        cause,
      });
    }
    return file;
  }

  /** Whether `token` is the file's; takes the same time whatever is wrong with it. */
  async accepts(token: string): Promise<boolean> {
    try {
      await this.#refresh();
    } catch {
      return false;
    }
    const expected = this.#digest;
    if (expected === null) return false;
    const given = await sha256(token);
    let difference = 0;
    for (let i = 0; i < expected.length; i++) difference |= (expected[i] ?? 0) ^ (given[i] ?? 0);
    return difference === 0;
  }

  async #refresh(): Promise<void> {
    const info = await Deno.stat(this.path);
    const seen = `${info.ino} ${info.size} ${info.mtime?.getTime()}`;
    if (seen === this.#seen && this.#digest !== null) return;
    this.#digest = null;
    const token = (await Deno.readTextFile(this.path)).trim();
    if (token === "") throw new Error("it is empty");
    if (/[^!-~]/.test(token)) throw new Error("a token is one word of printable ASCII");
    this.#digest = await sha256(token);
    this.#seen = seen;
  }
}

/** Comparing digests instead of tokens makes every comparison equally long. */
async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text)));
}

/** The token that a request brings, and whether a browser may have added it by itself. */
export interface GivenToken {
  readonly token: string;
  /** Basic credentials go along with every request, also with one that a foreign page starts. */
  readonly ambient: boolean;
}

/** Reads `Authorization`: `Bearer TOKEN`, or Basic with the token as the password. */
export function givenToken(request: Request): GivenToken | null {
  const match = /^(Bearer|Basic) +(\S+)$/i.exec(request.headers.get("authorization") ?? "");
  const [, scheme, value] = match ?? [];
  if (scheme === undefined || value === undefined) return null;
  if (scheme.toLowerCase() === "bearer") return { token: value, ambient: false };
  try {
    const text = new TextDecoder().decode(Uint8Array.from(atob(value), (c) => c.charCodeAt(0)));
    return { token: text.slice(text.indexOf(":") + 1), ambient: true };
  } catch {
    return null;
  }
}
