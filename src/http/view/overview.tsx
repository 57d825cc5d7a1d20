/**
 * The status page: what needs a person, then each table, then the process.
 *
 * @module
 */

import type { FC } from "hono/jsx";
import type { ProcessStatus, Sample, TableStatus } from "../../replica/status.ts";
import { icon } from "../assets.ts";
import { TableCard } from "./table_card.tsx";
import { bytesText, countText, rateText } from "./format.ts";
import { Age, cardId, Figure, Moment } from "./parts.tsx";
import { type Headline, headline, stateWords, toneOf } from "./words.ts";

export interface OverviewProps {
  readonly status: ProcessStatus;
  /** Milliseconds since the Unix epoch: ages count from here. */
  readonly now: number;
  /** The charts' samples by table, where the server is to sketch them. */
  readonly samples?: ReadonlyMap<string, readonly Sample[]>;
  readonly maxStalenessMs?: number | undefined;
}

/** The changing part of the page; `data-` attributes tell the script what belongs in the tab. */
export const Overview: FC<OverviewProps> = ({ status, now, samples, maxStalenessMs }) => {
  const head = headline(status, maxStalenessMs);
  return (
    <main
      id="main"
      data-live
      data-title={title(head)}
      data-icon={icon(head.tone)}
      data-now={String(now)}
    >
      <Banner head={head} now={now} many={status.tables.length > 1} />
      {status.tables.length > 1
        ? <Glance tables={status.tables} now={now} maxStalenessMs={maxStalenessMs} />
        : ""}
      {status.tables.map((table) => (
        <TableCard
          table={table}
          now={now}
          samples={samples?.get(table.table)}
          maxStalenessMs={maxStalenessMs}
        />
      ))}
      <Process status={status} now={now} />
    </main>
  );
};

/** The tab's title. */
export function title(head: Headline): string {
  return `${head.sentence} · lockstep-replicate`;
}

const Banner: FC<{ head: Headline; now: number; many: boolean }> = ({ head, now, many }) => (
  <section class={`banner tone-${head.tone}`} aria-label="Summary">
    <h1>
      <span role="status">{head.sentence}</span>
      {head.oldestContact === null ? "" : (
        <span class="contact">
          {many ? "; the oldest contact was " : "; last contact "}
          <Age at={head.oldestContact} now={now} />
        </span>
      )}
    </h1>
    {head.concerns.length === 0 || !many ? "" : (
      <ul>
        {head.concerns.map((concern) => (
          <li>
            <a href={`#${cardId(concern.table)}`}>{concern.table}</a>: {concern.what}.{" "}
            <span class="muted">Next: {concern.next}.</span>
          </li>
        ))}
      </ul>
    )}
  </section>
);

const Glance: FC<{
  tables: readonly TableStatus[];
  now: number;
  maxStalenessMs?: number | undefined;
}> = ({ tables, now, maxStalenessMs }) => (
  <table class="glance">
    <caption class="hidden">All tables at a glance</caption>
    <thead>
      <tr>
        <th scope="col">Table</th>
        <th scope="col">State</th>
        <th scope="col" class="number">Rows</th>
        <th scope="col" class="number">Last contact</th>
        <th scope="col" class="number wide">Rate</th>
      </tr>
    </thead>
    <tbody>
      {tables.map((table) => (
        <tr>
          <th scope="row">
            <a href={`#${cardId(table.table)}`}>{table.table}</a>
          </th>
          <td>
            <span class={`chip tone-${toneOf(table, maxStalenessMs)}`}>
              {stateWords(table.state)}
            </span>
          </td>
          <td class="number">{table.rowsExact ? "" : "≈ "}{countText(table.rows)}</td>
          <td class="number">
            {table.lastContact === null ? "never" : <Age at={table.lastContact} now={now} />}
          </td>
          <td class="number wide">{rateText(table.recordsPerSecond)}/s</td>
        </tr>
      ))}
    </tbody>
  </table>
);

const Process: FC<{ status: ProcessStatus; now: number }> = ({ status, now }) => (
  <section class="card process" aria-label="The process">
    <dl class="figures">
      <Figure
        name="Store"
        note={status.store.bytes === null ? null : bytesText(status.store.bytes)}
      >
        <span class="path">{status.store.path}</span>
      </Figure>
      <Figure name="Up" note={<Moment at={status.startedAt} now={now} />}>
        <Age at={status.startedAt} now={now} bare />
      </Figure>
      <Figure name="Memory" note={`pid ${status.pid} on ${status.host}`}>
        {bytesText(status.memoryBytes)}
      </Figure>
      <Figure name="Version" note="lockstep-replicate">{status.version}</Figure>
    </dl>
  </section>
);
