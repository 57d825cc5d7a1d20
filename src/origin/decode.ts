/**
 * From a body's bytes as they came to those of records: content codings undone, pages refused.
 *
 * @module
 */

import { LockstepError } from "../protocol/errors.ts";
import { unbrotli } from "./brotli.ts";
import { bodyFrom, type ByteReader } from "./byte_reader.ts";
import { sniff, sniffError } from "./content_type.ts";
import { BROKEN_HINT } from "./guard.ts";
import { CodingError, gunzip } from "./gzip.ts";

type Bytes = Uint8Array<ArrayBufferLike>;

/** What is known of a body besides its bytes. */
export interface BodyFacts {
  /** The response's headers; their codings have to be known ones. */
  readonly headers: Headers;
  /** The request's URL as it may be printed. */
  readonly printable: string;
}

/**
 * The decoded body, in slices of at most 64 KiB where it was compressed.
 *
 * The stream errors with a {@linkcode LockstepError}: `broken-body` where compressed data is cut or
 * damaged, or has bytes behind it; `not-records` where the first bytes are those of a page; and with
 * the error of the body that it reads.
 */
export function decodeBody(body: ReadableStream<Bytes>, facts: BodyFacts): ReadableStream<Bytes> {
  const { headers, printable } = facts;
  const codings = (headers.get("content-encoding") ?? "").toLowerCase().split(",")
    .map((coding) => coding.trim());
  let decoded = body;
  // They are named in the order in which they were put on.
  for (const coding of codings.toReversed()) {
    if (coding === "" || coding === "identity") continue;
    const decode = coding === "br" ? unbrotli : gunzip;
    decoded = bodyFrom(decoded, (source) => named(decode(source), coding, printable));
  }
  return bodyFrom(decoded, (source) => onlyRecords(source, headers.get("content-type"), printable));
}

/** Passes a decoder's data on, and its error as one that says where the data came from. */
async function* named(
  data: AsyncGenerator<Bytes, void>,
  coding: string,
  printable: string,
): AsyncGenerator<Bytes, void> {
  try {
    yield* data;
  } catch (error) {
    if (!(error instanceof CodingError)) throw error;
    throw new LockstepError(
      `${printable} sent a compressed answer that is cut or damaged (${coding}: ${error.message})`,
      { kind: "broken-body", retry: "soon", hint: BROKEN_HINT },
    );
  }
}

/** Passes on what doesn't begin like a page. */
async function* onlyRecords(
  source: ByteReader,
  contentType: string | null,
  printable: string,
): AsyncGenerator<Bytes, void> {
  let isSure = false;
  for (let bytes = await source.next(); bytes !== null; bytes = await source.next()) {
    if (!isSure) {
      const seen = sniff(bytes);
      if (seen !== null && seen !== "records") throw sniffError(seen, contentType, printable);
      isSure = seen !== null;
    }
    yield bytes;
  }
}
