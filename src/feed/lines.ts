/**
 * Changes as lines of the protocol.
 *
 * @module
 */

import { stringifyJson } from "../protocol/json_text.ts";
import type { JsonObject } from "../protocol/record.ts";

/** Bytes that may be shared by many readers. */
export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();

/** A record as a line. */
export function lineOf(value: JsonObject): string {
  return stringifyJson(value) + "\n";
}

/** Lines as bytes. */
export function encodeLines(text: string): Bytes {
  return encoder.encode(text);
}

/**
 * A blank line: a sign of life. The first one of an answer ends its backlog: everything up to
 * `lockstep-head` has been sent.
 */
export const BLANK: Bytes = encoder.encode("\n");
