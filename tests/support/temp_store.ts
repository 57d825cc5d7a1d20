/**
 * A temporary folder with a Deno KV store in it, gone when the test ends.
 *
 * @module
 */

import { join } from "node:path";

/** A folder for one test. */
export class TempFolder implements AsyncDisposable {
  private constructor(
    /** Absolute path. */
    readonly path: string,
  ) {}

  static async create(): Promise<TempFolder> {
    return new TempFolder(await Deno.makeTempDir({ prefix: "lockstep-test-" }));
  }

  /** Path of a file in it. */
  file(name: string): string {
    return join(this.path, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/**
 * A place for one store. Nothing is made until it is opened.
 *
 * @example
 * ```ts
 * import { TempStore } from "./temp_store.ts";
 * await using store = await TempStore.create();
 * const kv = await store.open(); // closed with the store
 * await kv.set(["servers", 1], { id: 1 });
 * ```
 */
export class TempStore implements AsyncDisposable {
  readonly #handles: Deno.Kv[] = [];

  private constructor(
    readonly folder: TempFolder,
    /** Path of the KV file: what `--kv` takes. */
    readonly path: string,
  ) {}

  static async create(): Promise<TempStore> {
    const folder = await TempFolder.create();
    return new TempStore(folder, folder.file("replica.kv"));
  }

  /** Another handle on the store, as a program of one's own would open it. */
  async open(): Promise<Deno.Kv> {
    const kv = await Deno.openKv(this.path);
    this.#handles.push(kv);
    return kv;
  }

  /** Everything in the store, or below a prefix, through a handle of its own. */
  async entries(prefix: Deno.KvKey = []): Promise<Deno.KvEntry<unknown>[]> {
    using kv = await Deno.openKv(this.path);
    return await Array.fromAsync(kv.list({ prefix }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const kv of this.#handles) {
      try {
        kv.close();
      } catch (error) {
        // The test closed it already, which is fine.
        if (!(error instanceof Deno.errors.BadResource)) throw error;
      }
    }
    await this.folder[Symbol.asyncDispose]();
  }
}
