/**
 * Telling records from a web page, before anything is stored.
 *
 * Many servers send NDJSON with no content type, or with a wrong one, so only what is certainly
 * something else is refused.
 *
 * @module
 */

import { LockstepError } from "../protocol/errors.ts";

const REFUSED_TYPES = [
  /^text\/(html|css|csv|tab-separated-values|xml|javascript|markdown)$/,
  /^(image|audio|video|font|multipart|model)\//,
  /[/+]xml$/,
  /^application\/(x-)?(javascript|ecmascript|pdf|zip|gzip|tar|bzip2?|7z-compressed|wasm|protobuf)$/,
  /^application\/(x-www-form-urlencoded|vnd\.openxmlformats.*|vnd\.ms-.*|cbor|msgpack)$/,
];

/** Any other content coding than these would arrive as noise. */
const DECODED = new Set(["", "identity", "gzip", "x-gzip", "br"]);

/**
 * The error for an answer that holds no records by its own account, or `null`.
 *
 * A missing content type, `text/plain`, `application/octet-stream` and every kind of JSON pass.
 *
 * @param printable the URL as it may be printed
 */
export function contentError(headers: Headers, printable: string): LockstepError | null {
  const type = essence(headers.get("content-type"));
  if (REFUSED_TYPES.some((pattern) => pattern.test(type))) {
    return notRecords(
      `${printable} answered with ${type}, not with records`,
      type === "text/html" || type === "application/xhtml+xml"
        ? "this is a web page, perhaps of a login or a proxy: check --url and the credentials"
        : "check --url: the endpoint has to answer with records as JSON (lines, an array, or events)",
    );
  }
  for (const coding of (headers.get("content-encoding") ?? "").toLowerCase().split(",")) {
    if (DECODED.has(coding.trim())) continue;
    return notRecords(
      `${printable} answered in the encoding ${JSON.stringify(coding.trim().slice(0, 40))}`,
      "only gzip and br were offered: let the origin, or the proxy before it, keep to them",
    );
  }
  return null;
}

/** What a body certainly is where it isn't records, in words. */
export type Stranger = "markup" | "gzip" | "zstd" | "UTF-16 text" | "binary data";

/**
 * What a body is by its first bytes: `records` where it may be those, `null` while there are only
 * blanks.
 *
 * Records start with a bracket, with a record separator, or with a field of events; a bad first line
 * is left to the quarantine. UTF-16 and UTF-32 have a mark that UTF-8 can't have, or a NUL beside
 * each letter.
 */
export function sniff(bytes: Uint8Array): Stranger | "records" | null {
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) continue;
    // A byte order mark, whole or cut by the end of the chunk.
    if (byte === 0xef || byte === 0xbb || byte === 0xbf) continue;
    if (byte === 0x3c) return "markup";
    if (byte === 0x1f) return "gzip";
    if (byte === 0x28 && bytes[i + 1] === 0xb5) return "zstd";
    if (byte === 0xff || byte === 0xfe) return "UTF-16 text";
    if (byte === 0 || bytes[i + 1] === 0) return "UTF-16 text";
    return byte < 0x20 && byte !== 0x1e ? "binary data" : "records";
  }
  return null;
}

const ADVICE: Readonly<Record<Stranger, string>> = {
  "markup": "this is a page, or XML: check --url and the credentials; records are read as JSON",
  "gzip": "a compressed file needs Content-Encoding: gzip",
  "zstd": "only gzip and br were offered: let the origin, or the proxy before it, keep to them",
  "UTF-16 text": "JSON is read as UTF-8: let the origin send that, or put a converter between",
  "binary data": "records are read as JSON: ask the origin for JSON, or put a converter between",
};

/** The error for a body that isn't records though its headers don't tell. */
export function sniffError(
  stranger: Stranger,
  contentType: string | null,
  printable: string,
): LockstepError {
  const type = essence(contentType);
  return notRecords(
    `${printable} answered with ${stranger}, not with records ` +
      `(content type ${type === "" ? "missing" : type})`,
    ADVICE[stranger],
  );
}

/** The media type without its parameters, short enough for a message. */
function essence(contentType: string | null): string {
  const type = contentType?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return type.slice(0, 100);
}

function notRecords(message: string, hint: string): LockstepError {
  return new LockstepError(message, { kind: "not-records", retry: "slow", hint });
}
