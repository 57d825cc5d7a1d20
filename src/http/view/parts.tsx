/**
 * Small pieces of the page.
 *
 * @module
 */

import type { Child, FC } from "hono/jsx";
import type { TableStatus } from "../../replica/status.ts";
import { agoText, spanText } from "../assets/age.js";
import { segment } from "../paths.ts";
import { timeText } from "./format.ts";
import { completeness } from "./words.ts";

/** The id of a table's card: the target of links. */
export function cardId(table: string): string {
  return `table-${segment(table)}`;
}

/** A time as an age that ticks where scripts run: `2 s ago`. */
export const Age: FC<{ at: string; now: number; bare?: boolean }> = ({ at, now, bare }) => (
  <time datetime={at} title={`${timeText(at)} UTC`} data-age={bare ? "bare" : "ago"}>
    {(bare ? spanText : agoText)((now - Date.parse(at)) / 1000)}
  </time>
);

/** A time to come, counting down. */
export const Until: FC<{ at: string; now: number }> = ({ at, now }) => {
  const left = (Date.parse(at) - now) / 1000;
  return (
    <time datetime={at} title={`${timeText(at)} UTC`} data-age="until">
      {left <= 0 ? "now" : `in ${spanText(Math.ceil(left))}`}
    </time>
  );
};

/** A moment: UTC to the second, without the day where that is today's; the exact time behind it. */
export const Moment: FC<{ at: string; now?: number }> = ({ at, now }) => {
  const text = timeText(at);
  const today = now !== undefined && at.slice(0, 10) === new Date(now).toISOString().slice(0, 10);
  return <time datetime={at} title={at}>{today ? text.slice(11) : text} UTC</time>;
};

/** A copy that is readable though its origin is not: how old it is, and until when it is served. */
const Serving: FC<{ table: TableStatus; at: string; now: number }> = ({ table, at, now }) => {
  const age = <Age at={at} now={now} bare />;
  const { expiresInSeconds: left } = table;
  if (left === null) return <>Serving, {age} old.</>;
  if (left < 0) return <>Expired, {age} old: reads are refused.</>;
  const expiry = new Date(now + left * 1000).toISOString();
  return (
    <>
      Serving, {age} old, expires <Until at={expiry} now={now} />.
    </>
  );
};

/** Whether the copy is complete, and as of when, as a sentence. */
export const Completeness: FC<{ table: TableStatus; now: number }> = ({ table, now }) => {
  const { words, aged } = completeness(table);
  const at = aged ? table.lastContact : null;
  if (!table.live && at !== null) return <Serving table={table} at={at} now={now} />;
  return <>{words}{at === null ? "" : " "}{at === null ? "" : <Age at={at} now={now} />}.</>;
};

/** One figure with its name. */
export const Figure: FC<{ name: string; note?: Child; title?: string; children?: Child }> = (
  { name, note, title, children },
) => (
  <div class="figure" title={title}>
    <dt>{name}</dt>
    <dd>
      <span class="value">{children}</span>
      {note === undefined || note === null ? "" : <span class="note">{note}</span>}
    </dd>
  </div>
);
