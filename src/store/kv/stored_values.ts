/**
 * The values that the store keeps besides rows: shapes only.
 *
 * @module
 */

import type { Order } from "../../protocol/cursor.ts";
import type { OrderState } from "../../protocol/orders.ts";
import type { JsonObject, JsonValue } from "../../protocol/record.ts";

/** What a table was copied from; a store is refused to any other origin. */
export interface OriginIdentity {
  /** The endpoint without credentials. */
  readonly url: string;
  readonly key: readonly string[];
  readonly orderBy: string;
  /** Where the records are in an answer; absent where they are the answer itself. */
  readonly records?: string | undefined;
  /** `FIELD` or `FIELD=VALUE`: what means deleted; absent in stores of an older layout. */
  readonly deletedBy?: string | undefined;
  /** Whether each answer is the whole table; absent where it isn't. */
  readonly whole?: true | undefined;
}

/** What a resync's states have in common. */
interface ResyncFields {
  /** Why, in words. */
  readonly reason: string;
}

/** A resync's chain: the requests from the beginning to a complete answer, none of them cut. */
interface ResyncChain extends ResyncFields {
  /** Chains that were cut so far. */
  readonly cuts: number;
  /** 2 for the one that decides on rows above everything that the first has brought. */
  readonly chain: 1 | 2;
  /** Rows that may be removed whatever the shrink limit says: approved, or begun; null for none. */
  readonly allowed: number | null;
}

/** Everything is to be read from the beginning with the next request; nothing has changed yet. */
export interface ResyncWanted extends ResyncChain {
  readonly phase: "wanted";
}

/** The origin answers from the beginning. */
export interface ResyncReading extends ResyncChain {
  readonly phase: "reading";
  /**
   * Versionstamp of the commit that began the chain: a row that is older, and was not seen in the
   * chain, gives way to the origin's word whatever its order.
   */
  readonly began: string;
  /** The cursor that counts until the chain has brought something; absent from then on. */
  readonly before?: Order | null;
}

/** Cut too often: what is left is compared from the cursor on, and nothing is removed. */
export interface ResyncParts extends ResyncFields {
  readonly phase: "parts";
  readonly began: string;
}

/** Why a sweep waits for approval. */
export type HoldReason = "empty" | "large" | "few" | "unproven" | "unreadable" | "unsaved";

/** The chain is complete; its sweep waits for approval. */
export interface ResyncHeld extends ResyncFields {
  readonly phase: "held";
  readonly began: string;
  readonly why: HoldReason;
  /** Rows that the sweep would remove, and rows that there were. */
  readonly wouldRemove: number;
  readonly of: number;
  /** The greatest order that the chain has brought; null where it brought nothing. */
  readonly greatest: Order | null;
}

/** Rows are being removed. */
export interface ResyncRemoving extends ResyncFields {
  readonly phase: "removing";
  readonly began: string;
  readonly wouldRemove: number;
  readonly of: number;
  /** Rows above everything that the chain has brought: a second chain decides on them. */
  readonly late: number;
  /** The greatest order that the chain has brought; null where it brought nothing. */
  readonly greatest: Order | null;
}

/** A resync: kept in the store, so that a crash resumes it. */
export type ResyncMark =
  | ResyncWanted
  | ResyncReading
  | ResyncParts
  | ResyncHeld
  | ResyncRemoving;

/** Nothing is committed, until it is released or approved. */
export interface HoldMark {
  /** A person stopped the commits, or the guard did. */
  readonly by: "person" | "guard";
  /** Milliseconds since the Unix epoch. */
  readonly since: number;
  /** Why, in words. */
  readonly text: string;
  /** Of the guard's: rows that would be added, less those removed, and rows before; else null. */
  readonly net: number | null;
  readonly of: number | null;
}

/** The value at `["lockstep", table, "cursor"]`. */
export interface TableMeta {
  /** The greatest order up to which everything is stored; null before the first record. */
  readonly cursor: Order | null;
  /** The text of the cursor at the origin: as it was sent, or less. */
  readonly cursorText?: string | null;
  /** How orders compare and are written; null until that is known, absent in an older layout. */
  readonly order?: OrderState | null;
  /** Where the first fill began, and every resync begins; null for `0`, or without a type. */
  readonly start: Order | null;
  /** Its text, as a person gave it; null for `0`. */
  readonly startText?: string | null;
  /**
   * Where to ask from while there is no cursor: the least order that the first answer, or a
   * resync's, brought. From `0` the origin leaves deletions out, and a row that was stored before a
   * crash and deleted after it would stay as a ghost.
   */
  readonly floor: Order | null;
  /** The text of `floor` at the origin. */
  readonly floorText?: string | null;
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
  /** In a remote store: the id of the operation that wrote this. */
  readonly operation?: string;
  /** Rows when the table was last complete; null, or absent, where it never was. */
  readonly settled?: number | null;
  /** Why nothing is committed; null, or absent, where everything is. */
  readonly hold?: HoldMark | null;
  /** Whether the table was complete once: readers can use it, whatever has become of the origin. */
  readonly everComplete?: boolean;
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

/** What changed a table in bulk, or was kept from it. */
export type HistoryKind =
  /** A resync came to its end, whatever it removed. */
  | "resync"
  /** Rows that the origin no longer has were removed, and a second chain decides on others. */
  | "sweep"
  /** A sweep, or ordinary changes, wait for approval. */
  | "held"
  | "approved"
  /** A person stopped the commits, or let them go on. */
  | "hold"
  | "release"
  /** Single rows were mended after a comparison. */
  | "repair"
  /** The origin lacks what it had. */
  | "rewind"
  /** The origin's feed has begun its data anew. */
  | "generation"
  | "layout";

/** The value at `["lockstep", table, "history", number]`. */
export interface HistoryEntry {
  /** Counts up from 1. */
  readonly number: number;
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  readonly kind: HistoryKind;
  /** Why, or what came of it, in words. */
  readonly text: string;
  /** Rows that were removed; absent where it is about none. */
  readonly removed?: number;
  /** The file that holds them; absent where there is none. */
  readonly file?: string;
}
