/**
 * A record of the lockstep protocol: a JSON object with a key, an order and a tombstone mark.
 *
 * The rules (which values may be keys and orders, what counts as deleted) are those of the
 * protocol's own description (orionz/lockstep, README, 2011), made exact.
 *
 * @module
 */

import type { Order } from "./cursor.ts";

/** Any JSON value; integers beyond 2^53 are `bigint`. */
export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | JsonValue[]
  | { [name: string]: JsonValue };

/** A JSON object as an origin sent it. Own properties only: `__proto__` is a name like any other. */
export type JsonObject = { [name: string]: JsonValue };

/** One part of a key. Integers beyond 2^53 are `bigint`, all other numbers `number`. */
export type KeyPart = string | number | bigint | boolean;

/** The key of a record: one part for each key field. */
export type Key = readonly KeyPart[];

/** Which fields of a record mean what. */
export interface RecordShape {
  /** The key field(s); default `["id"]`. */
  readonly key: readonly string[];
  /** The order field; default `updated_at`. */
  readonly orderBy: string;
  /** The tombstone field; default `deleted_at`. */
  readonly deletedBy: string;
}

/** The shape of the protocol's own records. */
export const DEFAULT_SHAPE: RecordShape = {
  key: ["id"],
  orderBy: "updated_at",
  deletedBy: "deleted_at",
};

/** A record that can be stored: read from a JSON object by {@linkcode readRecord}. */
export interface Row {
  readonly key: Key;
  readonly order: Order;
  /** The tombstone field's value; `null` for a live record. */
  readonly deletedAt: JsonValue;
  readonly value: JsonObject;
  /** Length of the record's JSON text in UTF-16 units: what sizes are estimated from. */
  readonly length: number;
}

/** Why a record can't be stored: the reason of its quarantine entry. */
export type Refusal =
  | "not an object"
  | "no key"
  | "bad key"
  | "no order"
  | "bad order"
  | "order of another kind"
  | "key too long";
