/**
 * A response body under guard: silence and broken ends become errors with a name.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { formatDuration } from "../base/duration.ts";
import { LockstepError } from "../protocol/errors.ts";

/** What to do about a body that broke. */
export const BROKEN_HINT =
  "what was complete is kept, and the rest is asked for again; if it lasts, look at the " +
  "origin's own log and at the proxies between";

/** What a guard needs to know. */
export interface GuardOptions {
  /** Silence allowed while the body is being read, in milliseconds. */
  readonly idleTimeoutMs: number;
  /** Where silence is measured. */
  readonly clock: Clock;
  /** Ends the stream with its reason. */
  readonly signal: AbortSignal | undefined;
  /** Called once when the stream is over before its end: frees the connection. */
  readonly abandon: (reason: unknown) => void;
  /** The body's length where its framing tells; null where it doesn't. */
  readonly lengthBytes: number | null;
  /** The request's URL as it may be printed. */
  readonly printable: string;
}

/**
 * Passes a body on chunk by chunk, holding none back.
 *
 * The stream errors with a {@linkcode LockstepError}: `idle-timeout` when nothing, not even a blank
 * line, came for too long while a chunk was asked for (a slow reader is no silent server);
 * `broken-body` when the connection broke, or the bytes are fewer or more than were announced. It
 * errors with the signal's reason when that aborts. Read it to the end or cancel it: a stream
 * that is just dropped keeps its timer and its connection.
 */
export function guardBody(
  body: ReadableStream<Uint8Array>,
  options: GuardOptions,
): ReadableStream<Uint8Array> {
  const { idleTimeoutMs, clock, signal, printable } = options;
  const reader = body.getReader();
  const watch = new AbortController();
  /** When the read that is under way began; null while nobody asks. */
  let waitingSince: number | null = null;
  let cameBytes = 0;
  let over = false;

  /** True for the first caller: the stream ends once. */
  const finish = (): boolean => {
    if (over) return false;
    over = true;
    watch.abort();
    signal?.removeEventListener("abort", onAbort);
    return true;
  };
  let controller: ReadableStreamDefaultController<Uint8Array>;
  const fail = (reason: unknown): void => {
    if (!finish()) return;
    controller.error(reason);
    // fetch may never settle the read that is under way; nobody waits for it any more.
    reader.cancel(reason).catch(() => {});
    options.abandon(reason);
  };
  const onAbort = () => fail(signal?.reason);

  // One timer for each idle window, not one for each chunk: it wakes, looks how long the read under
  // way has been waiting, and sleeps for what is left.
  const watchForSilence = async () => {
    for (let pause = idleTimeoutMs; !over;) {
      await clock.sleep(pause, watch.signal);
      const waited = waitingSince === null ? 0 : clock.monotonic() - waitingSince;
      if (waited >= idleTimeoutMs) return fail(idleError(printable, idleTimeoutMs));
      pause = idleTimeoutMs - Math.max(0, waited);
    }
  };

  return new ReadableStream<Uint8Array>({
    start(given) {
      controller = given;
      signal?.addEventListener("abort", onAbort, { once: true });
      if (signal?.aborted) onAbort();
      // Rejects only with the watch's own abort.
      watchForSilence().catch(() => {});
    },
    async pull() {
      waitingSince = clock.monotonic();
      try {
        const { done, value } = await reader.read();
        if (over) return;
        if (done) {
          const { lengthBytes } = options;
          if (lengthBytes !== null && cameBytes !== lengthBytes) {
            return fail(brokenError(printable));
          }
          finish();
          controller.close();
          return;
        }
        cameBytes += value.length;
        controller.enqueue(value);
      } catch {
        fail(brokenError(printable));
      } finally {
        waitingSince = null;
      }
    },
    async cancel(reason) {
      if (!finish()) return;
      const cancelled = reader.cancel(reason).catch(() => {});
      options.abandon(reason);
      await cancelled;
    },
  }, { highWaterMark: 0 });
}

function idleError(printable: string, ms: number): LockstepError {
  return new LockstepError(`${printable} sent nothing for ${formatDuration(ms)}`, {
    kind: "idle-timeout",
    retry: "soon",
    hint: "it is asked again; if the origin is often silent for longer, raise --idle-timeout",
  });
}

/** The connection ended before the body did, or what came is no HTTP. */
function brokenError(printable: string): LockstepError {
  return new LockstepError(`${printable} broke off in the middle of its answer`, {
    kind: "broken-body",
    retry: "soon",
    hint: BROKEN_HINT,
  });
}
