/**
 * Work in slices: a body whose next bytes are always there keeps the event loop from all else.
 *
 * @module
 */

/**
 * Milliseconds of work between two pauses. A request to the page needs about ten turns of the event
 * loop: 90 ms, where twice as long a slice made 180.
 */
const SLICE_MS = 10;

/** Lets others have their turn whenever so much time has gone by since the last one. */
export class Slices {
  #begunAt = performance.now();

  /** A pause, where one is due: a timer, since an immediate leaves no time to what has to wait. */
  pause(): Promise<void> | undefined {
    if (performance.now() - this.#begunAt < SLICE_MS) return undefined;
    return new Promise((resolve) =>
      setTimeout(() => {
        this.#begunAt = performance.now();
        resolve();
      })
    );
  }
}
