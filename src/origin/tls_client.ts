/**
 * The connection pool of one origin, with a private authority and a client certificate where they
 * are set.
 *
 * Proxies from the environment (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`) apply to
 * these clients as they do to plain fetch (measured with Deno 2.9.6), but never to this machine's
 * own addresses.
 *
 * HTTP/1.1 is spoken wherever the server does: fetch doesn't say which version an answer came by,
 * and only HTTP/1.1's headers tell whether its end shows a cut. A server that refuses it is asked
 * over HTTP/2 alone, where each body has an end of its own.
 *
 * @module
 */

import { createClient } from "../base/http_client.ts";
import { LockstepError, messageOf } from "../protocol/errors.ts";
import { checkAuthority } from "./authority.ts";
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
 * const url = new URL("http://origin.example/");
 * const response = await fetch(url, { client: await client.http(url, true) }).catch(() => null);
 * await response?.body?.cancel();
 * ```
 */
export class OriginClient implements Disposable {
  readonly #files: TlsFiles;
  #material: Material | null = null;
  /** By certificate and version of HTTP. */
  readonly #clients = new Map<string, Deno.HttpClient>();
  /** Hosts that speak HTTP/2 alone. */
  readonly #http2 = new Set<string>();

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
   * The client to fetch a URL with.
   *
   * @param trusted whether the request goes to the origin itself; another server that a redirect
   *   leads to isn't shown the client certificate
   * @throws {LockstepError} of kind `usage`, retried slowly, for a file that can't be read or used:
   *   it may be in the middle of a renewal
   */
  async http(url: URL, trusted: boolean): Promise<Deno.HttpClient> {
    const material: Material = {
      ca: await readPem(this.#files.ca, "--ca"),
      cert: await readPem(this.#files.cert, "--cert"),
      key: await readPem(this.#files.certKey, "--cert-key"),
    };
    if (this.#material === null || !sameMaterial(this.#material, material)) {
      this.close();
      this.#material = material;
    }
    const withCert = trusted && material.cert !== null;
    const isHttp2 = this.isHttp2(url);
    const name = `${withCert} ${isHttp2}`;
    let client = this.#clients.get(name);
    if (client === undefined) {
      client = this.#create(material, withCert, isHttp2);
      this.#clients.set(name, client);
    }
    return client;
  }

  /** Whether the server is asked over HTTP/2. */
  isHttp2(url: URL): boolean {
    return url.protocol === "https:" && this.#http2.has(url.host);
  }

  /** From now on the server is asked over HTTP/2; false for one that can't be. */
  useHttp2(url: URL): boolean {
    if (url.protocol !== "https:") return false;
    this.#http2.add(url.host);
    return true;
  }

  #create({ ca, cert, key }: Material, withCert: boolean, isHttp2: boolean): Deno.HttpClient {
    const version = { http1: !isHttp2, http2: isHttp2 };
    const trust = ca === null ? version : { ...version, caCerts: [ca] };
    try {
      return createClient(
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
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
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
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw new LockstepError(`${option} ${path} can't be read (${reasonOf(error)})`, {
      kind: "usage",
      retry: "slow",
      hint: "check the path and its permissions",
    });
  }
  if (option === "--ca") checkAuthority(path, text);
  return text;
}
