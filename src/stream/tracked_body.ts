/**
 * A body that ends cleanly for the stages behind it, and remembers how it really ended.
 *
 * @module
 */

import { LockstepError } from "../protocol/errors.ts";
import type { BodyFault } from "../protocol/json_document.ts";

/** What is known of a body's end, once it has ended. */
export class TrackedBody {
  readonly readable: ReadableStream<Uint8Array>;
  /** What broke the body; null for a clean end. */
  error: unknown = null;
  /** Why the body wasn't read to its end: it holds something else, or more than it may. */
  fault: BodyFault | null = null;
  /** Whether the body ended in the middle of a value, or before the bracket that ends it. */
  unfinished = false;
  /** Whether the body had a bracket of its own at its end: it is whole, however it was sent. */
  endIsProved = false;

  /** @param heard told of every chunk before it is passed on */
  constructor(body: ReadableStream<Uint8Array>, heard: (chunk: Uint8Array) => void = () => {}) {
    const reader = body.getReader();
    this.readable = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        try {
          const { done, value } = await reader.read();
          if (!done) {
            heard(value);
            return controller.enqueue(value);
          }
        } catch (error) {
          // What has come so far is complete records: they are kept.
          this.error = error;
        }
        controller.close();
      },
      cancel: (reason) => reader.cancel(reason),
    }, { highWaterMark: 0 });
  }

  /** Throws what broke the body, or that it ended in the middle of a record. */
  check(url: string): void {
    if (this.error !== null) throw this.error;
    if (this.fault !== null) {
      const { kind, seen, hint } = this.fault;
      const retry = kind === "broken-body" ? "soon" : "slow";
      throw new LockstepError(`${url} ${seen}`, { kind, retry, hint });
    }
    if (!this.unfinished) return;
    throw new LockstepError(`${url} ended its answer in the middle of a record`, {
      kind: "broken-body",
      retry: "soon",
      hint: "what was complete is kept; a proxy or the origin cuts the answer short",
    });
  }
}
