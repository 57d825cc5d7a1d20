/**
 * A private authority, a server and a client certificate, made anew for a test by openssl: no key
 * is kept in the repository.
 *
 * @module
 */

import { runTool } from "./tools.ts";

/** PEM texts, and the folder that holds them as files. */
export interface Certificates extends AsyncDisposable {
  /** Paths: `ca.pem`, `server.pem`, `server.key`, `client.pem`, `client.key`. */
  path(name: string): string;
  text(name: string): string;
}

/**
 * Makes a fresh set.
 *
 * @param name tells two authorities apart
 * @param names what the certificates are good for
 */
export async function makeCertificates(
  name = "one",
  names = "IP:127.0.0.1,DNS:localhost",
): Promise<Certificates> {
  const folder = await Deno.makeTempDir({ prefix: "lockstep-tls-" });
  const path = (file: string) => `${folder}/${file}`;
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    path("ca.key"),
    "-out",
    path("ca.pem"),
    "-days",
    "2",
    "-subj",
    `/CN=test authority ${name}`,
  );
  await Deno.writeTextFile(path("names"), `subjectAltName=${names}\n`);
  for (const who of ["server", "client"]) {
    await openssl(
      "req",
      ...key,
      "-keyout",
      path(`${who}.key`),
      "-out",
      path(`${who}.csr`),
      "-subj",
      `/CN=${who}`,
    );
    await openssl(
      "x509",
      "-req",
      "-in",
      path(`${who}.csr`),
      "-CA",
      path("ca.pem"),
      "-CAkey",
      path("ca.key"),
      "-CAcreateserial",
      "-out",
      path(`${who}.pem`),
      "-days",
      "2",
      "-extfile",
      path("names"),
    );
  }
  return {
    path,
    text: (file) => Deno.readTextFileSync(path(file)),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

async function openssl(...args: string[]): Promise<void> {
  const { code, stderr } = await runTool("openssl", args);
  if (code !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`);
}
