/**
 * Routes about one table: its records, changes and quarantine, and the two requests to it.
 *
 * @module
 */

import type { Context, Hono } from "hono";
import { LockstepError } from "../protocol/errors.ts";
import { stringifyJson } from "../protocol/json_text.ts";
import type { JsonValue } from "../protocol/record.ts";
import { isKeyTooLong } from "../store/kv/keys.ts";
import type { QuarantineEntry } from "../store/kv/stored_values.ts";
import type { ListedEntry } from "../store/read/table_reader.ts";
import { type AppParts, get, post, problem, tooManyStreams } from "./app_parts.ts";
import { parsePlace } from "./changes.ts";
import { freshness } from "./headers.ts";
import { expiry } from "./health.ts";
import type { TableHost } from "./host.ts";
import { preferred } from "./negotiate.ts";
import { afterToken, parseAfter, segments, tablePath } from "./paths.ts";
import {
  findPage,
  lookUp,
  MAX_HTML_LIMIT,
  MAX_LIMIT,
  newestQuarantine,
  pageTexts,
  parseLimit,
  quarantineJson,
  readPage,
  type RowText,
  tagMatches,
  tombstoneJson,
} from "./records.ts";
import { eventResponse } from "./sse.ts";
import { textBody } from "./text_body.ts";
import { page } from "./view/layout.tsx";
import { QuarantineList, RecordList, RecordView } from "./view/records.tsx";
import { toneOf } from "./view/words.ts";

const JSON_TYPE = "application/json; charset=utf-8";
const BROWSER_LIMIT = 50;

/** Characters of a record that the list for people shows. */
const PREVIEW_CHARS = 256;

const RETRY = { "retry-after": "1" };

const encoder = new TextEncoder();

type TableHandler = (c: Context, table: TableHost, path: string[]) => Response | Promise<Response>;

