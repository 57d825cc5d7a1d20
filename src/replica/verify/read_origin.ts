/**
 * Everything that an origin has from an order on, over as many answers as it takes; read only.
 *
 * @module
 */

import type { Clock } from "../../base/clock.ts";
import { connect, type ConnectOptions } from "../../origin/connect.ts";
import type { Endpoint } from "../../origin/endpoint.ts";
import { compareOrder, maxOrder, type Order, parseOrder } from "../../protocol/cursor.ts";
import type { TableOrders } from "../../protocol/orders.ts";
import type { RecordShape } from "../../protocol/record.ts";
import { unstorable } from "../../store/kv/keys.ts";
import { type RowBatch, RowReader } from "../../stream/row_reader.ts";
import { rowStream } from "../../stream/row_stream.ts";
import { TrackedBody } from "../../stream/tracked_body.ts";
import { answered, beginPass, type Pass } from "../pass.ts";

/** An answer that stays open, and is silent for so long, has brought what there is: a guess. */
const QUIET_MS = 2_000;

/** How far to read. */
export interface ReadBounds {
  /** The order behind which a sorted answer is of no more interest; null for none. */
  readonly until: Order | null;
  /** Milliseconds after which what comes is of no more interest; null for none. */
  readonly forMs: number | null;
}

/** What is read, and as what. */
export interface OriginSource {
  readonly endpoint: Endpoint;
  readonly table: string;
  readonly shape: RecordShape;
  readonly orders: TableOrders;
  readonly records: string | undefined;
  /** Whether each answer is the whole table, with orders that are the copy's own. */
  readonly isWhole?: boolean;
  readonly maxLineLength: number;
  readonly connect: ConnectOptions;
  readonly clock: Clock;
  /** Milliseconds between two answers of an origin that pauses. */
  readonly pollMs: number;
}

/** How the reading came to its end. */
export interface OriginEnd {
  /** Whether everything there was is known to have come: by an end that proves it, or a head. */
  readonly isProved: boolean;
  /** Whether it is at least likely: an open answer went quiet. */
  readonly isGuessed: boolean;
  readonly records: number;
  /** Records that couldn't be read. */
  readonly unreadable: number;
  readonly greatest: Order | null;
}

/** One answer's part of it. */
interface AnswerEnd {
  readonly how: "ended" | "passed" | "head" | "quiet";
  readonly isEndProved: boolean;
}

/**
 * Reads until everything up to an order has come, or everything there is.
 *
 * @param from the text to ask the origin by
 * @param visit called with each batch; waited for
 * @throws {LockstepError} where an answer breaks off, or is none
 */
export async function readOrigin(
  source: OriginSource,
  from: string,
  { until, forMs }: ReadBounds,
  visit: (batch: RowBatch) => Promise<void>,
  signal: AbortSignal,
): Promise<OriginEnd> {
  const { orders, clock } = source;
  const deadline = forMs === null ? Infinity : clock.monotonic() + forMs;
  const since = from === "0" ? null : parseOrder(from, orders.type);
  let pass: Pass = beginPass(since);
  let text = from;
  let records = 0;
  let unreadable = 0;
  let greatest: Order | null = null;
  const end = (isProved: boolean, isGuessed = isProved): OriginEnd => {
    return { isProved, isGuessed, records, unreadable, greatest };
  };
  for (;;) {
    let usable = 0;
    let rejects = 0;
    let newest: Order | null = null;
    let least: Order | null = null;
    let isSorted = true;
    const { how, isEndProved } = await readAnswer(source, text, signal, async (batch) => {
      usable += batch.rows.length;
      rejects += batch.rejects.length;
      isSorted &&= batch.sorted;
      newest = maxOrder(newest, batch.maxOrder);
      if (batch.minOrder !== null && (least === null || compareOrder(batch.minOrder, least) < 0)) {
        least = batch.minOrder;
      }
      await visit(batch);
      if (clock.monotonic() > deadline) return true;
      return until !== null && isSorted && newest !== null && compareOrder(newest, until) > 0;
    }, () => newest);
    records += usable;
    unreadable += rejects;
    greatest = maxOrder(greatest, newest);
    if (how === "passed" || how === "head") return end(true);
    if (how === "quiet") return end(false, true);
    if (source.isWhole) return end(isEndProved, true);
    const step = answered(pass, {
      since: pass.greatest === null ? null : parseOrder(text, orders.type),
      records: usable,
      unreadable: rejects,
      newest,
      least,
      isEndProved,
      head: null,
      isNothingNew: false,
      hasNext: false,
    });
    if (step.next === "end") {
      return end(step.end.proof === "whole", step.end.complete);
    }
    if (step.next !== "again" || step.pass.greatest === null) return end(false);
    ({ pass } = step);
    text = step.pass.greatest === null ? text : orders.askText(step.pass.greatest);
    if (step.pauses) await clock.sleep(source.pollMs, signal);
  }
}

/** Reads one answer; `visit` says whether no more of it is wanted. */
async function readAnswer(
  source: OriginSource,
  since: string,
  signal: AbortSignal,
  visit: (batch: RowBatch) => Promise<boolean>,
  newest: () => Order | null,
): Promise<AnswerEnd> {
  const { orders, clock, table } = source;
  const over = new AbortController();
  const stop = AbortSignal.any([signal, over.signal]);
  const answer = await connect(source.endpoint, since, source.connect, clock, stop);
  if (answer.body === null) return { how: "ended", isEndProved: true };
  const head = answer.head === null || answer.head === ""
    ? null
    : parseOrder(answer.head, orders.type);
  const ending = new TrackedBody(answer.body);
  const reader = new RowReader({
    shape: source.shape,
    orders,
    checkKey: (row) => unstorable(table, row),
    strict: false,
    isWhole: source.isWhole ?? false,
  });
  const rows = ending.readable.pipeThrough(rowStream({
    reader,
    ending,
    maxLength: source.maxLineLength,
    records: source.records,
    contentType: answer.contentType,
    onBatch: () => {},
  })).getReader();
  let pending: ReturnType<typeof rows.read> | null = null;
  const isAtHead = () => {
    const order = newest();
    return head !== null && order !== null && compareOrder(order, head) >= 0;
  };
  try {
    for (;;) {
      pending ??= rows.read();
      const late = new AbortController();
      const quiet = clock.sleep(QUIET_MS, late.signal).then(() => null, () => null);
      const next = await Promise.race([pending, quiet]);
      late.abort();
      signal.throwIfAborted();
      if (next === null) {
        // A head that was announced is a fact: silence below it says nothing.
        if (isAtHead() || answer.head === "") return { how: "head", isEndProved: true };
        if (head === null) return { how: "quiet", isEndProved: false };
        continue;
      }
      pending = null;
      if (next.done) {
        ending.check(answer.url);
        return { how: "ended", isEndProved: answer.endIsProof || ending.endIsProved };
      }
      if (await visit(next.value)) return { how: "passed", isEndProved: true };
    }
  } finally {
    over.abort();
    await rows.cancel().catch(() => {});
    await pending?.catch(() => {});
  }
}
