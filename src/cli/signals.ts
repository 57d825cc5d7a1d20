/**
 * SIGINT and SIGTERM: the first asks to stop, the second doesn't ask.
 *
 * @module
 */

/**
 * A stop that takes longer is cut off. Commits are atomic and the next start goes on from the
 * cursor, so nothing is lost; a service manager and a person at the keyboard wait two seconds.
 */
const DEADLINE_MS = 1_800;

const SIGNALS: readonly (readonly [Deno.Signal, number])[] = [["SIGINT", 2], ["SIGTERM", 15]];

/** Listens for the signals to stop. */
export class StopSignals {
  readonly #controller = new AbortController();
  readonly #removals: (() => void)[] = [];
  #deadline: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    for (const [name, number] of SIGNALS) {
      const listener = () => this.#caught(number);
      try {
        Deno.addSignalListener(name, listener);
        this.#removals.push(() => Deno.removeSignalListener(name, listener));
      } catch {
        // Windows knows no SIGTERM.
      }
    }
  }

  /** Aborts at the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  #caught(number: number): void {
    // What a shell expects of a program that a signal ended.
    if (this.signal.aborted) Deno.exit(128 + number);
    this.#deadline = setTimeout(() => Deno.exit(0), DEADLINE_MS);
    this.#controller.abort(new DOMException("stopped by a signal", "AbortError"));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#deadline);
    for (const remove of this.#removals.splice(0)) remove();
  }
}
