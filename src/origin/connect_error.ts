/**
 * A failed fetch in plain words.
 *
 * fetch says "fetch failed" and leaves the rest to the text of its cause, which holds the whole
 * URL. So the text is matched, never passed on as it is, and never kept as a cause.
 *
 * @module
 */

import { LockstepError, messageOf } from "../protocol/errors.ts";
import { HIDDEN } from "./printable.ts";

/** What a text of the network library means: the first match counts. */
const CASES: readonly (readonly [pattern: RegExp, what: string, hint: string])[] = [
  [
    /dns error/i,
    "the name can't be resolved",
    "check the host in --url, and this machine's DNS",
  ],
  [
    /CaUsedAsEndEntity/i,
    "its certificate is an authority's own (self-signed, with CA:TRUE), which no server can use",
    "give the origin a certificate that an authority signed, or a self-signed one with " +
    "basicConstraints=critical,CA:FALSE, and give that with --ca FILE",
  ],
  [
    /UnknownIssuer|SelfSigned/i,
    "its certificate is from an authority that isn't known here",
    "give the authority's certificate with --ca FILE; one in this system's own store counts with " +
    "DENO_TLS_CA_STORE=system in the environment",
  ],
  [
    /certificate.*expired/i,
    "its certificate has expired",
    "renew the origin's certificate, or check this machine's clock; a private authority " +
    "is given with --ca FILE",
  ],
  [
    /not ?valid ?yet/i,
    "its certificate isn't valid yet",
    "check this machine's clock; a private authority is given with --ca FILE",
  ],
  [
    /not ?valid ?for ?name/i,
    "its certificate is for another name",
    "use the name in the certificate as host of --url; a private authority is given with --ca FILE",
  ],
  [
    /fatal alert: \w*Certificate|fatal alert: (AccessDenied|UnknownCA|BadCertificate)/i,
    "it refused the client certificate, or the lack of one",
    "give one with --cert FILE --cert-key FILE",
  ],
  [
    /invalid peer certificate/i,
    "its certificate is invalid",
    "a private authority is given with --ca FILE",
  ],
  [
    /InvalidContentType|corrupt message|WRONG_VERSION|HandshakeFailure|ProtocolVersion/i,
    "no TLS connection could be made",
    "check scheme and port of --url: http:// where the origin has no TLS",
  ],
  [
    /tunnel|proxy/i,
    "the proxy made no connection",
    "check HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
  ],
  [
    /connection refused/i,
    "the connection was refused",
    "check host and port of --url, and that the origin runs",
  ],
  [
    /unreachable|no route/i,
    "the network is unreachable from here",
    "check this machine's network and the host in --url",
  ],
  [
    /too large/i,
    "it sent more headers than can be read (about 100)",
    "let the origin, or the proxy before it, send fewer headers",
  ],
  [
    /invalid (HTTP|header|chunk|content-length|URI)|HTTP\/0\.9|parsed/i,
    "it answered with something that isn't HTTP",
    "check scheme and port of --url: https:// where the origin wants TLS",
  ],
  [
    /reset|broken pipe|closed before|unexpected.?eof|end of file|incomplete/i,
    "the connection was closed before an answer came",
    "it is tried again; if it lasts, look at the origin's own log",
  ],
  [
    /timed out/i,
    "no connection came about in time",
    "check host and port of --url, and the firewalls between",
  ],
];

/**
 * The error for a request that got no response headers.
 *
 * @param error what fetch threw
 * @param url the request's URL; only its host is shown
 */
export function connectError(error: unknown, url: URL): LockstepError {
  const text = causeText(error);
  if (error instanceof Deno.errors.NotCapable) {
    return new LockstepError(`${url.host}: the program runs without --allow-net for it`, {
      kind: "usage",
      retry: "never",
      hint: `run it with --allow-net, or with --allow-net=${url.host}`,
    });
  }
  if (/Requests to port \d+ are blocked/.test(text)) {
    return new LockstepError(`${url.host}: fetch doesn't talk to port ${url.port}`, {
      kind: "usage",
      retry: "never",
      hint: "let the origin listen on another port: this one is on the web's list of bad ports",
    });
  }
  const known = CASES.find(([pattern]) => pattern.test(text));
  const [, what, hint] = known ??
    [null, `no answer (${scrubbed(text)})`, "check --url and the network between"];
  return new LockstepError(`${url.host}: ${what}`, { kind: "connect", retry: "soon", hint });
}

/** Whether a TLS server speaks another version of HTTP than was offered. */
export function isProtocolRefused(error: unknown): boolean {
  return /fatal alert: NoApplicationProtocol/i.test(causeText(error));
}

/** The texts of an error and all its causes. */
function causeText(error: unknown): string {
  let text = messageOf(error);
  for (let cause = error; cause instanceof Error && cause.cause !== undefined;) {
    cause = cause.cause;
    text += `: ${messageOf(cause)}`;
  }
  // The library repeats the request's URL, which may itself say "reset" or "proxy".
  return text.replaceAll(/https?:\/\/\S+/gi, HIDDEN);
}

function scrubbed(text: string): string {
  return text.replace(/^.*client error \((\w+)\): /, "").slice(0, 200);
}
