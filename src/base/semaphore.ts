/**
 * Lets a few through at a time.
 *
 * @module
 */

export class Semaphore {
  #free: number;
  #queue: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  /** Resolves when there is a place; call the result, once, to give it back. */
  async enter(): Promise<() => void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    return () => {
      const next = this.#queue.shift();
      if (next === undefined) this.#free++;
      else next();
    };
  }
}
