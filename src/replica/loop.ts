/**
 * The loop of one table: connect, read, wait, repeat.
 *
 * @module
 */

import { Backoff } from "../base/backoff.ts";
import { type Answer, connect, type ConnectOptions } from "../origin/connect.ts";
import { OriginClient } from "../origin/tls_client.ts";
import type { Validators } from "../origin/validators.ts";
import {
  compareOrder,
  formatOrder,
  type Order,
  type OrderType,
  parseOrder,
  rewind,
  roundedDown,
} from "../protocol/cursor.ts";
import { LockstepError } from "../protocol/errors.ts";
import { storeFault } from "../store/kv/store_error.ts";
import { AnswerIngest, type TableParts } from "./answer_ingest.ts";
import { beatSeconds } from "./last_word.ts";
import { AnswerStats } from "./answer_stats.ts";

/** The origin's head; null where it says none, or none that can be read. */
function headOf({ head }: Answer, type: OrderType | null): Order | null {
  if (head === null || head === "") return null;
  try {
    return parseOrder(head, type);
  } catch {
    return null;
  }
}

export class Loop implements Disposable {
  readonly #parts: TableParts;
  readonly #backoff: Backoff;
  readonly #client: OriginClient;
  /** The answer that is being read; null between answers. */
  #intake: AnswerIngest | null = null;
  #needsRecovery = false;
  /** Of the last answer, where all of it is stored, and nothing has failed since. */
  #validators: Validators | null = null;
  /** Cuts a pause, or the answer that is being read, short. */
  #interrupt = new AbortController();

