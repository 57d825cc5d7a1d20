/**
 * The quarantine: what an origin sent that can't be stored, kept so that nothing is dropped
 * silently.
 *
 * @module
 */

import { foreignKind } from "../../protocol/explain_refusal.ts";
import { parseJson } from "../../protocol/json_text.ts";
import type { RecordShape } from "../../protocol/record.ts";
import type { Reject } from "../../stream/row_reader.ts";
import { quarantinePrefix } from "../kv/keys.ts";
import type { QuarantineEntry } from "../kv/stored_values.ts";

/** Entries kept for each table, the newest; the count goes on. */
export const QUARANTINE_KEPT = 1000;

/**
 * Records that were set aside and are known again, the latest: more than are kept, since a finite
 * answer is read twice before it counts as complete, and each is counted once. Some 100 bytes each.
 */
const KNOWN_REJECTS = 50_000;

/** Serialised size of an entry at most: 16 KiB of wide characters, and its other fields. */
export const QUARANTINE_ENTRY_BYTES = 2 * 16_384 + 1024;

/** The kind of an object with neither key nor order; null for every other text. */
function kindOf(text: string, shape: RecordShape): string | null {
  try {
    return foreignKind(parseJson(text), shape);
  } catch {
    return null;
  }
}

function fingerprint({ text, reason, detail }: Reject): string {
  return `${detail ?? reason}\0${text}`;
}

/**
 * Tells new entries from redelivered ones: an inclusive cursor brings the last lines again at
 * every connect, and a bad one among them is to be kept and counted once.
 */
export class SeenRejects {
  readonly #seen = new Map<string, number>();
  /** Kinds of objects with neither key nor order, of which one is kept. */
  readonly foreignKinds = new Set<string>();

  /** Loads what the store holds. */
  static async load(kv: Deno.Kv, table: string, shape: RecordShape): Promise<SeenRejects> {
    const seen = new SeenRejects();
    const selector = { prefix: quarantinePrefix(table) };
    for await (const { value } of kv.list<QuarantineEntry>(selector, { batchSize: 50 })) {
      await seen.isNew(value);
      const kind = kindOf(value.text, shape);
      if (kind !== null) seen.foreignKinds.add(kind);
    }
    return seen;
  }

  /** True the first time, as far as {@linkcode KNOWN_REJECTS} reach back. */
  async isNew(reject: Reject): Promise<boolean> {
    const bytes = new TextEncoder().encode(fingerprint(reject));
    // A digest instead of the text: 1000 texts would be 16 MiB.
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", bytes)).toHex();
    if (this.#seen.has(digest)) return false;
    this.#seen.set(digest, 1);
    const oldest = this.#seen.keys().next();
    if (this.#seen.size > KNOWN_REJECTS && !oldest.done) this.#seen.delete(oldest.value);
    return true;
  }
}

/** Removes a table's quarantine; the count stays. Returns how many entries there were. */
export async function clearQuarantine(kv: Deno.Kv, table: string): Promise<number> {
  let removed = 0;
  for await (const { key } of kv.list({ prefix: quarantinePrefix(table) }, { batchSize: 50 })) {
    await kv.delete(key);
    removed++;
  }
  return removed;
}
