/**
 * A status in words: what the page says of a table and of them all.
 *
 * @module
 */

import { isStale } from "../health.ts";
import type { ProcessStatus, StateName, TableStatus } from "../../replica/status.ts";
import { countText, plural } from "./format.ts";

/** How worried to be; also the name of a colour. */
export type Tone = "ok" | "busy" | "warn" | "bad";

const STATE_WORDS: Readonly<Record<StateName, readonly [words: string, tone: Tone]>> = {
  "starting": ["Starting", "busy"],
  "connecting": ["Connecting", "busy"],
  "catching-up": ["Catching up", "busy"],
  "live": ["Live", "ok"],
  "held": ["Live, sweep held", "warn"],
  "waiting": ["Waiting for the origin", "warn"],
  "failing": ["Failing", "bad"],
  "stopped": ["Stopped", "bad"],
  "standby": ["Standing by", "warn"],
};

export function stateWords(state: StateName): string {
  return STATE_WORDS[state][0];
}

export function toneOf(table: TableStatus, maxStalenessMs?: number): Tone {
  const tone = STATE_WORDS[table.state][1];
  return tone === "ok" && isStale(table, maxStalenessMs) ? "warn" : tone;
}

const WORST: readonly Tone[] = ["ok", "busy", "warn", "bad"];

/** A table that wants a look: which, what, and what to do. */
export interface Concern {
  readonly table: string;
  readonly tone: Tone;
  readonly what: string;
  readonly next: string;
}

export interface Headline {
  readonly tone: Tone;
  /** One sentence without a full stop, and without a time in it that ticks. */
  readonly sentence: string;
  /** Oldest contact of all tables, where all have had one. */
  readonly oldestContact: string | null;
  readonly concerns: readonly Concern[];
}

/** What a person should know first. */
export function headline(status: ProcessStatus, maxStalenessMs?: number): Headline {
  const tables = status.tables;
  const tones = tables.map((table) => toneOf(table, maxStalenessMs));
  const tone = tones.reduce((a, b) => WORST.indexOf(b) > WORST.indexOf(a) ? b : a, "ok");
  const concerns = tables.flatMap((table): Concern[] => {
    const found = concern(table, toneOf(table, maxStalenessMs));
    return found === null ? [] : [found];
  }).sort((a, b) => WORST.indexOf(b.tone) - WORST.indexOf(a.tone));
  const contacts = tables.map((table) => table.lastContact);
  const oldestContact = contacts.reduce(
    (a, b) => a === null || b === null ? null : a < b ? a : b,
    contacts[0] ?? null,
  );
  return { tone, sentence: sentence(tables, maxStalenessMs), oldestContact, concerns };
}

function sentence(tables: readonly TableStatus[], maxStalenessMs?: number): string {
  const subject = (some: readonly TableStatus[], one: string, many: string) =>
    some.length === 1 && some[0] !== undefined
      ? `${some[0].table} ${one}`
      : some.length === tables.length
      ? `${some.length === 2 ? "Both" : `All ${some.length}`} tables ${many}`
      : `${some.length} of ${tables.length} tables ${many}`;
  const needy = tables.filter((t) => ["failing", "stopped", "held"].includes(t.state));
  if (needy.length > 0) return subject(needy, "needs you", "need you");
  const waiting = tables.filter((t) => t.state === "waiting");
  if (waiting.length > 0) return subject(waiting, "waits for its origin", "wait for their origins");
  const stale = tables.filter((t) => t.live && isStale(t, maxStalenessMs));
  if (stale.length > 0) return subject(stale, "has gone stale", "have gone stale");
  const catching = tables.filter((t) => t.state === "catching-up");
  if (catching.length > 0) return subject(catching, "is catching up", "are catching up");
  const connecting = tables.filter((t) => !t.live);
  if (connecting.length > 0) return subject(connecting, "is connecting", "are connecting");
  return tables.length === 0
    ? "No tables are replicated here"
    : subject(tables, "is live", "are live");
}

/** What is wrong with a table, and the next step; null where nothing is. */
export function concern(table: TableStatus, tone: Tone): Concern | null {
  if (tone === "ok" || tone === "busy") return null;
  const say = (what: string, next: string): Concern => ({ table: table.table, tone, what, next });
  if (table.state === "held") {
    const rows = table.sweep?.wouldRemove ?? null;
    return say(
      rows === null
        ? "a sweep is held back"
        : `a sweep would remove ${countText(rows)}${
          table.sweep?.of == null ? "" : ` of ${countText(table.sweep.of)}`
        } rows, so it is held back`,
      "compare with the origin, then approve the removal below, or resync once the origin is whole again",
    );
  }
  if (table.state === "live") {
    return say(
      "the origin has not been heard of for longer than --max-staleness",
      table.hint ?? "see whether the origin still sends",
    );
  }
  const fallback = table.state === "waiting"
    ? "nothing yet: it is tried again by itself"
    : table.state === "stopped"
    ? "restart the program; its log tells why it ended"
    : "see the log";
  return say(table.reason ?? stateWords(table.state).toLowerCase(), table.hint ?? fallback);
}

/** Whether the copy is complete, in words that an age follows: `complete as of` + `2 s ago`. */
export function completeness(table: TableStatus): { words: string; aged: boolean } {
  if (table.live) {
    const rows = table.sweep?.state === "held" ? table.sweep.wouldRemove : null;
    const extra = rows === null ? "" : `, plus ${plural(rows, "row")} the origin no longer sends`;
    return { words: `Complete${extra}, as of`, aged: table.lastContact !== null };
  }
  if (table.lastContact === null) {
    return table.rows > 0
      ? { words: "As the last run left it; not in touch with the origin yet", aged: false }
      : { words: "Nothing copied yet", aged: false };
  }
  if (table.state === "catching-up") {
    const part = table.progress === null
      ? ""
      : ` (${Math.floor(table.progress * 100)} % of the way)`;
    return { words: `Not complete yet${part}; what is here can be read`, aged: false };
  }
  return { words: "Serving", aged: true };
}
