/**
 * The browser of a table's records: pages, look-up by key, one record, the quarantine.
 *
 * @module
 */

import type { Child, FC } from "hono/jsx";
import type { TableStatus } from "../../replica/status.ts";
import type { QuarantineEntry } from "../../store/kv/stored_values.ts";
import { shellWord } from "../../doctor/command_line.ts";
import type { Key } from "../../protocol/record.ts";
import type { Found, Page } from "../records.ts";
import { afterToken, recordPath, tablePath } from "../paths.ts";
import { countText, plural, shorten } from "./format.ts";
import { prettyJson } from "./json.ts";
import { Completeness, Moment } from "./parts.tsx";
import { stateWords, toneOf } from "./words.ts";

interface TableProps {
  readonly status: TableStatus;
  readonly now: number;
  /** Names of the key fields, where the table has been replicated. */
  readonly keyFields: readonly string[];
}

const Head: FC<TableProps & { children?: Child }> = ({ status, now, keyFields, children }) => {
  return (
    <>
      <p class="back">
        <a href="/">Status</a> › <a href={tablePath(status.table)}>{status.table}</a>
      </p>
      <section class={`card tone-${toneOf(status)}`}>
        <header>
          <h1>{status.table}</h1>
          <p class="state">
            <span class={`chip tone-${toneOf(status)}`}>{stateWords(status.state)}</span>
            <span>{status.rowsExact ? "" : "≈ "}{plural(status.rows, "row")}</span>
          </p>
          <p class="copy">
            <Completeness table={status} now={now} />
          </p>
        </header>
        <form
          class="lookup"
          method="get"
          action={`${tablePath(status.table)}/records`}
          role="search"
        >
          {keyFields.map((field, i) => (
            <label>
              {field}
              <input name="key" required autocomplete="off" spellcheck={false} id={`key-${i}`} />
            </label>
          ))}
          <button type="submit">Look up</button>
        </form>
      </section>
      {children}
    </>
  );
};

export const RecordList: FC<TableProps & { page: Page; first: boolean; limit: number }> = (
  { page, first, limit, ...props },
) => {
  const base = tablePath(props.status.table);
  return (
    <main id="main" data-now={String(props.now)}>
      <Head {...props}>
        <section class="card" aria-label="Records">
          {page.rows.length === 0
            ? <p class="muted">{first ? "No records yet." : "No more records."}</p>
            : (
              <table class="records">
                <thead>
                  <tr>
                    <th scope="col" class="k">{props.keyFields.join(", ")}</th>
                    <th scope="col">Record</th>
                  </tr>
                </thead>
                <tbody>
                  {page.rows.map((row) => (
                    <tr>
                      <th scope="row" class="k">
                        <a href={recordPath(props.status.table, row.key)}>
                          {shorten(row.key.map(String).join(" · "), 120) || "(empty)"}
                        </a>
                      </th>
                      <td class="preview">
                        {row.text === null ? "(a large record)" : shorten(row.text, 240)}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
          <p class="pager">
            {first ? "" : <a href={base}>First page</a>}
            {!page.hasMore || page.last === null ? "" : (
              <a
                rel="next"
                href={`${base}?limit=${limit}&after=${encodeURIComponent(afterToken(page.last))}`}
              >
                Next {countText(limit)}
              </a>
            )}
          </p>
        </section>
      </Head>
    </main>
  );
};

interface RecordProps extends TableProps {
  readonly found: Found;
  readonly asked: readonly string[];
  /** The store, as `--kv` takes it. */
  readonly store: string;
}

export const RecordView: FC<RecordProps> = ({ found, asked, store, ...props }) => (
  <main id="main" data-now={String(props.now)}>
    <Head {...props}>
      <section class="card" aria-label="The record">
        {found.kind === "nothing"
          ? (
            <>
              <h2>No record {asked.join(" / ")}</h2>
              <p class="muted">
                There is none of this key{props.status.live ? "" : " yet"}, and no deletion of it is
                remembered.
              </p>
            </>
          )
          : found.kind === "tombstone"
          ? (
            <>
              <h2 class="attention">{found.key.map(String).join(" / ")} is deleted</h2>
              <p>
                Deleted at <b>{deletedText(found.tombstone.deletedAt)}</b>; remembered until{" "}
                <Moment at={new Date(found.tombstone.expiresAt).toISOString()} />.
              </p>
              <pre class="json">{prettyJson(found.tombstone.value)}</pre>
            </>
          )
          : (
            <>
              <h2>{found.entry.key.map(String).join(" / ")}</h2>
              {found.entry.value === null
                ? (
                  <p>
                    This record has about {countText(found.entry.large?.sizeBytes ?? 0)}{" "}
                    bytes: too many to show here.
                  </p>
                )
                : <pre class="json">{prettyJson(found.entry.value)}</pre>}
              <p class="muted long">
                Version {found.tag}. In a shell:{" "}
                <code>{getCommand(store, props.status.table, found.entry.key)}</code>
              </p>
            </>
          )}
      </section>
    </Head>
  </main>
);

/** The command that prints a record; a word that begins with a dash would be an option. */
function getCommand(store: string, table: string, key: Key): string {
  const words = [table, ...key.map(String)].map(shellWord);
  const mark = words.some((word) => word.startsWith("-")) ? ["--"] : [];
  return ["lockstep-replicate", "get", "--kv", shellWord(store), ...mark, ...words].join(" ");
}

function deletedText(value: unknown): string {
  return typeof value === "string" ? value : String(value);
}

export const QuarantineList: FC<TableProps & { entries: readonly QuarantineEntry[] }> = (
  { entries, ...props },
) => (
  <main id="main" data-now={String(props.now)}>
    <Head {...props}>
      <section class="card" aria-label="Quarantine">
        <h2>Set aside</h2>
        <p>
          What the origin sent and could not be stored as a record: {plural(
            props.status.quarantined,
            "record",
          )}{" "}
          in the table's life. The newest are kept; correct them at the origin, and they come again
          with their next change.
        </p>
        {entries.map((entry) => (
          <article class="set-aside">
            <p>
              <Moment at={new Date(entry.time).toISOString()} /> <b>{entry.reason}</b>
              {entry.cursor === null
                ? ""
                : <span class="muted">at cursor {String(entry.cursor)}</span>}
            </p>
            <pre class="json">{shorten(entry.text, 2000)}</pre>
          </article>
        ))}
      </section>
    </Head>
  </main>
);
