/**
 * What the reference origin's server needs from a data set.
 *
 * @module
 */

import type { Order } from "../../src/protocol/cursor.ts";
import type { JsonObject, KeyPart } from "../../src/protocol/record.ts";
import type { OrderStyle } from "./orders.ts";

/** A run of records as they go onto the wire. */
export interface Piece {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Records in it. */
  readonly rows: number;
}

/** One answer's place in the data: where a reader of the protocol has got to. */
export interface SourceReader {
  /** The records that come next, some 64 to 256 KiB of them, or null at the end as of now. */
  next(): Piece | null;
}

/** A record set that can be served: lazily, sorted by order, and followed. */
export interface Source {
  /** How its order field is written. */
  readonly orders: OrderStyle;
  /** Records that are not deleted. */
  readonly size: number;
  /** The greatest order there is, or null when there is nothing. */
  readonly head: Order | null;
  /** Reads every record whose order is at or after `since`; without tombstones from `0`. */
  read(since: Order): SourceReader;
  /** Resolves at the next change. */
  changed(): Promise<void>;
}

/** A source whose records can be changed, by hand or by {@linkcode startChanges}. */
export interface MutableSource extends Source {
  /** Inserts or replaces a record; its order becomes now. Returns the record as it is sent. */
  put(record: JsonObject): JsonObject;
  /** Replaces a record by its tombstone; its order becomes now. */
  remove(...key: KeyPart[]): JsonObject;
  /** Some live record, chosen by `random` in [0, 1), or null when none was found. */
  sample(random: () => number): JsonObject | null;
  /** A record whose key was never used. */
  fresh(): JsonObject;
}

/** Stands between records on the wire. The 2011 server used nothing. */
export const SEPARATORS = { newline: "\n", crlf: "\r\n", none: "" } as const;

/** A name of {@linkcode SEPARATORS}. */
export type Separator = keyof typeof SEPARATORS;

/** A promise that can be resolved again and again: each round has a promise of its own. */
export class Bell {
  #round = Promise.withResolvers<void>();

  /** Resolves at the next {@linkcode ring}. */
  heard(): Promise<void> {
    return this.#round.promise;
  }

  ring(): void {
    this.#round.resolve();
    this.#round = Promise.withResolvers<void>();
  }
}
