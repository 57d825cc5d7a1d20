/**
 * Answers that are broken off on purpose.
 *
 * @module
 */

/**
 * Why a reader's answer was broken off: it was too slow, say, or has to ask again. No fault of this
 * program, so the log hears nothing of it.
 */
export class StreamCutError extends Error {
  override readonly name = "StreamCutError";
}
