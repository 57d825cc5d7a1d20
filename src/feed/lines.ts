/**
 * Changes as lines of the protocol.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
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

/** Between two signs of life, in milliseconds. */
const HEARTBEAT_MS = 15_000;

/** Calls at every heartbeat, until the signal aborts. */
export async function beat(push: () => void, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(HEARTBEAT_MS, signal).catch(() => {});
    if (!signal.aborted) push();
  }
}
