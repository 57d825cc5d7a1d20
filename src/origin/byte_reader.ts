/**
 * A body's bytes for a decoder, and a decoder's bytes as a body.
 *
 * @module
 */

type Bytes = Uint8Array<ArrayBufferLike>;

const NONE = new Uint8Array();

/** Reads a body by pieces or by single bytes; what a reader didn't need is put back. */
export class ByteReader {
  readonly #reader: ReadableStreamDefaultReader<Bytes>;
  #rest: Bytes = NONE;

  constructor(reader: ReadableStreamDefaultReader<Bytes>) {
    this.#reader = reader;
  }

  /** The next bytes, at least one; null at the end. */
  async next(): Promise<Bytes | null> {
    let bytes = this.#rest;
    this.#rest = NONE;
    while (bytes.length === 0) {
      const { done, value } = await this.#reader.read();
      if (done) return null;
      bytes = value;
    }
    return bytes;
  }

  /** Puts the end of the bytes that {@linkcode ByteReader.next} gave last back. */
  putBack(bytes: Bytes): void {
    this.#rest = bytes;
  }

  /** The next byte; null at the end. */
  async byte(): Promise<number | null> {
    const bytes = await this.next();
    this.#rest = bytes?.subarray(1) ?? NONE;
    return bytes?.[0] ?? null;
  }

  /** The next `count` bytes, for small counts; null where the end comes before. */
  async take(count: number): Promise<Bytes | null> {
    const taken = new Uint8Array(count);
    for (let i = 0; i < count;) {
      const bytes = await this.next();
      if (bytes === null) return null;
      const part = bytes.subarray(0, count - i);
      taken.set(part, i);
      i += part.length;
      this.#rest = bytes.subarray(part.length);
    }
    return taken;
  }
}

/**
 * The body that a generator makes of another. It reads nothing ahead; an error of the generator, and
 * a cancel, cancel the other.
 */
export function bodyFrom(
  body: ReadableStream<Bytes>,
  generate: (source: ByteReader) => AsyncGenerator<Bytes, void>,
): ReadableStream<Bytes> {
  const reader = body.getReader();
  const generated = generate(new ByteReader(reader));
  return new ReadableStream<Bytes>({
    async pull(controller) {
      try {
        const { done, value } = await generated.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        reader.cancel(error).catch(() => {});
        throw error;
      }
    },
    async cancel(reason) {
      // First the source: a read that is under way ends with it, and the generator only then.
      await reader.cancel(reason);
      await generated.return();
    },
  }, { highWaterMark: 0 });
}
