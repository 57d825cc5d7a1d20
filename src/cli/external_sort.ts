/**
 * Sorts any number of lines by order in bounded memory.
 *
 * What fits into {@linkcode RUN_CHARS} is sorted in memory. Beyond that, sorted runs go to
 * temporary files and are merged: memory stays at one run while reading and one buffer a run while
 * merging (64 KiB: 10 million rows of 110 bytes make 35 runs, about 3 MB), at the price of the
 * table's size on the temporary disk. Reading each row once also keeps the result sorted when a
 * writer changes rows meanwhile.
 *
 * @module
 */

import { TemporaryFile } from "../base/temporary_file.ts";
import { compareOrder, type Order } from "../protocol/cursor.ts";
import { parseJson, stringifyJson } from "../protocol/json_text.ts";

/** Characters held before a run is written: 32 Mi, so at most about 64 MB. */
const RUN_CHARS = 32 * 1024 * 1024;

/** Characters gathered before a run's file is written to. */
const WRITE_CHARS = 256 * 1024;

/** Bytes read from a run's file at once. */
const READ_BYTES = 64 * 1024;

interface Line {
  readonly order: Order;
  readonly text: string;
}

/** Takes lines, then gives them back sorted; equal orders keep the order of their arrival. */
export class ExternalSort implements Disposable {
  readonly #runChars: number;
  readonly #runs: TemporaryFile[] = [];
  #lines: Line[] = [];
  #chars = 0;

  constructor(runChars: number = RUN_CHARS) {
    this.#runChars = runChars;
  }

  /** @param text one line, without a line break in it */
  async add(order: Order, text: string): Promise<void> {
    this.#lines.push({ order, text });
    this.#chars += text.length;
    if (this.#chars >= this.#runChars) await this.#writeRun();
  }

  /** Every line, sorted. */
  async *sorted(): AsyncGenerator<string> {
    const last = this.#take();
    if (this.#runs.length === 0) {
      for (const { text } of last) yield text;
      return;
    }
    const sources = [...this.#runs.map(readRun), inMemory(last)];
    yield* merged(sources);
  }

  /** Gives the temporary files back. */
  [Symbol.dispose](): void {
    this.#lines = [];
    for (const run of this.#runs.splice(0)) run[Symbol.dispose]();
  }

  #take(): Line[] {
    const lines = this.#lines.sort((a, b) => compareOrder(a.order, b.order));
    this.#lines = [];
    this.#chars = 0;
    return lines;
  }

  async #writeRun(): Promise<void> {
    const file = await TemporaryFile.create("lockstep-export-");
    this.#runs.push(file);
    const encoder = new TextEncoder();
    let pending = "";
    let at = 0;
    for (const { order, text } of this.#take()) {
      pending += `${stringifyJson(order)}\t${text}\n`;
      if (pending.length >= WRITE_CHARS) {
        at = await file.write(encoder.encode(pending), at);
        pending = "";
      }
    }
    await file.write(encoder.encode(pending), at);
  }
}

/** A run's lines, read as they are asked for. */
async function* readRun(file: TemporaryFile): AsyncGenerator<Line> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(READ_BYTES);
  let rest = "";
  for (let at = 0;;) {
    const read = await file.read(buffer, at);
    if (read === 0) return;
    at += read;
    const lines = (rest + decoder.decode(buffer.subarray(0, read), { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const tab = line.indexOf("\t");
      // Written by us: the order is a number, a bigint or a string.
      yield { order: parseJson(line.slice(0, tab)) as Order, text: line.slice(tab + 1) };
    }
  }
}

async function* inMemory(lines: readonly Line[]): AsyncGenerator<Line> {
  yield* lines;
}

/** Merges sorted sources; of equal orders, the earlier source's come first. */
async function* merged(sources: AsyncGenerator<Line>[]): AsyncGenerator<string> {
  const heap: { line: Line; rank: number; source: AsyncGenerator<Line> }[] = [];
  const isBefore = (a: number, b: number) => {
    const left = heap[a];
    const right = heap[b];
    if (left === undefined || right === undefined) return left !== undefined;
    const difference = compareOrder(left.line.order, right.line.order);
    return difference < 0 || (difference === 0 && left.rank < right.rank);
  };
  const swap = (a: number, b: number) => {
    const left = heap[a];
    const right = heap[b];
    if (left !== undefined && right !== undefined) [heap[a], heap[b]] = [right, left];
  };
  const sink = (from: number) => {
    for (let at = from;;) {
      const child = isBefore(2 * at + 2, 2 * at + 1) ? 2 * at + 2 : 2 * at + 1;
      if (child >= heap.length || !isBefore(child, at)) return;
      swap(at, child);
      at = child;
    }
  };
  try {
    for (const [rank, source] of sources.entries()) {
      const first = await source.next();
      if (!first.done) heap.push({ line: first.value, rank, source });
    }
    for (let at = heap.length >> 1; at >= 0; at--) sink(at);
    for (let top = heap[0]; top !== undefined; top = heap[0]) {
      yield top.line.text;
      const next = await top.source.next();
      if (next.done) {
        const last = heap.pop();
        if (last !== undefined && last !== top) heap[0] = last;
      } else {
        top.line = next.value;
      }
      sink(0);
    }
  } finally {
    for (const source of sources) await source.return(undefined);
  }
}
