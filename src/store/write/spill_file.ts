/**
 * Rows of a window that don't fit in memory: sorted runs in a temporary file.
 *
 * @module
 */

import { basename, dirname } from "node:path";
import { TemporaryFile } from "../../base/temporary_file.ts";
import type { RecordShape, Row } from "../../protocol/record.ts";
import { type BlockSource, mergeBlocks } from "../../base/merge_blocks.ts";
import { compareKeys } from "../kv/key_order.ts";
import { type PackedRows, parseList, type TextList } from "./packed_rows.ts";
import { newestPerKey, pick, rowArrivals } from "./newest_per_key.ts";

/** Bytes written at once. */
const WRITE_BYTES = 2 ** 18;

/** Bytes of a text's size. */
const SIZE_BYTES = Uint32Array.BYTES_PER_ELEMENT;

/** Rows that come in key order, one a key, some at a time; none at their end. */
export type RowSource = BlockSource<Row>;

/** The place of a list in the file: the sizes of its texts, and then the list. */
interface Place {
  readonly from: number;
  readonly bytes: number;
  readonly rows: number;
}

/** A temporary file of sorted runs. */
export class SpillFile implements Disposable {
  readonly #file: TemporaryFile;
  readonly #runs: Place[][] = [];
  #end = 0;

  private constructor(file: TemporaryFile) {
    this.#file = file;
  }

  /** Makes one beside a store: there is the space for what will be in the store. */
  static async create(store: string): Promise<SpillFile> {
    const file = await TemporaryFile.create(`${basename(store)}-window-`, dirname(store));
    return new SpillFile(file);
  }

  get runs(): number {
    return this.#runs.length;
  }

  /** Writes a run: rows in key order, one a key. What fails to be written is no run, and no file. */
  async write(rows: PackedRows, positions: Uint32Array): Promise<void> {
    try {
      await this.#writeRun(rows, positions);
    } catch (error) {
      // A full disk: the store needs the space.
      await this.#file.truncate(this.#end);
      throw error;
    }
  }

  async #writeRun(rows: PackedRows, positions: Uint32Array): Promise<void> {
    const run: Place[] = [];
    const buffer = new Uint8Array(WRITE_BYTES);
    let filled = 0;
    let at = this.#end;
    for (const list of rows.listsAt(positions)) {
      const piece = pieceOf(list);
      run.push({ from: at + filled, bytes: piece.length, rows: list.sizes.length });
      if (filled + piece.length > buffer.length) {
        at = await this.#file.write(buffer.subarray(0, filled), at);
        filled = 0;
      }
      if (piece.length > buffer.length) at = await this.#file.write(piece, at);
      else {
        buffer.set(piece, filled);
        filled += piece.length;
      }
    }
    this.#end = await this.#file.write(buffer.subarray(0, filled), at);
    this.#runs.push(run);
  }

  /** The runs, in the order in which they were written. */
  sources(shape: RecordShape): RowSource[] {
    return this.#runs.map((run) => {
      const places = run.values();
      return {
        next: async () => {
          const { value } = places.next();
          return value === undefined ? [] : parseList(await this.#read(value), shape);
        },
      };
    });
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  async #read({ from, bytes, rows }: Place): Promise<TextList> {
    const piece = new Uint8Array(bytes);
    if (await this.#file.read(piece, from) < bytes) {
      throw new Error("the temporary file of a window was cut short");
    }
    const sizes = new Uint32Array(piece.buffer, 0, rows);
    return { sizes, bytes: piece.subarray(rows * SIZE_BYTES) };
  }
}

function pieceOf({ bytes, sizes }: TextList): Uint8Array {
  const head = Uint32Array.from(sizes);
  const piece = new Uint8Array(head.byteLength + bytes.length);
  piece.set(new Uint8Array(head.buffer));
  piece.set(bytes, head.byteLength);
  return piece;
}

/**
 * Merges sources, the winner of each key only: the greatest order, and of equal orders the one of
 * the later source.
 */
export async function* merged(sources: readonly RowSource[]): AsyncGenerator<Row[]> {
  for await (const block of mergeBlocks(sources, (a, b) => compareKeys(a.key, b.key))) {
    yield pick(block, newestPerKey(rowArrivals(block)));
  }
}
