/**
 * What the examination of an origin comes to.
 *
 * @module
 */

/** How much a finding matters. */
export type Level = "ok" | "note" | "warning" | "error";

/** What a finding is about: a small set, that scripts can rely on. */
export type FindingId =
  | "reach"
  | "cursor"
  | "inclusive"
  | "framing"
  | "key"
  | "order"
  | "sorted"
  | "ties"
  | "deletions"
  | "pages"
  | "ending"
  | "heartbeat"
  | "buffering"
  | "compression"
  | "clock"
  | "late"
  | "size"
  | "fill"
  | "feed";

/** One thing that was found out, or couldn't be. */
export interface Finding {
  readonly id: FindingId;
  readonly level: Level;
  /** What was seen. */
  readonly seen: string;
  /** What follows from it. */
  readonly meaning: string;
  /** What to do; empty where there is nothing to be done. */
  readonly advice: string;
}

/** Options of the main job that fit the origin, by their names without dashes. */
export interface FoundOptions {
  /** May hold a password: print the command instead. */
  readonly url: string;
  readonly key?: string;
  readonly "order-by"?: string;
  readonly "order-type"?: string;
  readonly "deleted-by"?: string;
  readonly records?: string;
  /** Present, and empty, where each answer is to be taken as the whole table. */
  readonly whole?: "";
  readonly since?: string;
  readonly overlap?: string;
}

/** The whole report. */
export interface Report {
  /** Whether the origin can be copied with the command. */
  readonly usable: boolean;
  /** The command line, ready to paste; null where there is none. */
  readonly command: string | null;
  readonly options: Readonly<Record<string, string>>;
  readonly findings: readonly Finding[];
}
