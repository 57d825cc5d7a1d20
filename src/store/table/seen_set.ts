/**
 * The keys that a resync's chain has brought, as the writer of its rows needs them.
 *
 * @module
 */

import type { Key } from "../../protocol/record.ts";

/** Notes keys that the origin has sent, and knows them again. */
export interface SeenSet {
  add(keys: Iterable<Key>): Promise<void> | undefined;
  has(key: Key): Promise<boolean>;
}
