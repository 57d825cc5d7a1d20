/**
 * Brotli (RFC 7932): one stream with an end of its own, and nothing behind it.
 *
 * @module
 */

import { createBrotliDecompress } from "node:zlib";
import type { ByteReader } from "./byte_reader.ts";
import { CodingError } from "./gzip.ts";
import { Inflation, SLICE_BYTES } from "./inflation.ts";

type Bytes = Uint8Array<ArrayBufferLike>;

/**
 * The data of a brotli stream; an empty body has none.
 *
 * The decompressor says neither that its stream has ended nor that it was cut, so at the body's end
 * one byte more is offered: behind the end it is left over, and before it is taken.
 *
 * @throws {CodingError} for a stream that is cut or damaged, or with bytes behind it
 */
export async function* unbrotli(source: ByteReader): AsyncGenerator<Bytes, void> {
  using inflation = new Inflation(createBrotliDecompress({ chunkSize: SLICE_BYTES }));
  let isEmpty = true;
  for (;;) {
    const input = await source.next();
    if (input === null && isEmpty) return;
    isEmpty = false;
    const output = inflation.push(input ?? Uint8Array.of(0));
    for (;;) {
      const { done, value } = await output.next().catch(() => {
        throw new CodingError(input === null ? "it is cut" : "it is damaged");
      });
      if (!done) {
        // Of the byte that was only offered nothing is to be read.
        if (input !== null) yield value;
        continue;
      }
      if (input === null) {
        if (value === null) throw new CodingError("it is cut");
        return;
      }
      if (value !== null) throw new CodingError("bytes are left over behind its end");
      break;
    }
  }
}