export function tableRoutes(app: Hono, parts: AppParts): void {
  const { host, clock } = parts;

  /** Finds the table that the path names; the path's elements come decoded. */
  const within = (handler: TableHandler) => (c: Context) => {
    const path = segments(c.req.url);
    if (path === null) return problem(400, "the path is not well-formed percent-encoding");
    const table = host.tables.get(path[1] ?? "");
    if (table === undefined) return problem(404, "there is no such table");
    return handler(c, table, path);
  };

  /** The same for reads of the copy, which are refused where it is too old. */
  const reading = (handler: TableHandler) =>
    within((c, table, path) => {
      const refusal = expiry(table.status());
      if (refusal === null) return handler(c, table, path);
      return problem(503, refusal, { ...freshness(table.status()), "retry-after": "10" });
    });

  /** What every view of a table needs. */
  const viewProps = async (table: TableHost) => ({
    status: table.status(),
    now: clock.now(),
    keyFields: (await table.reader.meta())?.origin.key ?? ["id"],
  });

  const list = (html: boolean): TableHandler => async (c, table) => {
    const limit = parseLimit(c.req.query("limit"), html ? BROWSER_LIMIT : undefined);
    if (limit === null) return problem(400, `limit is a number from 1 to ${MAX_LIMIT}`);
    const token = c.req.query("after");
    const after = token === undefined ? null : parseAfter(token);
    if (token !== undefined && (after === null || isKeyTooLong(table.table, after))) {
      return problem(
        400,
        'after is the key of the last record seen, as a JSON array: after=["a",1]',
      );
    }
    const props = await viewProps(table);
    const headers: Record<string, string> = { ...freshness(props.status), vary: "Accept" };
    if (html) {
      const most = Math.min(limit, MAX_HTML_LIMIT);
      const found = await readPage(table.reader, most, after, PREVIEW_CHARS);
      const view = <RecordList {...props} page={found} first={after === null} limit={most} />;
      return c.html(
        page({ title: `${table.table} · records`, tone: toneOf(props.status), children: view }),
        200,
        headers,
      );
    }
    const found = await findPage(table.reader, limit, after);
    const next = found.hasMore && found.last !== null ? afterToken(found.last) : null;
    if (next !== null) {
      const query = `limit=${limit}&after=${encodeURIComponent(next)}`;
      headers.link = `<${tablePath(table.table)}/records?${query}>; rel="next"`;
    }
    const texts = pageTexts(table.reader, found, after, (entry) => large(table, entry));
    const type = preferred(c.req.header("accept"), ["application/json", "application/x-ndjson"]);
    if (type === "application/x-ndjson") {
      const body = textBody(joined(texts, "", "\n", "\n"));
      return c.body(body, 200, { ...headers, "content-type": "application/x-ndjson" });
    }
    const head = `{"table":${JSON.stringify(table.table)},` +
      `"cursor":${JSON.stringify(props.status.cursor)},` +
      `"next":${JSON.stringify(next)},"records":[`;
    const body = textBody(joined(texts, head, ",\n", "]}\n"));
    return c.body(body, 200, { ...headers, "content-type": JSON_TYPE });
  };

  /** The text of a large row, which all who read it share. */
  const large = ({ reader }: TableHost, { key, large }: ListedEntry) =>
    parts.largeTexts.hold(
      `${large?.version}`,
      large?.sizeBytes ?? 0,
      async () => {
        // Each step takes some 20 ms for 16 MiB: others have their turn between them.
        const record = await reader.get(key);
        if (record === null) return null;
        await parts.clock.sleep(0);
        const text = stringifyJson(record.value);
        await parts.clock.sleep(0);
        return encoder.encode(text);
      },
    );

  const one = async (c: Context, table: TableHost, texts: readonly string[]) => {
    const found = await lookUp(table.reader, texts);
    const props = await viewProps(table);
    const headers: Record<string, string> = { ...freshness(props.status), vary: "Accept" };
    const code = found.kind === "record" ? 200 : 404;
    if (wantsHtml(c)) {
      const view = (
        <RecordView {...props} found={found} asked={texts} store={host.status().store.path} />
      );
      return c.html(
        page({ title: `${table.table} · ${texts.join(" / ")}`, children: view }),
        code,
        headers,
      );
    }
    headers["content-type"] = JSON_TYPE;
    if (found.kind === "record") {
      headers.etag = found.tag;
      // The copy is asked each time, and answers 304 in one read of the store.
      headers["cache-control"] = "no-cache";
      if (tagMatches(c.req.header("if-none-match"), headers.etag)) {
        return c.body(null, 304, headers);
      }
      const { entry } = found;
      if (entry.value !== null) return c.body(stringifyJson(entry.value) + "\n", 200, headers);
      const held = await large(table, entry);
      if (held === "busy") return problem(503, "too many large records are being read", RETRY);
      if (held === "gone") return problem(503, "the record is just being replaced", RETRY);
      headers["content-length"] = String(held.bytes.length + 1);
      return c.body(textBody(joined(only(held), "", "", "\n"), held.release), 200, headers);
    }
    const body: JsonValue = found.kind === "tombstone"
      ? tombstoneJson(found.key, found.tombstone)
      : { error: "there is no record of this key", deleted: false };
    return c.body(stringifyJson(body) + "\n", 404, headers);
  };

  get(app, "/tables/:table", reading(list(true)));
  get(
    app,
    "/tables/:table/records",
    reading((c, table, path) => {
      const texts = c.req.queries("key");
      return texts === undefined ? list(wantsHtml(c))(c, table, path) : one(c, table, texts);
    }),
  );
  get(app, "/tables/:table/records/*", reading((c, table, path) => one(c, table, path.slice(3))));

  get(
    app,
    "/tables/:table/changes",
    reading(async (c, table) => {
      const given = c.req.header("last-event-id") ?? c.req.query("since");
      const place = given === undefined ? null : parsePlace(given);
      if (given !== undefined && place === null) return problem(400, "since is no cursor");
      const headers = freshness(table.status());
      if (c.req.raw.method === "HEAD") {
        return c.body(null, 200, { ...headers, "content-type": "text/event-stream" });
      }
      let stream;
      try {
        stream = await parts.changes(table).open(place);
      } catch (error) {
        if (error instanceof LockstepError) return problem(400, `${error.message}: ${error.hint}`);
        throw error;
      }
      return stream === null ? tooManyStreams() : eventResponse(stream, headers);
    }),
  );

  get(
    app,
    "/tables/:table/quarantine",
    within(async (c, table) => {
      const limit = parseLimit(c.req.query("limit"));
      if (limit === null) return problem(400, `limit is a number from 1 to ${MAX_LIMIT}`);
      const props = await viewProps(table);
      const headers = { ...freshness(props.status), vary: "Accept" };
      if (wantsHtml(c)) {
        const newest = newestQuarantine(table.reader, Math.min(limit, MAX_HTML_LIMIT));
        const entries = await Array.fromAsync(newest);
        const view = <QuarantineList {...props} entries={entries} />;
        return c.html(page({ title: `${table.table} · set aside`, children: view }), 200, headers);
      }
      const head = `{"table":${JSON.stringify(table.table)},` +
        `"quarantined":${props.status.quarantined},"entries":[`;
      const texts = quarantineTexts(newestQuarantine(table.reader, limit));
      const body = textBody(joined(texts, head, ",\n", "]}\n"));
      return c.body(body, 200, { ...headers, "content-type": JSON_TYPE });
    }),
  );

  post(
    app,
    "/tables/:table/resync",
    within((c, table) => {
      table.requestResync("asked for on the status page");
      return done(c, table, { table: table.table, resync: "requested" });
    }),
  );

  post(
    app,
    "/tables/:table/approve-sweep",
    within((c, table) => {
      if (!table.approveSweep() && !wantsHtml(c)) return problem(409, "no sweep is held");
      return done(c, table, { table: table.table, sweep: "approved" });
    }),
  );

  post(
    app,
    "/tables/:table/hold",
    within((c, table) => {
      table.hold();
      return done(c, table, { table: table.table, hold: "requested" });
    }),
  );

  post(
    app,
    "/tables/:table/release",
    within((c, table) => {
      table.release();
      return done(c, table, { table: table.table, hold: "released" });
    }),
  );
}

function wantsHtml(c: Context): boolean {
  return preferred(c.req.header("accept"), [
    "application/json",
    "text/html",
    "application/x-ndjson",
  ]) ===
    "text/html";
}

/** Texts between a beginning and an end, with something between each two of them. */
async function* joined(
  texts: AsyncIterable<RowText>,
  head: string,
  between: string,
  tail: string,
): AsyncGenerator<RowText> {
  yield head;
  let isFirst = true;
  for await (const text of texts) {
    if (!isFirst) yield between;
    isFirst = false;
    yield text;
  }
  // The last line of NDJSON ends like the others; an empty answer has no line.
  if (tail !== between || !isFirst) yield tail;
}

async function* only(text: RowText): AsyncGenerator<RowText> {
  yield text;
}

async function* quarantineTexts(entries: AsyncIterable<QuarantineEntry>): AsyncGenerator<string> {
  for await (const entry of entries) yield stringifyJson(quarantineJson(entry));
}

/** A form goes back to the page; a program gets 202, since the loop takes it up in its own time. */
function done(c: Context, _table: TableHost, body: JsonValue): Response {
  if (wantsHtml(c)) return c.redirect("/", 303);
  return c.body(stringifyJson(body) + "\n", 202, { "content-type": JSON_TYPE });
}
