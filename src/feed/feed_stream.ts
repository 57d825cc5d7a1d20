/**
 * The body of one answer that stays open.
 *
 * @module
 */

import { StreamCutError } from "../base/stream_cut_error.ts";
import type { Bytes } from "./lines.ts";

/** Bytes that may wait for a reader, besides what the socket holds. They are shared with others. */
export const QUEUE_BYTES = 1024 * 1024;

export class FeedStream {
  readonly body: ReadableStream<Bytes>;
  /** Aborts when the stream has ended, whoever ended it. */
  readonly over = new AbortController();
  #controller: ReadableStreamDefaultController<Bytes> | null = null;
  #limit: number;
  #bell: (() => void) | null = null;

  constructor(limit: number = QUEUE_BYTES) {
    this.#limit = limit;
    this.body = new ReadableStream<Bytes>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#ring(),
      cancel: () => this.#end(),
    }, new ByteLengthQueuingStrategy({ highWaterMark: limit }));
  }

  /** False once it has ended. */
  get open(): boolean {
    return this.#controller !== null;
  }

  /** Queues bytes; cuts the reader off where it has left too much unread. */
  push(bytes: Bytes): boolean {
    const controller = this.#controller;
    if (controller === null) return false;
    if ((controller.desiredSize ?? 0) <= 0) {
      this.cut("the reader was too slow");
      return false;
    }
    controller.enqueue(bytes);
    return true;
  }

  /** Whether less than this waits for the reader, or it has gone. */
  hasRoom(bytes: number): boolean {
    const { desiredSize } = this.#controller ?? { desiredSize: null };
    return desiredSize === null || this.#limit - desiredSize < bytes;
  }

  /** Resolves when less than this waits for the reader, or it has gone. */
  async room(bytes: number): Promise<void> {
    while (!this.hasRoom(bytes)) {
      await new Promise<void>((resolve) => this.#bell = resolve);
    }
  }

  /**
   * Breaks the answer off, so that it isn't taken for a complete one. The reader comes back to where
   * it was.
   */
  cut(reason: string): void {
    const controller = this.#controller;
    if (controller === null) return;
    this.#end();
    controller.error(new StreamCutError(reason));
  }

  #ring(): void {
    const bell = this.#bell;
    this.#bell = null;
    bell?.();
  }

  #end(): void {
    this.#controller = null;
    this.over.abort();
    this.#ring();
  }
}
