/**
 * The keys that a resync's chain has brought: what they lack of the table is swept.
 *
 * Confirming a row costs no write this way. The keys are exact: with hashes, a row that the origin
 * no longer has might stay for ever. The latest are a set in memory; a full set becomes a sorted run
 * in a temporary file beside the store, and a sweep, which reads the table in key order, reads the
 * runs beside it. They are of use to one chain in one process: a crash begins a new one.
 *
 * ```text
 *  run:    block, block, …             in the order of keys
 *  block:  { length: u16, key }, …     some 16 KiB; its first key is in memory
 * ```
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { basename, dirname } from "node:path";
import { TemporaryFile } from "../../base/temporary_file.ts";
import type { Key } from "../../protocol/record.ts";
import { sortableKey } from "../kv/key_order.ts";

/** Keys in memory, some 100 bytes each. */
const RECENT_KEYS = 50_000;

/** Keys in memory at most where no file can be made. */
const MOST_KEYS = 2_000_000;

/** Bytes of a block, from which on it gets no more keys. */
const BLOCK_BYTES = 2 ** 14;

/** Bits of the filter (2 MiB): a million keys make 6 % of the look-ups in the file vain. */
const FILTER_BITS = 2 ** 24;

interface Block {
  readonly from: number;
  readonly bytes: number;
  /** Its first key. */
  readonly first: string;
}

/** FNV-1a, folded to the filter. */
function filterBit(name: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  h ^= h >>> 15;
  return (Math.imul(h, 0x2c1b3c6d) >>> 0) % FILTER_BITS;
}

function* keysOf(text: string): Generator<string> {
  for (let at = 0; at < text.length;) {
    const length = text.charCodeAt(at) * 256 + text.charCodeAt(at + 1);
    yield text.slice(at + 2, at + 2 + length);
    at += 2 + length;
  }
}

/** What limits the memory; tests pass less. */
export interface SeenKeysLimits {
  readonly recentKeys: number;
  readonly mostKeys: number;
}

export class SeenKeys implements Disposable {
  /** The store beside which a file is made; null for none. */
  readonly #beside: string | null;
  readonly #limits: SeenKeysLimits;
  #recent = new Set<string>();
  #file: TemporaryFile | null = null;
  #end = 0;
  readonly #runs: Block[][] = [];
  /** Which keys may be in the file; null while there is none. */
  #filter: Uint8Array | null = null;
  /** The file could not be written. */
  #hasFailed = false;
  #isLost = false;

  constructor(
    beside: string | null,
    limits: SeenKeysLimits = { recentKeys: RECENT_KEYS, mostKeys: MOST_KEYS },
  ) {
    this.#beside = beside;
    this.#limits = limits;
  }

  /** Whether some keys could not be kept: nothing can be told of what is missing. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Notes keys that the origin has sent. */
  add(keys: Iterable<Key>): Promise<void> | undefined {
    for (const key of keys) this.#recent.add(sortableKey(key));
    return this.#room();
  }

  /** Notes keys by their {@linkcode sortableKey} names. */
  addNames(names: Iterable<string>): Promise<void> | undefined {
    for (const name of names) this.#recent.add(name);
    return this.#room();
  }

