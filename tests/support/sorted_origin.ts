/**
 * An origin that answers as the protocol asks: rows at or above the order asked for, sorted. Its
 * rows can be swapped at any moment, and its answers cut.
 *
 * @module
 */

import type { JsonObject } from "../../src/protocol/record.ts";
import { stringifyJson } from "../../src/protocol/json_text.ts";
import { type Behaviour, chunked, MisbehavingOrigin, records } from "./misbehaving_origin.ts";

/** A row of {@linkcode SortedOrigin}. */
export interface SortedRow extends JsonObject {
  readonly id: number;
  readonly updated_at: number;
}

/** Rows whose orders are their ids, from 1 on. */
export function numbered(count: number, more: JsonObject = {}): SortedRow[] {
  return Array.from({ length: count }, (_, i) => {
    return { id: i + 1, updated_at: i + 1, deleted_at: null, ...more };
  });
}

export class SortedOrigin implements AsyncDisposable {
  readonly #origin: MisbehavingOrigin;
  rows: readonly SortedRow[];
  /** Rows of the next answers after which each is cut; undefined for a whole one. */
  cuts: (number | undefined)[] = [];
  /** What answers instead of the rows; null for nothing. */
  instead: ((since: string) => Behaviour | null) | null = null;

  private constructor(origin: MisbehavingOrigin, rows: readonly SortedRow[]) {
    this.#origin = origin;
    this.rows = rows;
  }

  static async start(rows: readonly SortedRow[]): Promise<SortedOrigin> {
    const server = await MisbehavingOrigin.start();
    const origin = new SortedOrigin(server, rows);
    server.next((conversation) => {
      const since = decodeURIComponent(conversation.request.path.split("/").at(-1) ?? "");
      return (origin.instead?.(since) ?? origin.#answer(Number(since)))(conversation);
    });
    return origin;
  }

  get url(): string {
    return `${this.#origin.url}/servers`;
  }

  /** The orders that were asked for. */
  get asked(): string[] {
    return this.#origin.requests.map(({ path }) => path.split("/").at(-1) ?? "");
  }

  #answer(since: number): Behaviour {
    const rows = this.rows.filter((row) => row.updated_at >= since)
      .toSorted((a, b) => a.updated_at - b.updated_at);
    const lines = rows.map((row) => `${stringifyJson(row)}\n`);
    const cut = this.cuts.shift();
    if (cut === undefined) return records(lines.join(""));
    const kept = lines.slice(0, cut).join("");
    return chunked([kept, lines.slice(cut).join("") || " "], { at: kept.length });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#origin.close();
  }
}
