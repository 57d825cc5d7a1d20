/**
 * The states of a table's loop.
 *
 * ```text
 *  starting ──connect──▶ connecting ──answered──▶ catching-up ──caught-up──▶ live
 *                          │    ▲                   │  ▲    │                 │ ▲
 *                       failed connect           failed│  held   behind,      │ │ released
 *                          ▼    │                   ▼  │    ▼    answered     ▼ │
 *                        waiting ◀──────────────────┘  └── live ◀─────────── held
 *                        failing   (a failure that wants a person)
 * ```
 *
 * - `connect` changes nothing where something is known already: a table that polls stays live
 *   between answers, and one that fails keeps its reason on show while it tries again.
 * - `answered` after a failure means catching up until the opposite is known.
 * - `held` is live with a sweep that waits for approval.
 * - `stop` ends every state. A loop that a failure has ended doesn't stop: it stays `failing`.
 *
 * @module
 */

import type { StateName } from "./status.ts";

/** What happens to a loop. */
export type StateEvent =
  /** A request goes out. */
  | "connect"
  /** Response headers came. */
  | "answered"
  /** Everything the origin has is stored. */
  | "caught-up"
  /** The same, with a sweep that waits for approval. */
  | "held"
  /** The sweep was approved, or a new resync makes it void. */
  | "released"
  /** The stream outran the store, or a resync begins. */
  | "behind"
  /** A failure that usually passes. */
  | "failed"
  /** A failure that wants a person. */
  | "refused"
  | "stop";

/** The states of a loop: a process that only waits for the table has none. */
export type LoopState = Exclude<StateName, "standby">;

type Row = Readonly<Record<StateEvent, LoopState>>;

const TABLE: Readonly<Record<LoopState, Row>> = {
  starting: {
    connect: "connecting",
    answered: "catching-up",
    "caught-up": "live",
    held: "held",
    released: "starting",
    behind: "starting",
    failed: "waiting",
    refused: "failing",
    stop: "stopped",
  },
  connecting: {
    connect: "connecting",
    answered: "catching-up",
    "caught-up": "live",
    held: "held",
    released: "connecting",
    behind: "connecting",
    failed: "waiting",
    refused: "failing",
    stop: "stopped",
  },
  "catching-up": {
    connect: "catching-up",
    answered: "catching-up",
    "caught-up": "live",
    held: "held",
    released: "catching-up",
    behind: "catching-up",
    failed: "waiting",
    refused: "failing",
    stop: "stopped",
  },
  live: {
    connect: "live",
    answered: "live",
    "caught-up": "live",
    held: "held",
    released: "live",
    behind: "catching-up",
    failed: "waiting",
    refused: "failing",
    stop: "stopped",
  },
  held: {
    connect: "held",
    answered: "held",
    "caught-up": "held",
    held: "held",
    released: "live",
    behind: "catching-up",
    failed: "waiting",
    refused: "failing",
    stop: "stopped",
  },
  waiting: {
    connect: "waiting",
    answered: "catching-up",
    "caught-up": "live",
    held: "held",
    released: "waiting",
    behind: "waiting",
    failed: "waiting",
    refused: "failing",
    stop: "stopped",
  },
  failing: {
    connect: "failing",
    answered: "catching-up",
    "caught-up": "live",
    held: "held",
    released: "failing",
    behind: "failing",
    failed: "waiting",
    refused: "failing",
    stop: "stopped",
  },
  stopped: {
    connect: "stopped",
    answered: "stopped",
    "caught-up": "stopped",
    held: "stopped",
    released: "stopped",
    behind: "stopped",
    failed: "stopped",
    refused: "stopped",
    stop: "stopped",
  },
};

/** The state that follows. */
export function transition(state: LoopState, event: StateEvent): LoopState {
  return TABLE[state][event];
}

/** Whether what readers see is up to date as of the last contact. */
export function isLive(state: StateName): boolean {
  return state === "live" || state === "held";
}
