/**
 * The two things an operator can set off: approving a held sweep, and a resync. Plain forms, which
 * work without a script.
 *
 * @module
 */

import type { FC } from "hono/jsx";
import type { SweepStatus, TableStatus } from "../../replica/status.ts";
import { tablePath } from "../paths.ts";
import { countText, plural } from "./format.ts";
import { cardId } from "./parts.tsx";

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