  constructor(parts: TableParts) {
    const { ca, cert, certKey } = parts.config.options;
    this.#parts = parts;
    this.#backoff = new Backoff(parts.config.clock);
    this.#client = new OriginClient({
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(certKey === undefined ? {} : { certKey }),
    });
  }

  /** What is noticed about the answer that is being read; null between answers. */
  get reading(): AnswerStats | null {
    return this.#intake?.reading ?? null;
  }

  /** Whether a commit broke off: what is known of the table may not be what is stored. */
  get needsRecovery(): boolean {
    return this.#needsRecovery;
  }

  /** Goes round until the signal aborts or, with `once`, until up to date. */
  async run(signal: AbortSignal): Promise<void> {
    const { config: { options }, journal, resync } = this.#parts;
    while (!signal.aborted) {
      const failure = await this.#attempt(signal);
      const isDone = options.once && failure === null && journal.isLive && !resync.isPending;
      if (signal.aborted) return;
      if (isDone) return resync.assertDone();
      await this.#pause(failure, signal);
    }
  }

  /** Goes round at once: cuts a pause, or the answer that is being read, short. */
  interrupt(): void {
    this.#interrupt.abort();
  }

  /** There is something to be done between two commits: of the answer under way, or of the next. */
  nudge(): void {
    this.#intake?.nudge();
  }

  /** Closes what the origin is asked with. */
  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }

  /** One request and its answer. Returns what went wrong, or null. */
  async #attempt(signal: AbortSignal): Promise<LockstepError | null> {
    const { table, resync, holds } = this.#parts;
    this.#interrupt = new AbortController();
    const stop = AbortSignal.any([signal, this.#interrupt.signal]);
    try {
      table.store.files?.assertSame();
      if (this.#needsRecovery) await this.#recover();
      await holds.prepare();
      await resync.prepare();
      await this.#exchange(stop);
      return null;
    } catch (error) {
      // An origin that only asks for a pause goes on where it was.
      if (!(error instanceof LockstepError && error.status === 429)) resync.cut();
      if (stop.aborted) return null;
      const failure = storeFault(table.store.path, error);
      await holds.failed(failure).catch(() => {
        // The store fails as well: the next attempt meets it, and the guard once more.
      });
      // Whatever broke off a commit: what is stored is looked up before anything is written.
      const kinds: readonly string[] = ["store", "store-full", "callback"];
      if (kinds.includes(failure.kind)) this.#needsRecovery = true;
      return failure;
    } finally {
      this.#intake = null;
    }
  }

  async #recover(): Promise<void> {
    await this.#parts.table.recover();
    this.#needsRecovery = false;
  }

  async #exchange(stop: AbortSignal): Promise<void> {
    const { config: { endpoint, clock }, table, journal, resync } = this.#parts;
    const isFromBeginning = resync.isFromBeginning;
    const cursor = isFromBeginning ? null : table.meta.cursor;
    const from = this.#asked(cursor, isFromBeginning);
    journal.enter("connect");
    const validators = table.meta.resync === null ? this.#validators : null;
    this.#validators = null;
    const options = { ...this.#connectOptions(), validators };
    const answer = await connect(endpoint, from, options, clock, stop);
    journal.metrics.connections++;
    this.#backoff.answered();
    journal.lastWord.answered(answer.ageMs);
    journal.contact();
    journal.enter("answered");
    const { orders } = table;
    // Everything is compared: the records decide anew.
    if (isFromBeginning) orders.reopen();
    if (answer.orderType !== null) orders.told(answer.orderType);
    const { start } = table.meta;
    const since = cursor === null ? start : parseOrder(from, orders.type);
    const head = headOf(answer, orders.type);
    await resync.checkGeneration(answer);
    await resync.answered();
    const isEmpty = answer.head === "";
    const reading = new AnswerStats({ since, cursor, head, isEmpty, date: answer.date });
    const intake = new AnswerIngest(this.#parts, reading, await table.isEmpty());
    this.#intake = intake;
    await intake.run(answer, stop, () => this.interrupt());
    if (table.meta.resync === null) this.#validators = answer.validators;
  }

  /** Waits as the failure, or the lack of one, asks for. */
  async #pause(failure: LockstepError | null, signal: AbortSignal): Promise<void> {
    const { config: { options, clock }, table, journal, resync } = this.#parts;
    if (failure === null) {
      journal.metrics.reconnected("clean-end");
      await this.#sleep(this.#backoff.ended(options.pollMs ?? 1_000), signal);
      return;
    }
    journal.report(failure);
    if (failure.retry === "never") throw failure;
    // An origin that has forgotten what came before 0, too, is not to be helped by another try.
    const { cursor, floor } = table.meta;
    const isResync = failure.retry === "resync" && !resync.isFromBeginning &&
      (cursor !== null || floor !== null);
    if (isResync) resync.request(failure.message);
    const isGone = failure.kind === "gone" && !isResync;
    const wait = this.#backoff.failed(isGone ? { retry: "slow" } : failure);
    const isHopeless = failure.retry === "slow" ||
      this.#backoff.failures >= (options.attempts ?? 5);
    if (options.once && isHopeless) throw failure;
    journal.nextAttempt = clock.now() + wait;
    await this.#sleep(wait, signal);
    journal.nextAttempt = null;
    journal.metrics.reconnected(failure.kind);
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#interrupt.signal.aborted) this.#interrupt = new AbortController();
    const stop = AbortSignal.any([signal, this.#interrupt.signal]);
    await this.#parts.config.clock.sleep(ms, stop).catch(() => {});
  }

  /** The text to ask the origin by. */
  #asked(cursor: Order | null, isFromBeginning: boolean): string {
    const { table } = this.#parts;
    const { floor, startText } = table.meta;
    if (cursor !== null) return this.#rewound(cursor);
    if (isFromBeginning || floor === null) return startText ?? "0";
    return table.orders.askText(floor);
  }

  #rewound(cursor: Order): string {
    const { config: { options: { overlap } }, table: { orders, meta } } = this.#parts;
    const text = orders.askText(cursor);
    if (overlap === undefined || meta.resync?.phase === "reading") return text;
    const since = rewind(typeof cursor === "string" ? text : cursor, overlap);
    if (since === cursor) return text;
    if (typeof since === "string") return since;
    // Asked from 0, the origin would leave out the deletions that have come since.
    const { floor } = meta;
    if (since === 0) {
      return floor !== null && compareOrder(floor, 1) < 0 ? orders.askText(floor) : "1";
    }
    return typeof since === "number" ? roundedDown(since) : formatOrder(since);
  }

  #connectOptions(): ConnectOptions {
    const { config, table } = this.#parts;
    const { connectTimeoutMs, idleTimeoutMs, headers, headerFile } = config.options;
    return {
      client: this.#client,
      generation: table.meta.generation ?? null,
      beatSeconds: beatSeconds(config.options.maxStalenessMs),
      ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
      ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
      ...(headers === undefined ? {} : { headers }),
      ...(headerFile === undefined ? {} : { headerFile }),
    };
  }
}
