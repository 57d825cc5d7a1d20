/**
 * The bytes of one piece that earlier chunks brought.
 *
 * @module
 */

/** Buffers beyond this many bytes are given back once the piece they were made for is done. */
const KEPT_CAPACITY_BYTES = 1 << 20;

const FIRST_CAPACITY_BYTES = 4096;

/** A growing buffer that is used again for the next piece. */
export class HeldBytes {
  #buffer = new Uint8Array(0);
  #length = 0;

  /** Bytes held. */
  get length(): number {
    return this.#length;
  }

  append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(
        Math.max(length, 2 * this.#buffer.length, FIRST_CAPACITY_BYTES),
      );
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = length;
  }

  /** What is held, valid until the next byte is appended; nothing is held from then on. */
  take(): Uint8Array {
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    if (this.#buffer.length > KEPT_CAPACITY_BYTES) {
      this.#buffer = new Uint8Array(0);
    }
    return bytes;
  }

  /** The last byte that is no blank; undefined where there is none. */
  lastMark(): number | undefined {
    for (let at = this.#length - 1; at >= 0; at--) {
      const byte = this.#buffer[at];
      if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d && byte !== 0x0a) return byte;
    }
    return undefined;
  }
}
