/**
 * A file of certificates to trust (`--ca`).
 *
 * @module
 */

import { LockstepError } from "../protocol/errors.ts";

/**
 * Checks that there is a certificate in it at all: the network library takes a file without one,
 * and then says only that the origin's authority isn't known.
 *
 * @throws {LockstepError} of kind `usage`, retried slowly: the file may be in the middle of a
 *   renewal
 */
export function checkAuthority(path: string, text: string): void {
  if (/-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----/.test(text)) return;
  const isKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text);
  throw new LockstepError(`--ca ${path} has no certificate in it`, {
    kind: "usage",
    retry: "slow",
    hint: isKey
      ? "that is a private key: give the authority's certificate"
      : "give PEM text (-----BEGIN CERTIFICATE-----); a binary one is converted by openssl x509 -inform der",
  });
}
