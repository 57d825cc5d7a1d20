/**
 * A window: the rows gathered between two commits, handed out sorted by key with one row a key.
 *
 * Why sort: a commit whose keys are scattered touches one B-tree page a row, and that, not the
 * fsync, is then what a commit costs. Rows that are neighbours in the store share pages, and the
 * more of a table a window covers, the more of them are.
 *
 * So a window of scattered keys should be large, and has to be small in memory: from a few
 * thousand rows on it keeps each as the bytes of its JSON text, a third of what the parsed object
 * takes, and parses it again when its turn comes. The commits are what is slow there, not the
 * parser.
 *
 * @module
 */

import { maxOrder, type Order } from "../protocol/cursor.ts";
import { MAX_DEPTH, parseJson, stringifyJson } from "../protocol/json_text.ts";
import { readRow, type RecordShape, type Row } from "../protocol/record.ts";
import type { Reject, RowBatch } from "../stream/rows.ts";
import { compareKeys } from "./key_order.ts";
import { type Arrivals, type Bare, bare, winners } from "./winners.ts";

/** Rows from which a window of scattered keys is packed. */
const PACKED_FROM = 5_000;

/** Bytes of a block of texts. */
const BLOCK_BYTES = 2 ** 20;

/** Numbers of a column's first piece: a window's worth and a chunk's, so that few columns grow. */
const COLUMN_NUMBERS = 105_000;

/** Blocks and columns kept for the next window, so that windows leave no garbage. */
const spareBlocks: Uint8Array[] = [];
const spareNumbers: Float64Array[] = [];
const SPARE_BLOCKS = 40;
const SPARE_NUMBERS = 6;

/** Where short texts become one list, which is parsed at once; they all but share its price. */
const scratch = new Uint8Array(2 ** 16);
const OPENING = 0x5b;
const COMMA = 0x2c;
const CLOSING = 0x5d;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A list that takes eight bytes a value as long as all of them are numbers. */
class Column<Value> {
  #numbers: Float64Array | null = spareNumbers.pop() ?? new Float64Array(COLUMN_NUMBERS);
  #values: (Value | number)[] = [];
  length = 0;

  push(value: Value | number): void {
    const numbers = this.#numbers;
    if (numbers === null) this.#values.push(value);
    else if (typeof value === "number") {
      if (this.length === numbers.length) {
        this.#numbers = new Float64Array(2 * this.length);
        this.#numbers.set(numbers);
      }
      (this.#numbers ?? numbers)[this.length] = value;
    } else {
      this.#values = Array.from(numbers.subarray(0, this.length));
      this.#values.push(value);
      this.free();
    }
    this.length++;
  }

  at(index: number): Value | number | undefined {
    return this.#numbers === null ? this.#values[index] : this.#numbers[index];
  }

  free(): void {
    const numbers = this.#numbers;
    this.#numbers = null;
    if (numbers?.length === COLUMN_NUMBERS && spareNumbers.length < SPARE_NUMBERS) {
      spareNumbers.push(numbers);
    }
  }
}

/**
 * Rows kept as JSON texts in blocks of bytes, and their keys and orders in columns: what the
 * garbage collector would have to walk and to copy, were each an object, are a few arrays.
 */
class Packed implements Arrivals {
  /** The only part of a key, or a composite key. */
  readonly #keys = new Column<Bare>();
  readonly #orders = new Column<Order>();
  readonly #blocks: Uint8Array[] = [];
  /** Where each text lies, as {@linkcode placeOf} says. */
  readonly #places = new Column<number>();
  #end = 0;

  get length(): number {
    return this.#keys.length;
  }

