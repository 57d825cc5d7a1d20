/**
 * The values that the store keeps besides rows: shapes only.
 *
 * @module
 */

import type { Order } from "../../protocol/cursor.ts";
import type { JsonObject, JsonValue } from "../../protocol/record.ts";

/** What a table was copied from; a store is refused to any other origin. */
export interface OriginIdentity {
  /** The endpoint without credentials. */
  readonly url: string;
  readonly key: readonly string[];
  readonly orderBy: string;
}

/** A resync that has begun: kept in the store, so that a crash resumes it. */
export interface ResyncMark {
  /**
   * Versionstamp of the commit that began it. A row with an older one was not confirmed by the
   * origin since then, and goes when the sweep comes.
   */
  readonly began: string;
  /** Why, in words. */
  readonly reason: string;
  /** `reading` the origin's answer, or its sweep `held` for approval, or `removing`. */
  readonly phase: "reading" | "held" | "removing";
  /** Rows the sweep would remove and rows there were, once counted. */
  readonly wouldRemove: number | null;
  readonly of: number | null;
}

/** The value at `["lockstep", table, "cursor"]`. */
export interface TableMeta {
  /** The greatest order up to which everything is stored; null before the first record. */
  readonly cursor: Order | null;
  /**
   * Where to ask from while there is no cursor: the least order that the first answer, or a
   * resync's, brought. From `0` the origin leaves deletions out, and a row that was stored before a
   * crash and deleted after it would stay as a ghost.
   */
  readonly floor: Order | null;
  /** The greatest order ever written, or about to be: rows up to here are compared, not overwritten. */
  readonly high: Order | null;
  readonly origin: OriginIdentity;
  /** Live rows. */
  readonly rows: number;
  /** False where `rows` is an estimate. */
  readonly exact: boolean;
  /** Rows ever changed: tells whether the table is another one than it was. */
  readonly changes: number;
  /** Entries ever quarantined. */
  readonly quarantined: number;
  /** Milliseconds since the Unix epoch: the origin's last sign of life. */
  readonly lastContact: number | null;
  /** The origin was seen to send records out of order: its cursor moves at the answer's end only. */
  readonly unsorted: boolean;
  readonly resync: ResyncMark | null;
  /** The generation of the origin's feed that the rows are from; null where it tells none. */
  readonly generation?: string | null;
}

/** The value at `["lockstep", table, "tombstone", ...key]`. */
export interface Tombstone {
  /** The value of the order field. */
  readonly order: Order;
  /** The tombstone field's value as sent. */
  readonly deletedAt: JsonValue;
  /** The record as sent. */
  readonly value: JsonObject;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number;
}

/** The value at `["lockstep", table, "hook", name]`. */
export interface HookMark {
  /** The file or the command that it stands for. */
  readonly target: string;
  /** {@linkcode TableMeta.changes} of the table that it was last told about. */
  readonly changes: number;
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
}

/** The value at `["lockstep", table, "quarantine", number]`. */
export interface QuarantineEntry {
  /** Counts up from 1. */
  readonly number: number;
  /** The first 16 KiB of the text. */
  readonly text: string;
  /** Why it could not be stored. */
  readonly reason: string;
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  /** The cursor at that time. */
  readonly cursor: Order | null;
}
