/**
 * `verify TABLE`: whether the copy is what its origin, or another copy, has.
 *
 * @module
 */

import { systemClock } from "../../base/clock.ts";
import { createClient } from "../../base/http_client.ts";
import { printable } from "../../base/log.ts";
import { Endpoint } from "../../origin/endpoint.ts";
import { OriginClient } from "../../origin/tls_client.ts";
import { LockstepError, messageOf } from "../../protocol/errors.ts";
import { stringifyJson } from "../../protocol/json_text.ts";
import { TableOrders } from "../../protocol/orders.ts";
import type { JsonValue, Key, RecordShape } from "../../protocol/record.ts";
import { keyText } from "../../protocol/key_text.ts";
import { deletionOf, keyOf } from "../../protocol/record.ts";
import {
  type AgainstResult,
  compareCopies,
  ServedCopy,
  StoredCopy,
} from "../../replica/verify/against.ts";
import { DIFFERENCES } from "../../replica/verify/compare.ts";
import { type Verification, verify } from "../../replica/verify/verify.ts";
import type { Store } from "../../store/kv/open_store.ts";
import type { TableMeta } from "../../store/kv/stored_values.ts";
import type { TableReader } from "../../store/read/table_reader.ts";
import { holderOf } from "../../store/table/lease.ts";
import { leaveRequest } from "../../store/table/requests.ts";
import type { AnyValues } from "../options/table.ts";
import { writeError, writeOut } from "../output.ts";
import { count } from "../report/progress.ts";
import { missingTable, withTable } from "../with_table.ts";

const EQUAL = 0;
const DIFFERENT = 1;
const UNKNOWN = 2;

/** Rows of the origin a second, unless said otherwise: a quarter of what it could be read at. */
const ROWS_PER_SECOND = 50_000;

/** Questions to a process that is still making its digest, a second apart. */
const DIGEST_TRIES = 120;

const LOOK_MS = 1_000;

export async function verifyCommand(values: AnyValues, table: string): Promise<number> {
  return await withTable(values, table, async (reader, store) => {
    const meta = await reader.meta();
    if (meta === null) {
      writeError(await missingTable(reader, store) ?? "");
      return UNKNOWN;
    }
    const result = values.against === undefined
      ? await withOrigin(values, meta, reader, store)
      : await withCopy(values, values.against, meta, reader, store);
    const isDifferent = result.verdict === "different";
    if (isDifferent && values.repair) {
      await leaveRequest(store.writer, table, "resync");
      writeError("asked for a resync, which writes only what differs\n");
    }
    return isDifferent ? DIFFERENT : result.verdict === "equal" ? EQUAL : UNKNOWN;
  });
}

function shapeOf({ origin, order }: TableMeta, values: AnyValues): RecordShape {
  const { key, orderBy, deletedBy = values.deletedBy ?? "deleted_at" } = origin;
  return { key, orderBy, orderType: order?.type ?? null, ...deletionOf(deletedBy) };
}

async function withOrigin(
  values: AnyValues,
  meta: TableMeta,
  reader: TableReader,
  store: Store,
): Promise<Verification | { readonly verdict: "unknown" }> {
  const { table } = reader;
  if (meta.cursor === null) {
    writeError(`table ${table} has no cursor yet: there is nothing to compare\n`);
    return { verdict: "unknown" };
  }
  const isWhole = meta.origin.whole ?? false;
  const url = values.url.find((source) => source.table === table)?.url ?? values.url[0]?.url;
  const { ca, cert, certKey, headerFile } = values;
  using client = new OriginClient({
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(certKey === undefined ? {} : { certKey }),
  });
  try {
    const result = await verify({
      source: {
        endpoint: new Endpoint(url ?? meta.origin.url, isWhole),
        table,
        shape: shapeOf(meta, values),
        orders: new TableOrders(meta.order ?? null),
        records: meta.origin.records,
        isWhole,
        maxLineLength: values.maxLineLength ?? 16 * 2 ** 20,
        connect: {
          client,
          headers: values.header,
          ...(headerFile === undefined ? {} : { headerFile }),
        },
        clock: systemClock,
        pollMs: values.poll ?? 1_000,
      },
      kv: store.reader,
      reader,
      beside: store.kind === "file" ? store.path : null,
      from: meta.startText ?? "0",
      settled: meta.cursor,
      isRemote: store.kind === "remote",
      rowsPerSecond: values.rate ?? ROWS_PER_SECOND,
      signal: new AbortController().signal,
    });
    await writeOut(values.json ? verificationJson(table, result) : verificationText(table, result));
    return result;
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    writeError(`${printable(error.message)}; ${error.hint}\n`);
    return { verdict: "unknown" };
  }
}

