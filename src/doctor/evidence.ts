/**
 * What findings are made from, and of.
 *
 * @module
 */

import type { DeletionChoice, KeyChoice, OrderChoice } from "./fields.ts";
import type { Reading } from "./reading.ts";
import type { Finding, FindingId, Level } from "./report.ts";

/** Whether the origin answers to its cursor. */
export type Honoured = "inclusive" | "exclusive" | "ignored" | "unknown";

/** All that was seen. */
export interface Evidence {
  /** The answer from the start. */
  readonly first: Reading;
  /** Where its records are in an envelope; null where they are the answer itself. */
  readonly place: string | null;
  readonly order: OrderChoice | null;
  readonly key: KeyChoice | null;
  readonly deletion: DeletionChoice | null;
  /** The origin's clock where it tells, else ours. */
  readonly nowMs: number;
  /** The answer from an order in the middle of the first. */
  readonly middle?: Reading | null;
  readonly middleSince?: string | null;
  readonly honoured?: Honoured;
  /** The answer from the greatest order of the first. */
  readonly tail?: Reading | null;
  /** The answer from the middle, asked once more at the end. */
  readonly again?: Reading | null;
}

/** Whether answers can be taken as the whole table: they have an end, a key, and no order. */
export function isWholeList({ first, order, key }: Evidence): boolean {
  const isProved = first.endIsProved || first.sample.answer.endIsProof;
  return order === null && key !== null && first.sample.end === "whole" && isProved &&
    !first.isUnfinished;
}

/** A finding in one line. */
export function finding(
  id: FindingId,
  level: Level,
  seen: string,
  meaning: string,
  advice = "",
): Finding {
  return { id, level, seen, meaning, advice };
}

/** `1 record`, `12 records`. */
export function count(number: number, what: string): string {
  return `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;
}
