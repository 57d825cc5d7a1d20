/**
 * One table's sealed chunks, compressed, in a temporary file: each is read from the store once, and
 * sent from here however often it is asked for.
 *
 * @module
 */

import { basename, dirname } from "node:path";
import { Semaphore } from "../base/semaphore.ts";
import { TemporaryFile } from "../base/temporary_file.ts";
import type { Bytes } from "./lines.ts";

/** Where the bytes of a chunk lie; good for as long as somebody holds it. */
export interface StoredBytes {
  readonly lengthBytes: number;
  read(fromByte: number, lengthBytes: number): Promise<Bytes>;
}

/** A temporary file that several read at once. */
class ChunkFile {
  readonly #file: TemporaryFile;
  /** A read seeks first: two at the same time would read each other's bytes. */
  readonly #turn = new Semaphore(1);
  #end = 0;

  constructor(file: TemporaryFile) {
    this.#file = file;
  }

  async append(bytes: Bytes): Promise<StoredBytes> {
    const leave = await this.#turn.enter();
    try {
      const at = this.#end;
      this.#end = await this.#file.write(bytes, at);
      return {
        lengthBytes: bytes.length,
        read: (fromByte, lengthBytes) => this.#read(at + fromByte, lengthBytes),
      };
    } finally {
      leave();
    }
  }

  async #read(from: number, lengthBytes: number): Promise<Bytes> {
    const leave = await this.#turn.enter();
    try {
      const bytes = new Uint8Array(lengthBytes);
      const filled = await this.#file.read(bytes, from);
      if (filled < lengthBytes) throw new Error("a chunk of the feed lacks bytes");
      return bytes;
    } finally {
      leave();
    }
  }

  async close(): Promise<void> {
    const leave = await this.#turn.enter();
    this.#file[Symbol.dispose]();
    leave();
  }
}

export class ChunkStore {
  readonly #beside: string | null;
  #opening: Promise<ChunkFile> | null = null;
  /** Files whose chunks are not offered any more, while answers of them may be under way. */
  #old: Promise<ChunkFile>[] = [];

  /** @param beside the store's file, where the space for as much again is; null: temporary files' */
  constructor(beside: string | null) {
    this.#beside = beside;
  }

  async append(bytes: Bytes): Promise<StoredBytes> {
    this.#opening ??= this.#create();
    return await (await this.#opening).append(bytes);
  }

  /** Begins again; what was stored before the last time is gone. */
  async drop(): Promise<void> {
    const gone = this.#old;
    this.#old = this.#opening === null ? [] : [this.#opening];
    this.#opening = null;
    for (const file of gone) await (await file).close();
  }

  async close(): Promise<void> {
    await this.drop();
    await this.drop();
  }

  async #create(): Promise<ChunkFile> {
    const beside = this.#beside;
    const file = beside === null
      ? await TemporaryFile.create("lockstep-feed-")
      : await TemporaryFile.create(`${basename(beside)}-feed-`, dirname(beside));
    return new ChunkFile(file);
  }
}
