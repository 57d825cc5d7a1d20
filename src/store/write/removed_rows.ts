/**
 * What a sweep removes, kept beside the store: NDJSON that only its owner may read.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import type { JsonObject } from "../../protocol/record.ts";
import { stringifyJson } from "../../protocol/json_text.ts";

/** Files that are kept for each table. */
const FILES_KEPT = 3;

/** What the files of a table's sweeps are called, but for the time and the end. */
function prefixOf(store: string, table: string): string {
  // A table's name may hold what a file's can't.
  return `${basename(store)}.${encodeURIComponent(table).slice(0, 120)}.removed-`;
}

const SUFFIX = ".ndjson";

/** A file of rows that are about to be removed; made with the first of them. */
export class RemovedRows implements Disposable {
  readonly #folder: string;
  readonly #prefix: string;
  readonly #time: number;
  #file: Deno.FsFile | null = null;
  /** Where the rows are; null before the first. */
  path: string | null = null;

  /**
   * @param store the store's file
   * @param time milliseconds since the Unix epoch
   */
  constructor(store: string, table: string, time: number) {
    this.#folder = dirname(store);
    this.#prefix = prefixOf(store, table);
    this.#time = time;
  }

  /** Writes rows; they are on the disk when this resolves. */
  async add(rows: readonly JsonObject[]): Promise<void> {
    if (rows.length === 0) return;
    const file = this.#file ??= await this.#create();
    let rest = new TextEncoder().encode(rows.map((row) => `${stringifyJson(row)}\n`).join(""));
    while (rest.length > 0) rest = rest.subarray(await file.write(rest));
    await file.syncData();
  }

  async #create(): Promise<Deno.FsFile> {
    const time = new Date(this.#time).toISOString().replaceAll(/[:.]/g, "");
    for (let n = 0;; n++) {
      const name = `${this.#prefix}${time}${n === 0 ? "" : `-${n}`}${SUFFIX}`;
      const path = join(this.#folder, name);
      try {
        const file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
        this.path = path;
        return file;
      } catch (error) {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      }
    }
  }

  /** Removes all but the newest files of the table's sweeps. */
  async prune(): Promise<void> {
    const names: string[] = [];
    for await (const { name, isFile } of Deno.readDir(this.#folder)) {
      if (isFile && name.startsWith(this.#prefix) && name.endsWith(SUFFIX)) names.push(name);
    }
    for (const name of names.sort().slice(0, -FILES_KEPT)) {
      await Deno.remove(join(this.#folder, name)).catch(() => {
        // Gone already, or not ours to remove: the next sweep tries again.
      });
    }
  }

  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = null;
  }
}
