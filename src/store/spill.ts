/**
 * Where a window's rows wait that don't fit in memory: sorted runs in a temporary file.
 *
 * The file has no name any more as soon as it is open (where the system allows that), so that
 * nothing is left of it, however the process ends.
 *
 * @module
 */

import { basename, dirname } from "node:path";
import type { RecordShape, Row } from "../protocol/record.ts";
import { compareKeys } from "./key_order.ts";
import { type Packed, parseList, type TextList } from "./packed.ts";
import { pick, rowArrivals, winners } from "./winners.ts";

/** Bytes written at once. */
const WRITE_BYTES = 2 ** 18;

/** Bytes of a text's size. */
const SIZE_BYTES = Uint32Array.BYTES_PER_ELEMENT;

/** Rows that come in key order, one a key, some at a time; none at their end. */
export interface RowSource {
  next(): Promise<readonly Row[]>;
}

/** Where a list lies in the file: the sizes of its texts, and then the list. */
interface Place {
  readonly from: number;
  readonly bytes: number;
  readonly rows: number;
}

/** A temporary file of sorted runs. */
export class SpillFile implements Disposable {
  readonly #file: Deno.FsFile;
  /** Null where it has no name any more. */
  #path: string | null;
  readonly #runs: Place[][] = [];
  #end = 0;

  private constructor(file: Deno.FsFile, path: string | null) {
    this.#file = file;
    this.#path = path;
  }

  /** Makes one beside a store: there is the space for what will be in the store. */
  static async create(store: string): Promise<SpillFile> {
    const options = { dir: dirname(store), prefix: `${basename(store)}-window-` };
    const path = await Deno.makeTempFile(options);
    try {
      const file = await Deno.open(path, { read: true, write: true });
      const isNameless = await Deno.remove(path).then(() => true, () => false);
      return new SpillFile(file, isNameless ? null : path);
    } catch (error) {
      await Deno.remove(path).catch(() => {});
      throw error;
    }
  }

  get runs(): number {
    return this.#runs.length;
  }

  /** Writes a run: rows in key order, one a key. What fails to be written is no run, and no file. */
  async write(rows: Packed, positions: Uint32Array): Promise<void> {
    try {
      await this.#writeRun(rows, positions);
    } catch (error) {
      // A full disk: the store needs the space.
      await this.#file.truncate(this.#end);
      throw error;
    }
  }

  async #writeRun(rows: Packed, positions: Uint32Array): Promise<void> {
    const run: Place[] = [];
    const buffer = new Uint8Array(WRITE_BYTES);
    let filled = 0;
    let at = this.#end;
    for (const list of rows.listsAt(positions)) {
      const piece = pieceOf(list);
      run.push({ from: at + filled, bytes: piece.length, rows: list.sizes.length });
      if (filled + piece.length > buffer.length) {
        at = await this.#write(buffer.subarray(0, filled), at);
        filled = 0;
      }
      if (piece.length > buffer.length) at = await this.#write(piece, at);
      else {
        buffer.set(piece, filled);
        filled += piece.length;
      }
    }
    this.#end = await this.#write(buffer.subarray(0, filled), at);
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
    this.#file.close();
    if (this.#path === null) return;
    try {
      Deno.removeSync(this.#path);
    } catch {
      // It is a temporary file.
    }
    this.#path = null;
  }

  /** Returns where the next byte goes. */
  async #write(bytes: Uint8Array, at: number): Promise<number> {
    await this.#file.seek(at, Deno.SeekMode.Start);
    for (let rest = bytes; rest.length > 0;) {
      rest = rest.subarray(await this.#file.write(rest));
    }
    return at + bytes.length;
  }

  async #read({ from, bytes, rows }: Place): Promise<TextList> {
    const piece = new Uint8Array(bytes);
    await this.#file.seek(from, Deno.SeekMode.Start);
    for (let at = 0; at < bytes;) {
      const read = await this.#file.read(piece.subarray(at));
      if (read === null) throw new Error("the temporary file of a window was cut short");
      at += read;
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
 *
 * All rows up to the least of the keys that the sources' parts end with are here: they are sorted at
 * once, which beats going row by row.
 */
export async function* merged(sources: readonly RowSource[]): AsyncGenerator<Row[]> {
  let heads = sources.map((source) => ({ source, rows: [] as readonly Row[], at: 0 }));
  for (;;) {
    for (const head of heads) {
      if (head.at < head.rows.length) continue;
      head.rows = await head.source.next();
      head.at = 0;
    }
    heads = heads.filter(({ rows }) => rows.length > 0);
    const ends = heads.map(({ rows }) => rows.at(-1)?.key ?? []);
    const [first] = ends;
    if (first === undefined) return;
    const bound = ends.reduce((least, key) => compareKeys(key, least) < 0 ? key : least, first);
    const block: Row[] = [];
    for (const head of heads) {
      for (; head.at < head.rows.length; head.at++) {
        const row = head.rows[head.at];
        if (row === undefined || compareKeys(row.key, bound) > 0) break;
        block.push(row);
      }
    }
    yield pick(block, winners(rowArrivals(block)));
  }
}
