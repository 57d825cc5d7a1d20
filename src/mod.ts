/**
 * Keeps a local copy of a table that an HTTP endpoint serves by the lockstep protocol, in Deno KV.
 *
 * {@linkcode replicate} starts the copying and {@linkcode openReplica} reads what another process
 * copies; a program that needs neither can read the rows with `Deno.openKv` itself, at
 * `[table, ...key]`. Everything that the command line does goes through here.
 *
 * All durations are milliseconds. Integers beyond 2^53 are `bigint`, here as in the store.
 *
 * @example
 * ```ts
 * import { replicate } from "lockstep-replicate";
 *
 * const origin = Deno.serve(
 *   { port: 0, onListen: () => {} },
 *   () => Response.json({ id: 123, updated_at: 999, deleted_at: null, ip: "192.0.2.1" }),
 * );
 *
 * const replicator = await replicate({
 *   url: `http://127.0.0.1:${origin.addr.port}/servers/`,
 *   kv: `${await Deno.makeTempDir()}/replica.kv`,
 *   once: true,
 *   transform: ({ ip, ...record }) => ({ ...record, ip, isLocal: ip === "127.0.0.1" }),
 *   onCommit: ({ changes }) => console.log(changes.length, "changed"),
 * });
 * await replicator.done;
 * await origin.shutdown();
 * ```
 *
 * @module
 */

export { type Clock } from "./base/clock.ts";
export { type Order, type OrderType } from "./protocol/cursor.ts";
export { type ErrorDetail, type ErrorKind, LockstepError, type Retry } from "./protocol/errors.ts";
export { parseJson, stringifyJson } from "./protocol/json_text.ts";
export type { JsonObject, JsonValue, Key, KeyPart } from "./protocol/record.ts";
export type { ChangesOptions, FollowedChange } from "./replica/changes.ts";
export {
  openReplica,
  type OpenReplicaOptions,
  type PolledChangesOptions,
  ReplicaReader,
  type StoredStatus,
} from "./replica/reader.ts";
export type { DigestStatus } from "./replica/digest.ts";
export type { ReplicatorOptions, SourceOptions } from "./replica/options.ts";
export { Replica } from "./replica/replica.ts";
export { replicate, Replicator } from "./replica/replicator.ts";
export type {
  CommitHistogram,
  HistoryStatus,
  HoldStatus,
  HookStatus,
  ProcessStatus,
  RecordCounts,
  Sample,
  StateName,
  StatusError,
  SweepStatus,
  TableStatus,
  VerifiedStatus,
} from "./replica/status.ts";
export { STATES } from "./replica/status.ts";
export type { Change, CommitEvent } from "./store/read/change.ts";
export type { Holder } from "./store/table/lease.ts";
export type { QuarantineEntry, Tombstone } from "./store/kv/stored_values.ts";
export type { ListOptions, StoredRow } from "./store/read/table_reader.ts";