  #room(): Promise<void> | undefined {
    return this.#recent.size < this.#limits.recentKeys ? undefined : this.#spill();
  }

  /** Whether the origin has sent this key. */
  async has(key: Key): Promise<boolean> {
    const name = sortableKey(key);
    return this.mayHave(name) && await this.hasName(name);
  }

  /** Whether the origin may have sent the key of this name: without a look at the file. */
  mayHave(name: string): boolean {
    if (this.#recent.has(name)) return true;
    if (this.#filter === null) return false;
    const bit = filterBit(name);
    return ((this.#filter[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
  }

  /** Whether the origin has sent the key of this name. */
  async hasName(name: string): Promise<boolean> {
    if (this.#recent.has(name)) return true;
    for (const run of this.#runs) {
      const block = run.findLast(({ first }) => first <= name);
      if (block === undefined) continue;
      for (const other of keysOf(await this.#read(block))) if (other === name) return true;
    }
    return false;
  }

  /** Reads the keys in their order, once. Nothing may be added meanwhile. */
  walk(): SeenWalk {
    const recent = [...this.#recent].sort();
    return new SeenWalk(recent, this.#runs, (block) => this.#read(block));
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
    this.#file = null;
    this.#recent.clear();
    this.#runs.length = 0;
    this.#isLost = true;
  }

  /** Writes what is in memory to the file, as a sorted run. */
  async #spill(): Promise<void> {
    if (this.#beside !== null && !this.#hasFailed) {
      const names = [...this.#recent].sort();
      const start = this.#end;
      try {
        this.#file ??= await TemporaryFile.create(
          `${basename(this.#beside)}-seen-`,
          dirname(this.#beside),
        );
        this.#runs.push(await this.#writeRun(this.#file, names));
        this.#mark(names);
        this.#recent.clear();
        return;
      } catch {
        // The disk is full, or the folder isn't writable: the store needs the space.
        this.#hasFailed = true;
        this.#end = start;
        await this.#file?.truncate(start).catch(() => {});
      }
    }
    if (this.#recent.size < this.#limits.mostKeys) return;
    this.#isLost = true;
    this.#recent.clear();
  }

  #mark(names: readonly string[]): void {
    this.#filter ??= new Uint8Array(FILTER_BITS / 8);
    for (const name of names) {
      const bit = filterBit(name);
      this.#filter[bit >> 3] = (this.#filter[bit >> 3] ?? 0) | (1 << (bit & 7));
    }
  }

  async #writeRun(file: TemporaryFile, names: readonly string[]): Promise<Block[]> {
    const blocks: Block[] = [];
    let parts: string[] = [];
    let bytes = 0;
    for (const [i, name] of names.entries()) {
      parts.push(String.fromCharCode(name.length >> 8, name.length & 255), name);
      bytes += 2 + name.length;
      if (bytes < BLOCK_BYTES && i < names.length - 1) continue;
      const first = parts[1] ?? name;
      blocks.push({ from: this.#end, bytes, first });
      this.#end = await file.write(Buffer.from(parts.join(""), "latin1"), this.#end);
      parts = [];
      bytes = 0;
    }
    return blocks;
  }

  async #read({ from, bytes }: Block): Promise<string> {
    const block = Buffer.alloc(bytes);
    const read = await this.#file?.read(block, from) ?? 0;
    if (read < bytes) throw new Error("the temporary file of a resync was cut short");
    return block.toString("latin1");
  }
}

/** One run as far as it is read: a block is read when its first key is due. */
interface Head {
  readonly blocks: readonly Block[];
  next: number;
  keys: readonly string[];
  at: number;
}

/** A walk over all seen keys beside one over the table, both in the order of keys. */
export class SeenWalk {
  readonly #heads: readonly Head[];
  readonly #read: (block: Block) => Promise<string>;

  constructor(
    recent: readonly string[],
    runs: readonly (readonly Block[])[],
    read: (block: Block) => Promise<string>,
  ) {
    const heads = runs.map((blocks): Head => ({ blocks, next: 0, keys: [], at: 0 }));
    this.#heads = [...heads, { blocks: [], next: 0, keys: recent, at: 0 }];
    this.#read = read;
  }

  /**
   * Those of the table's next keys that were not seen.
   *
   * @param keys in the store's order, all of them behind those of the call before
   */
  async missing<T extends { readonly name: string }>(keys: readonly T[]): Promise<T[]> {
    const last = keys.at(-1)?.name;
    if (last === undefined) return [];
    const seen = new Set<string>();
    for (const head of this.#heads) {
      for (;;) {
        if (head.at === head.keys.length) {
          const block = head.blocks[head.next];
          if (block === undefined || block.first > last) break;
          head.keys = [...keysOf(await this.#read(block))];
          head.next++;
          head.at = 0;
          continue;
        }
        const name = head.keys[head.at];
        if (name === undefined || name > last) break;
        seen.add(name);
        head.at++;
      }
    }
    return keys.filter(({ name }) => !seen.has(name));
  }
}