  push(row: Row): void {
    this.#keys.push(bare(row.key));
    this.#orders.push(row.order);
    const text = stringifyJson(row.value);
    // A UTF-16 unit makes three bytes at most.
    const most = text.length * 3;
    if (most >= BLOCK_BYTES) {
      this.#places.push(placeOf(this.#blocks.push(encoder.encode(text)) - 1, 0, 0));
      // The next text begins a block.
      this.#end = BLOCK_BYTES;
      return;
    }
    let block = this.#blocks.at(-1);
    if (block === undefined || this.#end + most > BLOCK_BYTES) {
      block = spareBlocks.pop() ?? new Uint8Array(BLOCK_BYTES);
      this.#blocks.push(block);
      this.#end = 0;
    }
    const { written } = encoder.encodeInto(text, block.subarray(this.#end));
    this.#places.push(placeOf(this.#blocks.length - 1, this.#end, written));
    this.#end += written;
  }

  keyAt(at: number): Bare {
    return this.#keys.at(at) ?? [];
  }

  orderAt(at: number): Order {
    return this.#orders.at(at) ?? 0;
  }

  /** The rows at some positions. Those whose texts are short are parsed many at a time. */
  rowsAt(positions: Uint32Array, shape: RecordShape): Row[] {
    const rows: Row[] = [];
    const sizes: number[] = [];
    let end = 1;
    const parse = () => {
      if (sizes.length === 0) return;
      // In the place of the last comma.
      scratch[end - 1] = CLOSING;
      const values = parseJson(decoder.decode(scratch.subarray(0, end)), MAX_DEPTH + 1);
      for (const [i, value] of Array.isArray(values) ? values.entries() : []) {
        const row = readRow(value, sizes[i] ?? 0, shape);
        if (typeof row === "object") rows.push(row);
      }
      sizes.length = 0;
      end = 1;
    };
    scratch[0] = OPENING;
    for (const at of positions) {
      const bytes = this.#bytesAt(at);
      if (end + bytes.length >= scratch.length) parse();
      if (end + bytes.length < scratch.length) {
        scratch.set(bytes, end);
        end += bytes.length;
        scratch[end++] = COMMA;
        sizes.push(bytes.length);
        continue;
      }
      const row = readRow(parseJson(decoder.decode(bytes)), bytes.length, shape);
      if (typeof row === "object") rows.push(row);
    }
    parse();
    return rows;
  }

  #bytesAt(at: number): Uint8Array {
    const place = this.#places.at(at) ?? 0;
    const size = place % BLOCK_BYTES;
    const rest = (place - size) / BLOCK_BYTES;
    const from = rest % BLOCK_BYTES;
    const block = this.#blocks[(rest - from) / BLOCK_BYTES] ?? scratch;
    return size === 0 ? block : block.subarray(from, from + size);
  }

  /** Gives blocks and columns to the next window. */
  free(): void {
    for (const block of this.#blocks.splice(0)) {
      if (block.length === BLOCK_BYTES && spareBlocks.length < SPARE_BLOCKS) {
        spareBlocks.push(block);
      }
    }
    for (const column of [this.#keys, this.#orders, this.#places]) column.free();
  }
}

/**
 * The place of a text in one exact double: its block, its first byte, and how many it has; 0 for a
 * text that has a block of its own.
 */
function placeOf(block: number, from: number, size: number): number {
  return (block * BLOCK_BYTES + from) * BLOCK_BYTES + size;
}

/** How a window keeps its rows. */
export interface WindowOptions {
  readonly shape: RecordShape;
  /** Whether a row follows from its stored value; false where it is transformed. */
  readonly canPack: boolean;
}

/** Rows in the order of their arrival, until they are taken. */
export class Window {
  readonly #options: WindowOptions;
  rejects: Reject[] = [];
  /** Sum of the rows' and rejects' lengths, in UTF-16 units: what memory is bounded by. */
  length = 0;
  /** Whether every key came after the one before it: then there is nothing to gain from waiting. */
  ascending = true;
  maxOrder: Order | null = null;
  #rows: Row[] = [];
  #packed: Packed | null = null;
  /** Rows that gave way to one of the same key; known once the first slice is handed out. */
  superseded = 0;
  /** Rows not handed out yet. */
  left = 0;

  constructor(options: WindowOptions) {
    this.#options = options;
  }

  get empty(): boolean {
    return this.left === 0 && this.rejects.length === 0;
  }

  add(batch: RowBatch): void {
    for (const row of batch.rows) this.#push(row);
    for (const reject of batch.rejects) {
      this.rejects.push(reject);
      this.length += reject.text.length;
    }
    this.maxOrder = maxOrder(this.maxOrder, batch.maxOrder);
    if (this.#options.canPack && !this.ascending && this.#rows.length >= PACKED_FROM) {
      this.#packed = new Packed();
      for (const row of this.#rows.splice(0)) this.#packed.push(row);
    }
  }

  /** Takes the oldest rows, and all rejects, into a window of their own; not from a packed one. */
  take(rows: number): Window {
    const taken = new Window(this.#options);
    for (const row of this.#rows.splice(0, rows)) {
      taken.#push(row);
      taken.maxOrder = maxOrder(taken.maxOrder, row.order);
      this.length -= row.length;
    }
    this.left -= taken.left;
    for (const reject of this.rejects) this.length -= reject.text.length;
    taken.rejects = this.rejects;
    this.rejects = [];
    // `ascending` and `maxOrder` may only be too cautious for what is left.
    return taken;
  }

  get isPacked(): boolean {
    return this.#packed !== null;
  }

  /**
   * Hands the rows out in key order, so many at a time, the winner of each key only: the greatest
   * order, and of equal orders the one that came last. A window is handed out once.
   */
  *slices(size: number): Generator<Row[]> {
    const packed = this.#packed;
    const rows = this.#rows;
    const winning = this.ascending ? null : winners(packed ?? arrivals(rows));
    const count = winning?.length ?? rows.length;
    this.superseded = this.left - count;
    this.left = count;
    for (let from = 0; from < count; from += size) {
      const to = Math.min(from + size, count);
      this.left = count - to;
      const positions = winning?.subarray(from, to);
      if (positions === undefined) yield rows.slice(from, to);
      else if (packed === null) {
        yield Array.from(positions, (at) => rows[at]).filter((row) => row !== undefined);
      } else {
        const slice = packed.rowsAt(positions, this.#options.shape);
        if (to === count) packed.free();
        yield slice;
      }
    }
  }

  #push(row: Row): void {
    if (this.#packed !== null) this.#packed.push(row);
    else {
      if (this.ascending) {
        const last = this.#rows.at(-1);
        this.ascending = last === undefined || compareKeys(last.key, row.key) < 0;
      }
      this.#rows.push(row);
    }
    this.left++;
    this.length += row.length;
  }
}

function arrivals(rows: readonly Row[]): Arrivals {
  return {
    length: rows.length,
    keyAt: (at) => bare(rows[at]?.key ?? []),
    orderAt: (at) => rows[at]?.order ?? 0,
  };
}
