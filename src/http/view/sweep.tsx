/**
 * What an operator can set off: approving what is held, a resync, a hold and its release. Plain
 * forms, which work without a script.
 *
 * @module
 */

import type { FC } from "hono/jsx";
import type { SweepStatus, TableStatus } from "../../replica/status.ts";
import { tablePath } from "../paths.ts";
import { countText, plural } from "./format.ts";
import { Age, cardId } from "./parts.tsx";

function doing({ state, wouldRemove }: SweepStatus): string {
  switch (state) {
    case "wanted":
      return "A resync waits for the origin's answer";
    case "parts":
      return "A resync was cut too often: it compares the rest, and removes nothing";
    case "removing":
      return `A resync is removing ${plural(wouldRemove ?? 0, "row")}`;
    default:
      return "A resync is reading the origin anew";
  }
}

export const Approval: FC<{ table: TableStatus }> = ({ table }) => {
  const sweep = table.sweep;
  if (sweep === null) return null;
  if (sweep.state !== "held") {
    return (
      <p class="sweep muted" id={`${cardId(table.table)}-sweep`}>
        {doing(sweep)} ({sweep.reason}).
      </p>
    );
  }
  return (
    <form
      class="approve"
      id={`${cardId(table.table)}-approve`}
      method="post"
      action={`${tablePath(table.table)}/approve-sweep`}
    >
      <p>
        Resynced because: {sweep.reason}. Until you approve, nothing is removed.
      </p>
      <button type="submit" class="danger">
        {sweep.wouldRemove === null
          ? "Approve the removal"
          : `Remove ${countText(sweep.wouldRemove)} of ${countText(sweep.of ?? table.rows)} rows`}
      </button>
    </form>
  );
};

/** What keeps changes from being committed, loudly, and how to end that. */
export const OnHold: FC<{ table: TableStatus; now: number }> = ({ table, now }) => {
  const { hold } = table;
  if (hold === null) return null;
  const rows = countText(Math.abs(hold.net ?? 0));
  const isGuard = hold.by === "guard";
  const what = (hold.net ?? 0) < 0 ? `Remove ${rows} rows` : `Add ${rows} rows`;
  return (
    <form
      class="approve"
      id={`${cardId(table.table)}-hold`}
      method="post"
      action={`${tablePath(table.table)}/${isGuard ? "approve-sweep" : "release"}`}
    >
      <p>
        <b>Nothing is committed</b> for <Age at={hold.since} now={now} bare />:{" "}
        {hold.reason}. Reads go on.
      </p>
      <button type="submit" class={isGuard ? "danger" : ""}>{isGuard ? what : "Release"}</button>
    </form>
  );
};

/** Stops commits. */
export const Hold: FC<{ table: TableStatus }> = ({ table }) => (
  <details class="resync">
    <summary class="button">Hold…</summary>
    <form method="post" action={`${tablePath(table.table)}/hold`}>
      <p>
        Stops committing to{" "}
        <b>{table.table}</b>, until it is released, also after a restart. Its rows stay readable,
        and grow older.
      </p>
      <button type="submit">Hold it</button>
    </form>
  </details>
);

export const Resync: FC<{ table: TableStatus }> = ({ table }) => (
  <details class="resync">
    <summary class="button">Resync…</summary>
    <form method="post" action={`${tablePath(table.table)}/resync`}>
      <p>
        Reads <b>{table.table}</b>{" "}
        from the origin again, from the start, and then removes the rows that the origin no longer
        has. Rows stay readable meanwhile. It costs the origin a full read.
      </p>
      <button type="submit">Start the resync</button>
    </form>
  </details>
);
