/**
 * How the end of a body shows itself.
 *
 * | framing | its end |
 * | --- | --- |
 * | `length` | so many bytes have come |
 * | `chunked` | the last chunk, of no bytes |
 * | `stream` | HTTP/2's END_STREAM |
 * | `close` | the connection closes: a cut looks the same, over TLS too, where a server that gives up says a proper goodbye |
 *
 * Content codings change nothing: behind a gzip member another may have been meant to come.
 *
 * @module
 */

/** See the module. */
export type Framing =
  | { readonly kind: "length"; readonly lengthBytes: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "stream" }
  | { readonly kind: "close" };

/**
 * The framing of a body by its headers; pure.
 *
 * @param isHttp2 whether the answer is known to have come over HTTP/2, where each body has an end
 */
export function framingOf(headers: Headers, isHttp2: boolean): Framing {
  // A length beside a transfer coding is void (RFC 9112, 6.3).
  const transfer = headers.get("transfer-encoding");
  if (transfer !== null) {
    const last = transfer.split(",").at(-1)?.trim().toLowerCase();
    return { kind: last === "chunked" ? "chunked" : "close" };
  }
  const length = /^\s*(\d+)\s*(?:,|$)/.exec(headers.get("content-length") ?? "")?.[1];
  if (length !== undefined) return { kind: "length", lengthBytes: Number(length) };
  return { kind: isHttp2 ? "stream" : "close" };
}