async function withCopy(
  values: AnyValues,
  url: string,
  meta: TableMeta,
  reader: TableReader,
  store: Store,
): Promise<AgainstResult> {
  const { table } = reader;
  const holder = await holderOf(store.reader, table);
  const tokenFile = values.statusTokenFile;
  const cursor = meta.cursorText ?? (meta.cursor === null ? null : String(meta.cursor));
  using mine = holder?.statusUrl ? new Asker(holder.statusUrl, tokenFile) : null;
  using theirs = new Asker(url, tokenFile);
  const ours = mine === null
    ? new StoredCopy(() => reader.list(), cursor)
    : new ServedCopy(table, (path) => mine.ask(path));
  const result = await compareCopies(
    ours,
    new ServedCopy(table, (path) => theirs.ask(path)),
    (record) => keyOf(record, meta.origin.key),
  );
  await writeOut(values.json ? againstJson(table, result) : againstText(table, url, result));
  return result;
}

/** Asks a status server, and again while it is still making a digest. */
class Asker implements Disposable {
  readonly #url: string;
  readonly #headers: Promise<Headers>;
  readonly #client: Deno.HttpClient;
  readonly #isSocket: boolean;

  constructor(url: string, tokenFile: string | undefined) {
    const socket = /^unix:(.*)$/s.exec(url)?.[1];
    this.#url = socket === undefined ? url : "http://localhost";
    this.#isSocket = socket !== undefined;
    this.#client = createClient(
      socket === undefined ? {} : { proxy: { transport: "unix", path: socket } },
    );
    this.#headers = headersWith(tokenFile);
  }

  async ask(path: string): Promise<Response> {
    const base = this.#isSocket || this.#url.endsWith("/") ? this.#url : `${this.#url}/`;
    const target = new URL(path.replace(/^\//, ""), base);
    for (let tries = 1;; tries++) {
      let response: Response;
      try {
        const headers = await this.#headers;
        response = await fetch(target, { headers, client: this.#client });
      } catch (error) {
        throw new LockstepError(`${target.origin} gives no answer: ${messageOf(error)}`, {
          kind: "usage",
          retry: "never",
          hint: "give the address of the other copy's status page",
        });
      }
      if (response.status !== 503 || tries === DIGEST_TRIES) return response;
      await response.body?.cancel();
      await systemClock.sleep(LOOK_MS);
    }
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

async function headersWith(tokenFile: string | undefined): Promise<Headers> {
  const headers = new Headers({ accept: "application/json" });
  if (tokenFile !== undefined) {
    headers.set("authorization", `Bearer ${(await Deno.readTextFile(tokenFile)).trim()}`);
  }
  return headers;
}

function keysText(keys: readonly Key[], total: number): string {
  const shown = keys.slice(0, 5).map((key) => printable(keyText(key))).join(", ");
  return total > 5 ? `${shown}, …` : shown;
}

function verificationText(table: string, result: Verification): string {
  const { verdict, reason, compared, changed, differences } = result;
  const lines = DIFFERENCES.flatMap((difference) => {
    const { count: found, keys } = differences[difference];
    return found === 0 ? [] : [`  ${count(found)} ${difference}: ${keysText(keys, found)}`];
  });
  const what = verdict === "equal"
    ? "equal to its origin"
    : verdict === "different"
    ? "NOT equal to its origin"
    : "compared; whether it has more than the origin can't be told";
  const meanwhile = changed === 0 ? "" : `, ${count(changed)} changed meanwhile`;
  return [
    `${printable(table)}: ${what} (${count(compared)} records compared${meanwhile})`,
    ...lines,
    ...(reason === null ? [] : [`  ${reason}`]),
    "",
  ].join("\n");
}

function keysJson(keys: readonly Key[]): JsonValue {
  return keys.map((key) => [...key]);
}

function verificationJson(table: string, result: Verification): string {
  const { verdict, reason, compared, changed, differences } = result;
  const found = DIFFERENCES.map((difference): [string, JsonValue] => {
    const { count, keys } = differences[difference];
    return [difference, { count, keys: keysJson(keys) }];
  });
  const body: JsonValue = {
    table,
    verdict,
    reason,
    compared,
    changed,
    ...Object.fromEntries(found),
  };
  return `${stringifyJson(body)}\n`;
}

function againstText(table: string, url: string, result: AgainstResult): string {
  const { verdict, reason, rows, missing, ghosts, different } = result;
  const part = (word: string, keys: readonly Key[]) =>
    keys.length === 0 ? [] : [`  ${count(keys.length)} ${word}: ${keysText(keys, keys.length)}`];
  const what = verdict === "equal"
    ? "equal to"
    : verdict === "different"
    ? "NOT equal to"
    : "can't be compared with";
  return [
    `${printable(table)}: ${what} ${printable(url)} (${count(rows)} rows)`,
    ...part("missing here", missing),
    ...part("only here", ghosts),
    ...part("different", different),
    ...(reason === null ? [] : [`  ${printable(reason)}`]),
    "",
  ].join("\n");
}

function againstJson(table: string, result: AgainstResult): string {
  const { verdict, reason, rows, cursor, missing, ghosts, different } = result;
  const body: JsonValue = {
    table,
    verdict,
    reason,
    rows,
    cursor,
    missing: keysJson(missing),
    ghost: keysJson(ghosts),
    different: keysJson(different),
  };
  return `${stringifyJson(body)}\n`;
}
