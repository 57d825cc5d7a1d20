/**
 * What is settled about a table before its loop starts.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { Endpoint } from "../origin/endpoint.ts";
import type { OrderType } from "../protocol/cursor.ts";
import type { RecordShape } from "../protocol/record.ts";
import type { HookSettings } from "./hooks/hooks.ts";
import type { ReplicatorOptions } from "./options.ts";

/** Where a table comes from, and how it is to be copied. */
export interface ReplicaConfig {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly shape: RecordShape;
  /** Where to start, as text; null for `0`. */
  readonly since: string | null;
  /** How orders compare; null to go by the records. */
  readonly orderType: OrderType | null;
  readonly options: ReplicatorOptions;
  /** What runs after commits. */
  readonly hooks: HookSettings;
  readonly clock: Clock;
}
