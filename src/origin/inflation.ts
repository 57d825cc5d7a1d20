/**
 * One run of a decompressor, in slices.
 *
 * @module
 */

import type { Transform } from "node:stream";
import { Signal } from "../base/signal.ts";

type Bytes = Uint8Array<ArrayBufferLike>;

/** Bytes of output at a time: between two of them others have their turn. */
export const SLICE_BYTES = 65_536;

/**
 * Drives one of node:zlib's decompressors: what it makes of each input is pulled slice by slice, so
 * that a megabyte which expands to a gigabyte takes no more memory than any other.
 *
 * The decompressor's own end shows only once there is a byte behind it: that byte is left over.
 */
export class Inflation implements Disposable {
  readonly #stream: Transform & { readonly bytesWritten: number };
  readonly #changed = new Signal();
  /** Events of the stream so far: each calls for another look. */
  #changes = 0;
  #hasEnded = false;
  #failure: unknown = null;

  /** @param stream a decompressor of node:zlib that nobody else reads or writes */
  constructor(stream: Transform & { readonly bytesWritten: number }) {
    this.#stream = stream;
    stream.on("readable", () => this.#notify());
    stream.on("end", () => {
      this.#hasEnded = true;
      this.#notify();
    });
    stream.on("error", (error) => {
      this.#failure = error;
      this.#notify();
    });
  }

  #notify(): void {
    this.#changes++;
    this.#changed.notify();
  }

  /**
   * The output for an input of at least one byte. Returns the bytes behind the end of the compressed
   * data, or null while that goes on.
   *
   * @throws the decompressor's error for damaged data
   */
  async *push(input: Bytes): AsyncGenerator<Bytes, Bytes | null> {
    const stream = this.#stream;
    const before = stream.bytesWritten;
    let isTaken = false;
    stream.write(input, () => {
      isTaken = true;
      this.#notify();
    });
    for (;;) {
      const seen = this.#changes;
      // Without another read the stream never says that it has ended.
      const output: unknown = stream.read();
      if (output instanceof Uint8Array) {
        yield output;
        continue;
      }
      if (this.#failure !== null) throw this.#failure;
      if (this.#hasEnded) return input.subarray(stream.bytesWritten - before);
      // An input that was taken only in part: the end is on its way.
      if (isTaken && stream.bytesWritten - before >= input.length) return null;
      await this.#changed.until(() => this.#changes !== seen);
    }
  }

  [Symbol.dispose](): void {
    this.#stream.destroy();
  }
}
