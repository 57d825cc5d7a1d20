/**
 * A file for what memory is too small for.
 *
 * @module
 */

/**
 * A temporary file. It has no name any more as soon as it is open (where the system allows that),
 * so that nothing is left of it, however the process ends.
 */
export class TemporaryFile implements Disposable {
  readonly #file: Deno.FsFile;
  /** Null where it has no name any more. */
  #path: string | null;

  private constructor(file: Deno.FsFile, path: string | null) {
    this.#file = file;
    this.#path = path;
  }

  /**
   * Makes one that only this user may read.
   *
   * @param dir default: the system's folder for temporary files
   */
  static async create(prefix: string, dir?: string): Promise<TemporaryFile> {
    const path = await Deno.makeTempFile({ prefix, ...(dir === undefined ? {} : { dir }) });
    try {
      const file = await Deno.open(path, { read: true, write: true });
      const isNameless = await Deno.remove(path).then(() => true, () => false);
      return new TemporaryFile(file, isNameless ? null : path);
    } catch (error) {
      await Deno.remove(path).catch(() => {});
      throw error;
    }
  }

  /** Writes all of the bytes. Returns where the next byte goes. */
  async write(bytes: Uint8Array, at: number): Promise<number> {
    await this.#file.seek(at, Deno.SeekMode.Start);
    for (let rest = bytes; rest.length > 0;) {
      rest = rest.subarray(await this.#file.write(rest));
    }
    return at + bytes.length;
  }

  /** Reads into all of the bytes, or as many as there are. Returns how many. */
  async read(bytes: Uint8Array, from: number): Promise<number> {
    await this.#file.seek(from, Deno.SeekMode.Start);
    let filled = 0;
    while (filled < bytes.length) {
      const read = await this.#file.read(bytes.subarray(filled));
      if (read === null) break;
      filled += read;
    }
    return filled;
  }

  /** Gives up what lies behind a place. */
  async truncate(end: number): Promise<void> {
    await this.#file.truncate(end);
  }

  [Symbol.dispose](): void {
    this.#file.close();
    if (this.#path === null) return;
    try {
      Deno.removeSync(this.#path);
    } catch {
      // It is a temporary file.
    }
    this.#path = null;
  }
}
