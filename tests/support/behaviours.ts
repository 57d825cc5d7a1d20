/**
 * What a misbehaving origin can be told to do.
 *
 * @module
 */

import { gzipSync } from "node:zlib";
import { type Behaviour, bytesOf, concat, type End } from "./conversation.ts";

/** Extra response headers. */
export type ResponseHeaders = Readonly<Record<string, string>>;

const NDJSON: ResponseHeaders = { "content-type": "application/x-ndjson" };

/** A response's head, ending in the blank line. */
export function head(
  code: number,
  headers: ResponseHeaders = {},
  version: "1.0" | "1.1" = "1.1",
): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/${version} ${code} Because\r\n${lines.join("")}\r\n`;
}

/** Bytes as one HTTP chunk. */
export function chunk(data: string | Uint8Array): Uint8Array {
  const bytes = bytesOf(data);
  return concat(`${bytes.length.toString(16)}\r\n`, bytes, "\r\n");
}

/** Exactly these bytes, then an end: for whatever has no behaviour of its own. */
export function raw(bytes: string | Uint8Array, end: End = "close"): Behaviour {
  return async (conversation) => {
    await conversation.send(bytes);
    await conversation.end(end);
  };
}

/** A plain good answer: 200 with a length, on a connection that is kept. */
export function records(
  body: string | Uint8Array,
  headers: ResponseHeaders = NDJSON,
): Behaviour {
  return status(200, headers, body);
}

/** Any status, with its headers and a body of the right length, on a connection that is kept. */
export function status(
  code: number,
  headers: ResponseHeaders = {},
  body: string | Uint8Array = "",
): Behaviour {
  const bytes = bytesOf(body);
  const length: ResponseHeaders = code === 204 || code === 304
    ? {}
    : { "content-length": String(bytes.length) };
  return (conversation) => conversation.send(concat(head(code, { ...length, ...headers }), bytes));
}

/** HTML with 200 and whatever content type it claims; an empty text leaves the type out. */
export function html(contentType = "text/html; charset=utf-8"): Behaviour {
  const type: ResponseHeaders = contentType === "" ? {} : { "content-type": contentType };
  return status(200, type, "\n<!doctype html><title>Sign in</title>\n");
}

/** A redirect; by default an endless one to itself. */
export function redirect(location?: string, code = 302): Behaviour {
  return (conversation) =>
    status(code, { location: location ?? conversation.request.path }, "moved")(conversation);
}

/** 401 until the request carries `authorization: <expected()>`. */
export function needsAuthorization(expected: () => string, then: Behaviour): Behaviour {
  return (conversation) =>
    conversation.request.headers.authorization === expected()
      ? then(conversation)
      : status(401, { "www-authenticate": "Bearer" })(conversation);
}

/** Takes the request and sends nothing at all. */
export function silent(): Behaviour {
  return (conversation) => conversation.stall();
}

/** Takes the request and ends the connection without a byte. */
export function drop(end: "close" | "reset" = "close"): Behaviour {
  return (conversation) => conversation.end(end);
}

/** How a body is cut. */
export interface Cut {
  /** How many bytes of the body are sent; all by default. */
  readonly at?: number;
  /** What happens then; `close` by default. */
  readonly end?: End;
  readonly headers?: ResponseHeaders;
}

/**
 * A chunked answer in which every piece is a chunk of its own. Without a cut it ends as it should;
 * with one it breaks in the middle of a chunk.
 */
export function chunked(pieces: readonly (string | Uint8Array)[], cut?: Cut): Behaviour {
  return async (conversation) => {
    const type = cut?.headers ?? NDJSON;
    await conversation.send(head(200, { "transfer-encoding": "chunked", ...type }));
    let left = cut?.at ?? Infinity;
    for (const piece of pieces) {
      const bytes = bytesOf(piece);
      if (bytes.length === 0) continue;
      if (left < bytes.length) {
        // The chunk announces all of its bytes, and a part of them comes.
        const announced = `${bytes.length.toString(16)}\r\n`;
        await conversation.send(concat(announced, bytes.subarray(0, left)));
        return await conversation.end(cut?.end ?? "close");
      }
      left -= bytes.length;
      await conversation.send(chunk(bytes));
    }
    if (cut === undefined) return await conversation.send("0\r\n\r\n");
    // Everything came, but not the chunk that says so.
    await conversation.end(cut.end ?? "close");
  };
}

/** An endless chunked answer: the pieces, then silence until the client goes. */
export function endless(pieces: readonly (string | Uint8Array)[]): Behaviour {
  return chunked(pieces, { end: "stall" });
}

/** A chunked answer with a chunk size that is none after its pieces. */
export function badChunk(pieces: readonly (string | Uint8Array)[]): Behaviour {
  return async (conversation) => {
    await conversation.send(head(200, { "transfer-encoding": "chunked", ...NDJSON }));
    for (const piece of pieces) await conversation.send(chunk(piece));
    await conversation.send("nonsense\r\n");
    await conversation.close();
  };
}

/** An answer with a `Content-Length` that is off by `lie` bytes, or that is cut. */
export function lengthy(
  body: string | Uint8Array,
  { lie = 0, ...cut }: Cut & { readonly lie?: number } = {},
): Behaviour {
  const bytes = bytesOf(body);
  return async (conversation) => {
    const length = { "content-length": String(bytes.length + lie), ...(cut.headers ?? NDJSON) };
    await conversation.send(head(200, length));
    await conversation.send(bytes.subarray(0, cut.at ?? bytes.length));
    if (lie !== 0 || cut.at !== undefined || cut.end !== undefined) {
      await conversation.end(cut.end ?? "close");
    }
  };
}

/** An answer that ends with its connection, as HTTP/1.0 has it; cut or not, it looks the same. */
export function closeDelimited(
  body: string | Uint8Array,
  { version = "1.1", ...cut }: Cut & { readonly version?: "1.0" | "1.1" } = {},
): Behaviour {
  const bytes = bytesOf(body);
  return async (conversation) => {
    await conversation.send(head(200, cut.headers ?? NDJSON, version));
    await conversation.send(bytes.subarray(0, cut.at ?? bytes.length));
    await conversation.end(cut.end ?? "close");
  };
}

/** Response headers, then the body one byte at a time, then a clean end. */
export function trickling(body: string | Uint8Array): Behaviour {
  const bytes = bytesOf(body);
  return async (conversation) => {
    await conversation.send(head(200, { "content-length": String(bytes.length), ...NDJSON }));
    await conversation.trickle(bytes);
  };
}

/** A gzipped answer; with `at` only so many of the compressed bytes, and a length that fits them. */
export function gzipped(body: string | Uint8Array, at?: number): Behaviour {
  const whole = new Uint8Array(gzipSync(bytesOf(body)));
  return status(200, { "content-encoding": "gzip", ...NDJSON }, whole.subarray(0, at));
}

/** A whole chunked answer of compressed data as it is given, each piece a chunk of its own. */
export function encoded(coding: string, ...pieces: readonly Uint8Array[]): Behaviour {
  return async (conversation) => {
    const headers = { "transfer-encoding": "chunked", "content-encoding": coding, ...NDJSON };
    await conversation.send(head(200, headers));
    for (const piece of pieces) await conversation.send(chunk(piece));
    await conversation.send("0\r\n\r\n");
  };
}
