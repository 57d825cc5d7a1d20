/**
 * Which chunks of a table belong together.
 *
 * The name of an edition stands in the URL of its chunks. It changes with the feed's generation, with
 * the process, and when rows were committed below what is sealed: a chunk that a cache still holds
 * is asked for by nobody then.
 *
 * @module
 */

import { compareOrder, type Order } from "../protocol/cursor.ts";
import type { ChangeIndex } from "../store/change_index/index.ts";

export class Edition {
  #generation: string;
  #version: number;
  #nonce = crypto.randomUUID().slice(0, 8);

  constructor(index: ChangeIndex) {
    this.#generation = index.generation;
    this.#version = index.version;
  }

  get name(): string {
    return `${this.#generation}.${this.#nonce}`;
  }

  /**
   * Looks whether it still holds; else takes another name.
   *
   * @param end where the sealed chunks end; null without any
   * @returns whether the chunks that there are belong to it
   */
  look(index: ChangeIndex, end: Order | null): boolean {
    const isSame = index.generation === this.#generation && !this.#hasLate(index, end);
    this.#version = index.version;
    if (isSame) return true;
    this.#generation = index.generation;
    this.#nonce = crypto.randomUUID().slice(0, 8);
    return false;
  }

  #hasLate(index: ChangeIndex, end: Order | null): boolean {
    if (end === null || index.version === this.#version) return false;
    const { entries, least } = index.lateSince(this.#version);
    const isBelow = (order: Order) => compareOrder(order, end) < 0;
    return (least !== null && isBelow(least)) || entries.some(({ order }) => isBelow(order));
  }
}
