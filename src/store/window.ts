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

import { compareOrder, maxOrder, type Order } from "../protocol/cursor.ts";
import { parseJson, stringifyJson } from "../protocol/json_text.ts";
import { type Key, type KeyPart, readRow, type RecordShape, type Row } from "../protocol/record.ts";
import type { Reject, RowBatch } from "../stream/rows.ts";
import { compareKeys } from "./key_order.ts";

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
class Packed {
  /** The only part of a key, or a composite key. */
  readonly #keys = new Column<KeyPart | Key>();
  readonly #orders = new Column<Order>();
  readonly #blocks: Uint8Array[] = [];
  /** Where each text lies, as {@linkcode placeOf} says. */
  readonly #places = new Column<number>();
  #end = 0;

  get length(): number {
    return this.#keys.length;
  }

  push(row: Row): void {
    const [only] = row.key;
    this.#keys.push(row.key.length === 1 && only !== undefined ? only : row.key);
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

  keyAt(at: number): Key {
    const key = this.#keys.at(at);
    return key === undefined ? [] : typeof key === "object" ? key : [key];
  }

  orderAt(at: number): Order {
    return this.#orders.at(at) ?? 0;
  }

  rowAt(at: number, shape: RecordShape): Row | null {
    const place = this.#places.at(at) ?? 0;
    const size = place % BLOCK_BYTES;
    const rest = (place - size) / BLOCK_BYTES;
    const from = rest % BLOCK_BYTES;
    const block = this.#blocks[(rest - from) / BLOCK_BYTES];
    const text = decoder.decode(size === 0 ? block : block?.subarray(from, from + size));
    const row = readRow(parseJson(text), text.length, shape);
    return typeof row === "string" ? null : row;
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
  /** Rows that gave way to one of the same key; complete when all slices are handed out. */
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
    const keyAt = packed === null
      ? (at: number): Key => this.#rows[at]?.key ?? []
      : (at: number): Key => packed.keyAt(at);
    const orderAt = packed === null
      ? (at: number): Order => this.#rows[at]?.order ?? 0
      : (at: number): Order => packed.orderAt(at);
    const count = packed === null ? this.#rows.length : packed.length;
    let slice: Row[] = [];
    let given = 0;
    for (const at of this.ascending ? positions(count) : winners(count, keyAt, orderAt)) {
      const row = packed === null ? this.#rows[at] : packed.rowAt(at, this.#options.shape);
      if (row === undefined || row === null) continue;
      slice.push(row);
      given++;
      if (slice.length < size) continue;
      this.left = count - given;
      yield slice;
      slice = [];
    }
    this.left = 0;
    this.superseded = count - given;
    packed?.free();
    if (slice.length > 0) yield slice;
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

function* positions(count: number): Generator<number> {
  for (let at = 0; at < count; at++) yield at;
}

/** Integers below 2^32 and fewer than 2^20 rows pack into one exact double: key, then position. */
const PACK = 2 ** 20;

/** Positions sorted by key, and by arrival within a key. */
function byKey(count: number, keyAt: (at: number) => Key): Iterable<number> {
  const packed = new Float64Array(count < PACK ? count : 0);
  for (let at = 0; at < packed.length; at++) {
    const key = keyAt(at);
    const part = key[0];
    const fits = key.length === 1 && typeof part === "number" && Number.isInteger(part) &&
      part >= 0 && part < 2 ** 32;
    if (!fits) {
      return Array.from({ length: count }, (_, i) => i).sort((a, b) =>
        compareKeys(keyAt(a), keyAt(b))
      );
    }
    packed[at] = part * PACK + at;
  }
  // A typed array sorts natively, five times as fast as a comparator in JavaScript.
  packed.sort();
  for (let i = 0; i < packed.length; i++) packed[i] = (packed[i] ?? 0) % PACK;
  return packed;
}

function* winners(
  count: number,
  keyAt: (at: number) => Key,
  orderAt: (at: number) => Order,
): Generator<number> {
  let best: number | null = null;
  for (const at of byKey(count, keyAt)) {
    if (best !== null && compareKeys(keyAt(best), keyAt(at)) === 0) {
      if (compareOrder(orderAt(at), orderAt(best)) >= 0) best = at;
      continue;
    }
    if (best !== null) yield best;
    best = at;
  }
  if (best !== null) yield best;
}
