/**
 * Rows in little memory: as the bytes of their JSON texts, a third of what the parsed objects take.
 *
 * @module
 */

import type { Order } from "../../protocol/cursor.ts";
import { MAX_DEPTH, parseJson, stringifyJson } from "../../protocol/json_text.ts";
import { readRow, type RecordShape, type Row } from "../../protocol/record.ts";
import { type Arrivals, type Bare, bare } from "./newest_per_key.ts";

/** Bytes of a block of texts. */
const BLOCK_BYTES = 2 ** 20;

/** Numbers of a column's first piece: a window's worth and a chunk's, so that few columns grow. */
const COLUMN_NUMBERS = 53_000;

/** Blocks and columns kept for the next window, two windows' worth, so that windows leave no garbage. */
const spareBlocks: Uint8Array[] = [];
const spareNumbers: Float64Array[] = [];
const SPARE_BLOCKS = 16;
const SPARE_NUMBERS = 6;

/** Bytes of a list of texts. Parsing one by one costs twice as much as parsing such a list. */
const LIST_BYTES = 2 ** 14;

/** The buffer in which lists are put together. */
const shortList = new Uint8Array(LIST_BYTES);
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
export class PackedRows implements Arrivals {
  /** The only part of a key, or a composite key. */
  readonly #keys = new Column<Bare>();
  readonly #orders = new Column<Order>();
  readonly #blocks: Uint8Array[] = [];
  /** The place of each text, as {@linkcode placeOf} says. */
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

  /** The rows at some positions. */
  rowsAt(positions: Uint32Array, shape: RecordShape): Row[] {
    const rows: Row[] = [];
    for (const list of this.listsAt(positions)) rows.push(...parseList(list, shape));
    return rows;
  }

  /** The texts at some positions, as lists; each is to be used before the next is asked for. */
  *listsAt(positions: Uint32Array): Generator<TextList> {
    let list = shortList;
    let sizes: number[] = [];
    let end = 1;
    for (const at of positions) {
      const text = this.#textAt(at);
      if (sizes.length > 0 && end + text.length >= list.length) {
        yield ended(list, end, sizes);
        list = shortList;
        sizes = [];
        end = 1;
      }
      // A text that is longer than that is a list of its own.
      if (end + text.length >= list.length) list = new Uint8Array(text.length + 2);
      list.set(text, end);
      end += text.length;
      list[end++] = COMMA;
      sizes.push(text.length);
    }
    if (sizes.length > 0) yield ended(list, end, sizes);
  }

  #textAt(at: number): Uint8Array {
    const place = this.#places.at(at) ?? 0;
    const size = place % BLOCK_BYTES;
    const rest = (place - size) / BLOCK_BYTES;
    const from = rest % BLOCK_BYTES;
    const block = this.#blocks[(rest - from) / BLOCK_BYTES] ?? shortList;
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

/** Rows as the text of one JSON list. */
export interface TextList {
  readonly bytes: Uint8Array;
  /** Bytes of each row's text. */
  readonly sizes: ArrayLike<number>;
}

/** @param end behind the last comma */
function ended(list: Uint8Array, end: number, sizes: number[]): TextList {
  list[0] = OPENING;
  list[end - 1] = CLOSING;
  return { bytes: list.subarray(0, end), sizes };
}

/** The rows of a list; their lengths are those of their texts in bytes. */
export function parseList({ bytes, sizes }: TextList, shape: RecordShape): Row[] {
  const rows: Row[] = [];
  const values = parseJson(decoder.decode(bytes), MAX_DEPTH + 1);
  for (const [i, value] of Array.isArray(values) ? values.entries() : []) {
    const row = readRow(value, sizes[i] ?? 0, shape);
    if (typeof row === "object") rows.push(row);
  }
  return rows;
}

/**
 * The place of a text in one exact double: its block, its first byte, and how many it has; 0 for a
 * text that has a block of its own.
 */
function placeOf(block: number, from: number, size: number): number {
  return (block * BLOCK_BYTES + from) * BLOCK_BYTES + size;
}
