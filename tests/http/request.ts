/** Requests to the application, without a port. */

import type { StatusApp } from "../../src/http/app.ts";

const BASE = "http://127.0.0.1:4568";

export async function ask(
  app: StatusApp,
  path: string,
  init: RequestInit & { headers?: Record<string, string> } = {},
): Promise<Response> {
  return await app.fetch(new Request(BASE + path, init));
}

/** One event of a stream. */
export interface SeenEvent {
  readonly event: string;
  readonly id: string | null;
  readonly data: string;
}

/** Reads events off an answer, one at a time, in the manner of a browser. */
export class EventReader implements AsyncDisposable {
  #reader: ReadableStreamDefaultReader<string>;
  #text = "";
  comments = 0;

  constructor(response: Response) {
    if (response.body === null) throw new Error("no body");
    this.#reader = response.body.pipeThrough(
      new TextDecoderStream() as ReadableWritablePair<
        string,
        Uint8Array<ArrayBuffer>
      >,
    ).getReader();
  }

  /** The next event; null at the end of the stream. */
  async next(): Promise<SeenEvent | null> {
    while (true) {
      const end = this.#text.indexOf("\n\n");
      if (end < 0) {
        const { value, done } = await this.#reader.read();
        if (done) return null;
        this.#text += value;
        continue;
      }
      const lines = this.#text.slice(0, end).split("\n");
      this.#text = this.#text.slice(end + 2);
      const field = (name: string) =>
        lines.filter((line) => line.startsWith(`${name}: `)).map((line) =>
          line.slice(name.length + 2)
        );
      this.comments += lines.filter((line) => line.startsWith(":")).length;
      if (field("data").length === 0) continue;
      return {
        event: field("event")[0] ?? "message",
        id: field("id")[0] ?? null,
        data: field("data").join("\n"),
      };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel();
  }
}
