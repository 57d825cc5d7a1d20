/**
 * Standard output and standard error: data to the one, words to the other.
 *
 * @module
 */

const encoder = new TextEncoder();

/** Bytes gathered before they are written: a system call a row would cost more than the row. */
const CHUNK_CHARS = 64 * 1024;

/** Writes a text to standard output, all of it. */
export async function writeOut(text: string): Promise<void> {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(await Deno.stdout.write(bytes));
}

/** Writes words to standard error at once; a standard error that is closed is no reason to fail. */
export function writeError(text: string): void {
  let bytes = encoder.encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(Deno.stderr.writeSync(bytes));
  } catch {
    // Nobody is there to be told.
  }
}

/** True for the error of writing to a pipe whose reader has gone. */
export function isClosedPipe(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe;
}

/** Lines to standard output, gathered into large writes. */
export class LineWriter {
  #pending = "";

  async line(text: string): Promise<void> {
    this.#pending += `${text}\n`;
    if (this.#pending.length >= CHUNK_CHARS) await this.flush();
  }

  async flush(): Promise<void> {
    const text = this.#pending;
    this.#pending = "";
    await writeOut(text);
  }
}
