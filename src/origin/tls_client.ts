/**
 * The connection pool of one origin, with a private authority and a client certificate where they
 * are set.
 *
 * Proxies from the environment (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`) apply to
 * these clients as they do to plain fetch (measured with Deno 2.9.6).
 *
 * @module
 */

import { LockstepError, messageOf } from "../protocol/errors.ts";
import { reasonOf } from "./headers.ts";

/** PEM files, read again at each connect, so that a renewed certificate is picked up. */
export interface TlsFiles {
  /** Certificates of authorities to trust besides the system's (`--ca`). */
  readonly ca?: string;
  /** The client certificate (`--cert`); goes with {@linkcode TlsFiles.certKey}. */
  readonly cert?: string;
  /** The client certificate's private key (`--cert-key`). */
  readonly certKey?: string;
}

/** What a client was made from: a change makes a new one. */
interface Material {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

/**
 * HTTP clients for one origin; close it when the origin is of no more use. Streams that are being
 * read outlive it.
 *
 * @example
 * ```ts
 * import { OriginClient } from "./tls_client.ts";
 * using client = new OriginClient();
 * const response = await fetch("http://origin.example/", { client: await client.http(true) })
 *   .catch(() => null);
 * await response?.body?.cancel();
 * ```
 */
export class OriginClient implements Disposable {
  readonly #files: TlsFiles;
  #material: Material | null = null;
  #withCert: Deno.HttpClient | null = null;
  #withoutCert: Deno.HttpClient | null = null;

  /**
   * Opens nothing yet; the files are read by {@linkcode OriginClient.http}.
   *
   * @throws {LockstepError} of kind `usage` for a certificate without its key, or the reverse
   */
  constructor(files: TlsFiles = {}) {
    if ((files.cert === undefined) !== (files.certKey === undefined)) {
      const [given, missing] = files.cert === undefined
        ? ["--cert-key", "--cert"]
        : ["--cert", "--cert-key"];
      throw new LockstepError(`${given} is given without ${missing}`, {
        kind: "usage",
        retry: "never",
        hint: "a client certificate needs both --cert FILE and --cert-key FILE",
      });
    }
    this.#files = files;
  }

  /**
   * The client to fetch with.
   *
   * @param trusted whether the request goes to the origin itself; another server that a redirect
   *   leads to isn't shown the client certificate
   * @throws {LockstepError} of kind `usage`, retried slowly, for a file that can't be read or used:
   *   it may be in the middle of a renewal
   */
  async http(trusted: boolean): Promise<Deno.HttpClient> {
    const material: Material = {
      ca: await readPem(this.#files.ca, "--ca"),
      cert: await readPem(this.#files.cert, "--cert"),
      key: await readPem(this.#files.certKey, "--cert-key"),
    };
    if (this.#material === null || !sameMaterial(this.#material, material)) {
      this.close();
      this.#material = material;
    }
    if (trusted && material.cert !== null) {
      return this.#withCert ??= this.#create(material, true);
    }
    return this.#withoutCert ??= this.#create(material, false);
  }

  #create({ ca, cert, key }: Material, withCert: boolean): Deno.HttpClient {
    const trust = ca === null ? {} : { caCerts: [ca] };
    try {
      return Deno.createHttpClient(
        withCert && cert !== null && key !== null ? { ...trust, cert, key } : trust,
      );
    } catch (error) {
      const files = withCert
        ? [this.#files.ca, this.#files.cert, this.#files.certKey]
        : [this.#files.ca];
      throw new LockstepError(
        `${files.filter((file) => file !== undefined).join(", ")}: ` +
          `no usable certificate or key (${messageOf(error)})`,
        {
          kind: "usage",
          retry: "slow",
          hint: "give PEM files; the key has to be that of the certificate, and unencrypted",
        },
      );
    }
  }

  /** Closes the idle connections. A later {@linkcode OriginClient.http} opens anew. */
  close(): void {
    this.#withCert?.close();
    this.#withoutCert?.close();
    this.#withCert = null;
    this.#withoutCert = null;
    this.#material = null;
  }

  /** The same as {@linkcode OriginClient.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

function sameMaterial(a: Material, b: Material): boolean {
  return a.ca === b.ca && a.cert === b.cert && a.key === b.key;
}

async function readPem(path: string | undefined, option: string): Promise<string | null> {
  if (path === undefined) return null;
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new LockstepError(`${option} ${path} can't be read (${reasonOf(error)})`, {
      kind: "usage",
      retry: "slow",
      hint: "check the path and its permissions",
    });
  }
}
