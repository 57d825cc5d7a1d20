/**
 * One table on the status page.
 *
 * @module
 */

import type { FC } from "hono/jsx";
import type { Sample, TableStatus } from "../../replica/status.ts";
import { tablePath } from "../paths.ts";
import { Chart } from "./chart.tsx";
import { bytesText, countText, plural, rateText, shortSpanText } from "./format.ts";
import { Age, cardId, Completeness, Figure, Moment, Until } from "./parts.tsx";
import { Approval, Hold, OnHold, Resync } from "./sweep.tsx";
import { Details } from "./table_details.tsx";
import { concern, stateWords, toneOf } from "./words.ts";

export interface TableCardProps {
  readonly table: TableStatus;
  readonly now: number;
  readonly samples?: readonly Sample[] | undefined;
  readonly maxStalenessMs?: number | undefined;
}

/** Its parts have ids: an update finds them again, also when one comes or goes before them. */
export const TableCard: FC<TableCardProps> = ({ table, now, samples, maxStalenessMs }) => {
  const id = cardId(table.table);
  const tone = toneOf(table, maxStalenessMs);
  const trouble = concern(table, tone);
  return (
    <section class={`card tone-${tone}`} id={id} aria-labelledby={`${id}-name`}>
      <header id={`${id}-head`}>
        <h2 id={`${id}-name`}>{table.table}</h2>
        <p class="state">
          <span class={`chip tone-${tone}`}>{stateWords(table.state)}</span>
          <span class="muted">
            for <Age at={table.since} now={now} bare />
          </span>
        </p>
        <p class="copy">
          <Completeness table={table} now={now} />
        </p>
      </header>
      {table.progress !== null && table.state === "catching-up"
        ? (
          <progress
            id={`${id}-progress`}
            max="1"
            value={String(table.progress)}
            aria-label="Part of the way to the head"
          />
        )
        : ""}
      {trouble === null ? "" : (
        <div
          id={`${id}-trouble`}
          class={`trouble tone-${tone}`}
          role="group"
          aria-label="What is wrong"
        >
          <p class="what">{sentenceCase(trouble.what)}.</p>
          <p class="next">
            <b>Next:</b> {trouble.next}. {table.nextAttempt === null ? "" : (
              <span class="muted">
                Next attempt <Until at={table.nextAttempt} now={now} />.
              </span>
            )}
          </p>
        </div>
      )}
      <Approval table={table} />
      <OnHold table={table} now={now} />
      <Warnings id={`${id}-warnings`} warnings={table.warnings} />
      <Figures table={table} now={now} />
      <div class="charts" id={`${id}-charts`}>
        <Chart kind="rate" table={table.table} now={now} samples={samples} />
        <Chart kind="commit" table={table.table} now={now} samples={samples} />
      </div>
      <Details table={table} now={now} />
      <footer id={`${id}-foot`}>
        <a class="button" href={tablePath(table.table)}>Browse the records</a>
        <Resync table={table} />
        {table.hold === null ? <Hold table={table} /> : ""}
      </footer>
    </section>
  );
};

const Warnings: FC<{ id: string; warnings: readonly string[] }> = ({ id, warnings }) => {
  if (warnings.length === 0) return null;
  const items = warnings.map((text) => (
    <li>
      {text}
    </li>
  ));
  return <ul class="warnings" id={id}>{items}</ul>;
};

const Figures: FC<{ table: TableStatus; now: number }> = ({ table, now }) => (
  <dl class="figures" id={`${cardId(table.table)}-figures`}>
    <Figure
      name="Rows"
      note={table.rowsExact ? "exact" : "estimate while catching up"}
    >
      {table.rowsExact ? "" : "≈ "}
      {countText(table.rows)}
    </Figure>
    <Figure
      name="Last contact"
      note={table.lastContact === null ? "not yet" : <Moment at={table.lastContact} now={now} />}
    >
      {table.lastContact === null ? "–" : <Age at={table.lastContact} now={now} />}
    </Figure>
    <Figure
      name="Cursor"
      title={`The greatest order up to which everything is stored${
        table.orderType === null ? "" : `; orders compare as ${table.orderType}`
      }`}
      note={table.cursorTime === null || table.cursorTime === table.cursor
        ? table.head === null ? null : `of ${table.head}`
        : <Moment at={table.cursorTime} now={now} />}
    >
      <span class="long">{table.cursor ?? "–"}</span>
    </Figure>
    <Figure
      name="Lag"
      title="From a record's order, where it is a time, to its commit"
      note={table.lagSeconds === null ? "unknown" : "order to commit"}
    >
      {table.lagSeconds === null ? "–" : shortSpanText(table.lagSeconds)}
    </Figure>
    <Figure name="Rate" note={bytesText(table.bytes) + " received"}>
      {rateText(table.recordsPerSecond)}/s
    </Figure>
    <Figure
      name="Set aside"
      note={table.quarantined === 0
        ? "no bad records"
        : <a href={`${tablePath(table.table)}/quarantine`}>see which</a>}
    >
      <span class={table.quarantined > 0 ? "attention" : ""}>
        {plural(table.quarantined, "record")}
      </span>
    </Figure>
  </dl>
);

function sentenceCase(text: string): string {
  return text.replace(/^[a-z](?=[a-z]* )/, (first) => first.toUpperCase()).replace(/\.$/, "");
}
