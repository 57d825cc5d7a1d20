/**
 * gzip, member by member (RFC 1952).
 *
 * ```
 * body   = *member                        no member at all is an empty body
 * member = header, deflated data, CRC32 (4 bytes), length mod 2^32 (4 bytes)
 * header = 1F 8B 08, flags, 6 bytes, [extra], [name 00], [comment 00], [header's CRC16]
 * ```
 *
 * The members are told apart here, not by zlib: it gives nothing of a piece of input that holds a
 * whole member and, behind it, bytes that are none, and ignores whatever follows a zero byte.
 *
 * @module
 */

import { crc32, createInflateRaw } from "node:zlib";
import type { ByteReader } from "./byte_reader.ts";
import { Inflation, SLICE_BYTES } from "./inflation.ts";

type Bytes = Uint8Array<ArrayBufferLike>;

/** Compressed data that is cut, damaged, or not all of what came. */
export class CodingError extends Error {
  override readonly name = "CodingError";
}

const HAS_CRC = 2;
const HAS_EXTRA = 4;
const HAS_NAME = 8;
const HAS_COMMENT = 16;
const RESERVED_FLAGS = 0xe0;
const TRAILER_BYTES = 8;

/**
 * The data of all members.
 *
 * @throws {CodingError} for anything else than whole, undamaged members; what is whole comes before
 */
export async function* gunzip(source: ByteReader): AsyncGenerator<Bytes, void> {
  for (let isFirst = true; await readHeader(source, isFirst); isFirst = false) {
    yield* readMember(source);
  }
}

/** Reads up to a member's data; false where there is no other member. */
async function readHeader(source: ByteReader, isFirst: boolean): Promise<boolean> {
  const first = await source.byte();
  if (first === null) return false;
  const second = first === 0x1f ? await must(source.byte()) : null;
  if (second !== 0x8b) {
    throw new CodingError(
      isFirst ? "it doesn't begin as gzip does" : "bytes are left over behind its end",
    );
  }
  const [method, flags = 0] = await must(source.take(8));
  if (method !== 8 || (flags & RESERVED_FLAGS) !== 0) throw damaged();
  if (flags & HAS_EXTRA) {
    const [low = 0, high = 0] = await must(source.take(2));
    await must(source.take(low + high * 256));
  }
  if (flags & HAS_NAME) await skipText(source);
  if (flags & HAS_COMMENT) await skipText(source);
  if (flags & HAS_CRC) await must(source.take(2));
  return true;
}

/** Skips a text and the zero byte at its end. */
async function skipText(source: ByteReader): Promise<void> {
  for (;;) {
    const bytes = await must(source.next());
    const end = bytes.indexOf(0);
    if (end < 0) continue;
    source.putBack(bytes.subarray(end + 1));
    return;
  }
}

async function* readMember(source: ByteReader): AsyncGenerator<Bytes, void> {
  using inflation = new Inflation(createInflateRaw({ chunkSize: SLICE_BYTES }));
  let sum = 0;
  let lengthBytes = 0;
  for (let rest: Bytes | null = null; rest === null;) {
    const output = inflation.push(await must(source.next()));
    // The last slice of an input: where the checksum has come with it, that is looked at first.
    let last: Bytes | null = null;
    for (;;) {
      const { done, value } = await output.next().catch(() => {
        throw damaged();
      });
      if (done) {
        rest = value;
        break;
      }
      if (last !== null) yield last;
      last = value;
      sum = crc32(value, sum);
      lengthBytes += value.length;
    }
    const isChecked = rest !== null && rest.length >= TRAILER_BYTES;
    if (last !== null && !isChecked) yield last;
    if (rest === null) continue;
    source.putBack(rest);
    const trailer = await must(source.take(TRAILER_BYTES));
    const view = new DataView(trailer.buffer, trailer.byteOffset, TRAILER_BYTES);
    if (view.getUint32(0, true) !== sum || view.getUint32(4, true) !== lengthBytes % 2 ** 32) {
      throw damaged();
    }
    if (last !== null && isChecked) yield last;
  }
}

async function must<T>(read: Promise<T | null>): Promise<T> {
  const value = await read;
  if (value === null) throw new CodingError("it is cut");
  return value;
}

function damaged(): CodingError {
  return new CodingError("it is damaged");
}
