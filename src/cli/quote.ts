/**
 * Values from outside, made fit to be read on a terminal.
 *
 * @module
 */

import { printable } from "../base/log.ts";

/** At most this many characters of a value are repeated in a message. */
const SHOWN = 120;

/** `"value"`, cut and with control characters escaped. */
export function quote(text: string): string {
  const cut = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
  return `"${printable(cut)}"`;
}

/** A word as a shell's user wrote it: in quotes only where it has to be. */
export function asWritten(text: string): string {
  return /^[\w.:@%+,/-]{1,120}$/.test(text) ? text : quote(text);
}
