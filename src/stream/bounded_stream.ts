/**
 * The body of an answer that stays open, which a slow reader can't make grow.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { Signal } from "../base/signal.ts";
import { StreamCutError } from "../base/stream_cut_error.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** How a {@linkcode BoundedStream} treats its reader. */
export interface BoundedStreamOptions {
  /** Bytes that may wait for the reader, besides what the socket holds. */
  readonly limitBytes: number;
  /** A reader that takes nothing for so long, while {@linkcode BoundedStream.send} waits, is cut off. */
  readonly stallMs: number;
  readonly clock: Clock;
}

/**
 * Bytes on their way to one reader. What goes on by itself is pushed, and cuts a reader off that has
 * left too much unread; a backlog is sent at the reader's pace.
 */
export class BoundedStream {
  readonly body: ReadableStream<Bytes>;
  readonly #options: BoundedStreamOptions;
  readonly #over = new AbortController();
  readonly #taken = new Signal();
  #controller: ReadableStreamDefaultController<Bytes> | null = null;

  constructor(options: BoundedStreamOptions) {
    this.#options = options;
    this.body = new ReadableStream<Bytes>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#taken.notify(),
      cancel: () => this.#end(),
    }, new ByteLengthQueuingStrategy({ highWaterMark: options.limitBytes }));
  }

  /** False once it has ended, whoever ended it. */
  get open(): boolean {
    return this.#controller !== null;
  }

  /** Aborts when it ends. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Bytes that wait for the reader; 0 once it has ended. */
  get unreadBytes(): number {
    const { limitBytes } = this.#options;
    return limitBytes - (this.#controller?.desiredSize ?? limitBytes);
  }

  /** Queues bytes; cuts the reader off where it has left too much unread. False once it has ended. */
  push(bytes: Bytes): boolean {
    const controller = this.#controller;
    if (controller === null) return false;
    if (this.unreadBytes >= this.#options.limitBytes) {
      this.cut("the reader was too slow");
      return false;
    }
    controller.enqueue(bytes);
    return true;
  }

  /**
   * Queues bytes once the reader has left no more than `unreadBytes`, which have to be less than
   * what may wait. False once it has ended.
   */
  async send(bytes: Bytes, unreadBytes: number): Promise<boolean> {
    const { stallMs, clock } = this.#options;
    if (this.unreadBytes > unreadBytes) {
      const taken = new AbortController();
      const late = clock.sleep(stallMs, taken.signal)
        .then(() => this.cut("the reader takes nothing"), () => {});
      await this.room(unreadBytes);
      taken.abort();
      await late;
    }
    return this.push(bytes);
  }

  /** Resolves when no more than this waits for the reader, or it has gone. */
  room(bytes: number): Promise<void> {
    return this.#taken.until(() => this.unreadBytes <= bytes);
  }

  /**
   * Breaks the answer off, so that it isn't taken for a complete one, and frees what waits. The
   * reader comes back to where it was.
   */
  cut(reason: string): void {
    const controller = this.#controller;
    if (controller === null) return;
    this.#end();
    controller.error(new StreamCutError(reason));
  }

  /** Ends the answer behind what is queued. */
  close(): void {
    const controller = this.#controller;
    if (controller === null) return;
    this.#end();
    controller.close();
  }

  #end(): void {
    this.#controller = null;
    this.#over.abort();
    this.#taken.notify();
  }
}
