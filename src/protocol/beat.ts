/**
 * Signs of life in a feed: blank lines that tell how old the feed's own copy is.
 *
 * A blank line says that the connection lives. To a reader that asks with `lockstep-beat: SECONDS`
 * (or `?beat=SECONDS`) it also says how long ago the origin was last heard of: by its blanks, a tenth
 * of a second each, which are no content to any reader of lines of JSON. Such a reader counts its
 * last contact from there, and from the answer's header `lockstep-age`, but not from the arrival of
 * rows: what comes along a chain of copies never looks fresher than the origin's last word.
 *
 * ```text
 * " ".repeat(1 + tenths of a second, rounded up) + "\n"
 * ```
 *
 * Pure.
 *
 * @module
 */

/** What one blank of a beat stands for, in milliseconds. */
const BLANK_MS = 100;

/** Blanks at most: ten minutes. What is older sends no beats. */
const MOST_BLANKS = 6_000;

const SPACE = 0x20;
const NEWLINE = 0x0a;

/** A beat's bytes. */
export function beatOf(ageMs: number): string {
  const blanks = Math.min(MOST_BLANKS, 1 + Math.ceil(Math.max(0, ageMs) / BLANK_MS));
  return " ".repeat(blanks) + "\n";
}

/** Reads the beats in a stream of lines of JSON, whatever its chunks are. */
export class BeatReader {
  /** Blanks since the line began; null in a line that holds something else. */
  #blanks: number | null = 0;

  /** The age that the last beat of the chunk tells, in milliseconds; null where there is none. */
  push(chunk: Uint8Array): number | null {
    let age: number | null = null;
    for (let at = 0; at < chunk.length;) {
      if (this.#blanks === null) {
        // Most bytes are those of records: the native search goes over them.
        const end = chunk.indexOf(NEWLINE, at);
        if (end < 0) break;
        this.#blanks = 0;
        at = end + 1;
        continue;
      }
      const byte = chunk[at++];
      if (byte === SPACE) this.#blanks++;
      else if (byte !== NEWLINE) this.#blanks = null;
      else {
        if (this.#blanks > 0) age = (this.#blanks - 1) * BLANK_MS;
        this.#blanks = 0;
      }
    }
    return age;
  }
}
