/**
 * What folds away under a table: errors, connections, what became of the records, hooks.
 *
 * @module
 */

import type { FC } from "hono/jsx";
import type {
  HistoryStatus,
  HookStatus,
  StatusError,
  TableStatus,
  VerifiedStatus,
} from "../../replica/status.ts";
import { tablePath } from "../paths.ts";
import { countText, plural } from "./format.ts";
import { Age, cardId, Moment } from "./parts.tsx";

const OUTCOMES: readonly (readonly [keyof TableStatus["records"], string])[] = [
  ["written", "written while catching up"],
  ["inserted", "inserted"],
  ["updated", "updated"],
  ["deleted", "deleted"],
  ["identical", "already here"],
  ["stale", "older than what is here"],
  ["quarantined", "set aside"],
];

function historyLine({ time, kind, text, removed, file }: HistoryStatus, now: number) {
  return (
    <>
      <Moment at={time} now={now} />: <b>{kind}</b>, {text}
      {removed === null ? "" : `; ${plural(removed, "row")} removed`}
      {file === null ? "" : <span class="long">, kept in {file}</span>}
    </>
  );
}

export const Details: FC<{ table: TableStatus; now: number }> = ({ table, now }) => {
  const id = cardId(table.table);
  const reconnects = Object.entries(table.reconnects);
  return (
    <div class="details" id={`${id}-details`}>
      <Errors id={`${id}-errors`} errors={table.errors} now={now} />
      <details id={`${id}-connections`}>
        <summary>
          {plural(table.connections, "connection")}, {plural(
            reconnects.reduce((sum, [, count]) => sum + count, 0),
            "reconnect",
          )}
        </summary>
        <p class="muted long">{table.url}</p>
        <Counts counts={reconnects} />
      </details>
      <details id={`${id}-records`}>
        <summary>Records received, and what became of them</summary>
        <Counts counts={OUTCOMES.map(([name, words]) => [words, table.records[name]])} />
        <p class="muted">{plural(table.commits, "commit")} to the store since the start.</p>
      </details>
      {table.quarantined === 0 ? "" : (
        <details id={`${id}-quarantine`}>
          <summary class="attention">
            {plural(table.quarantined, "record")} set aside, by reason
          </summary>
          <Counts counts={Object.entries(table.quarantinedBy)} />
          <p>
            <a href={`${tablePath(table.table)}/quarantine`}>Texts, reasons and times</a>
          </p>
        </details>
      )}
      {table.verified ? <Verified verified={table.verified} now={now} /> : ""}
      {table.history.length === 0 ? "" : (
        <details id={`${id}-history`}>
          <summary>What changed it in bulk</summary>
          <ul class="history">
            {table.history.map((entry) => <li key={entry.time}>{historyLine(entry, now)}</li>)}
          </ul>
        </details>
      )}
      {table.hooks.length === 0
        ? ""
        : (
          <details id={`${id}-hooks`} open={table.hooks.some((hook) => hook.error !== null)}>
            <summary>{plural(table.hooks.length, "consumer")} after commits</summary>
            {table.hooks.map((hook) => <Hook key={hook.name} hook={hook} now={now} />)}
          </details>
        )}
    </div>
  );
};

const Errors: FC<{ id: string; errors: readonly StatusError[]; now: number }> = (
  { id, errors, now },
) => {
  const [newest] = errors;
  if (newest === undefined) return <p class="quiet muted">No errors since the start.</p>;
  return (
    <details id={id}>
      <summary>
        {plural(errors.length, "error")}, the last <Age at={newest.time} now={now} />
      </summary>
      <ol class="errors">
        {errors.map((error) => (
          <li>
            <p>
              <Moment at={error.time} /> <code>{error.kind}</code>
            </p>
            <p class="long">{error.message}</p>
            {error.hint === "" ? "" : <p class="muted">{error.hint}</p>}
          </li>
        ))}
      </ol>
    </details>
  );
};

const Verified: FC<{ verified: VerifiedStatus; now: number }> = ({ verified, now }) => {
  const { verdict, compared, differing, reason, time } = verified;
  const words = {
    equal: "Equal to its origin",
    different: `NOT equal to its origin: ${plural(differing, "row")} differ`,
    unknown: "Compared with its origin, as far as that could be told",
    failed: "Could not be compared with its origin",
  }[verdict];
  return (
    <p class={verdict === "equal" ? "quiet muted" : "attention"}>
      {words}, <Age at={time} now={now} /> ({plural(compared, "record")} compared
      {reason === null ? "" : `; ${reason}`})
    </p>
  );
};

const Counts: FC<{ counts: readonly (readonly [string, number])[] }> = ({ counts }) => {
  const some = counts.filter(([, count]) => count > 0);
  if (some.length === 0) return <p class="muted">None.</p>;
  return (
    <dl class="counts">
      {some.map(([name, count]) => (
        <div>
          <dt>{name}</dt>
          <dd>{countText(count)}</dd>
        </div>
      ))}
    </dl>
  );
};

const Hook: FC<{ hook: HookStatus; now: number }> = ({ hook, now }) => (
  <p class="long">
    <code>--{hook.name} {hook.target}</code> {hook.pending ? "is running or due" : "is idle"}
    {hook.lastSuccess === null ? ", never succeeded" : (
      <>
        , last succeeded <Age at={hook.lastSuccess} now={now} />
      </>
    )}
    {hook.pauseSeconds > 0 ? `, pauses for ${hook.pauseSeconds} s` : ""}
    {hook.error === null ? "" : <span class="attention">. Last error: {hook.error}</span>}
  </p>
);
