/**
 * What the feed's answers have in common: headers, orders as text, refusals.
 *
 * @module
 */

import {
  formatOrder,
  type Order,
  type OrderType,
  parseOrder,
  plainType,
} from "../protocol/cursor.ts";
import type { FeedTable } from "./host.ts";

/** What is told of a table with each answer. */
export interface FeedFacts {
  /** The text for `lockstep-head`; null where the end is not known yet. */
  readonly head: Order | "" | null;
  readonly generation: string;
  /** Milliseconds since the origin's last word, as far as this copy knows; null for never. */
  readonly ageMs: number | null;
}

/** An order as the origin writes it. */
export function textOf(order: Order, { orders }: FeedTable): string {
  return typeof order === "string" ? orders.textOf(order) : formatOrder(order);
}

/** The headers of an answer with records. */
export function headersOf(
  { head, generation, ageMs }: FeedFacts,
  table: FeedTable,
): Record<string, string> {
  const headers: Record<string, string> = {
    "content-type": "application/x-ndjson",
    "cache-control": "no-store",
    "lockstep-generation": generation,
    "lockstep-age": ageMs === null ? "unknown" : (ageMs / 1000).toFixed(3),
    vary: "accept-encoding",
    // Tells nginx not to gather rows.
    "x-accel-buffering": "no",
  };
  const { type } = table.orders;
  if (type !== null) headers["lockstep-order-type"] = type;
  const text = head === null || head === "" ? head : textOf(head, table);
  // What no header can carry as it is stays out: a follower then goes by other signs.
  if (text !== null && /^[!-~]?(?:[ -~]*[!-~])?$/.test(text)) headers["lockstep-head"] = text;
  return headers;
}

/** Null for `0`: from the beginning. */
export function readSince(
  text: string,
  type: OrderType | null | undefined,
  cursor: Order | null,
): Order | null {
  if (text === "0") return null;
  return parseOrder(text, type ?? (cursor === null ? null : plainType(cursor)));
}

/** Whether gzip is asked for: `gzip;q=0` says no. */
export function acceptsGzip(header: string | undefined): boolean {
  return (header ?? "").split(",").some((part) => {
    const [name, ...rest] = part.split(";").map((text) => text.trim().toLowerCase());
    return (name === "gzip" || name === "*") && !rest.some((text) => /^q=0(\.0*)?$/.test(text));
  });
}

/** A refusal as JSON: `{"error": …}`. */
export function problem(
  status: number,
  error: string,
  headers: Record<string, string> = {},
): Response {
  return Response.json({ error }, { status, headers: { "cache-control": "no-store", ...headers } });
}

/** For a refusal that passes by itself. */
export const RETRY = { "retry-after": "1" };
