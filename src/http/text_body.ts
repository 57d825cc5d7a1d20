/**
 * Texts as the body of an answer, made as the client takes them.
 *
 * @module
 */

import type { HeldText } from "./large_texts.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Short texts are sent together, in pieces of about so many characters. */
const PIECE_CHARS = 16 * 1024;

/** A long text goes out in pieces of so many bytes. */
const PIECE_BYTES = 64 * 1024;

const encoder = new TextEncoder();

/**
 * The texts as one body, encoded as UTF-8. Nothing is read ahead: the next text is asked for when
 * the client has taken what came before. A text that is held is let go when it has been sent.
 *
 * @param over called when the body ends, or the client goes, also before anything was sent
 */
export function textBody(
  texts: AsyncIterable<string | HeldText>,
  over: () => void = () => {},
): ReadableStream<Bytes> {
  const pieces = piecesOf(texts);
  return new ReadableStream<Bytes>({
    async pull(controller) {
      const { value, done } = await pieces.next();
      if (!done) return controller.enqueue(value);
      over();
      controller.close();
    },
    async cancel() {
      over();
      await pieces.return();
    },
  }, { highWaterMark: 0 });
}

async function* piecesOf(texts: AsyncIterable<string | HeldText>): AsyncGenerator<Bytes, void> {
  let waiting = "";
  for await (const text of texts) {
    if (typeof text === "string") {
      waiting += text;
      if (waiting.length < PIECE_CHARS) continue;
      yield encoder.encode(waiting);
      waiting = "";
      continue;
    }
    try {
      if (waiting !== "") yield encoder.encode(waiting);
      waiting = "";
      // In pieces: it is let go behind the last one.
      for (let at = 0; at < text.bytes.length; at += PIECE_BYTES) {
        yield text.bytes.subarray(at, at + PIECE_BYTES);
      }
    } finally {
      text.release();
    }
  }
  if (waiting !== "") yield encoder.encode(waiting);
}
